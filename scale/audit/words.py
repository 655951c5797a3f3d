"""Which tokens of the true answers are the words that give them away, in the batches in which they are read."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scale.audit.asked import AskedSets, Entity
from scale.data.prompts import Batch, Encoded, Packed, Writer
from scale.data.questions import Question
from scale.models.reading.scorer import Scorer, predicted
from theory.logprobs import at_targets

__all__ = ["Spoken", "WordPlaces", "logp_of_words", "places_of", "spoken_of", "words_in"]

_LOGITS = 64 * 2**20
"""Bytes of logits at a time."""


class Spoken(NamedTuple):
    """A true answer in token ids, and which of its answer tokens are the words asked about: from, to (not included)."""

    row: Encoded
    start: int
    stop: int


class WordPlaces(NamedTuple):
    """Of every word token of a batch, one answer's after another's: (tokens,) each.

    `answer` says whose it is, `column` where among that answer's states it is predicted, `place` where in the batch's
    flattened rows · time, `target` which token it is.
    """

    answer: Tensor
    column: Tensor
    place: Tensor
    target: Tensor

    def mean(self, values: Tensor, answers: int) -> Tensor:
        """The mean over each answer's tokens, (answers,); NaN for one that has none."""
        sums = torch.zeros(answers, dtype=torch.float64).index_add_(0, self.answer.cpu(), values.double().cpu())
        return sums / torch.bincount(self.answer.cpu(), minlength=answers)


def spoken_of(asked: AskedSets, writer: Writer) -> list[Spoken]:
    """The true answers to the questions to forget; of a long document its first piece."""
    return [_spoken(*both, writer) for both in zip(asked.forget.questions, asked.entity_of, strict=True)]


def _spoken(question: Question, entity: Entity | None, writer: Writer) -> Spoken:
    row = question.encode(writer)[0][0]
    return Spoken(row, *words_in(row, entity, writer))


def words_in(row: Encoded, entity: Entity | None, writer: Writer) -> tuple[int, int]:
    """Which answer tokens have letters of the entity: from, to; all but the end token where there is none to be found.

    Of an entity that occurs more than once the occurrence after its prefix counts, the first where that is not there.
    """
    tokens = list(row.ids[row.first :])
    every = (0, len(tokens) - (len(tokens) > 1 and tokens[-1] == writer.end))
    if entity is None:
        return every
    texts = [_text(tokens[:i], writer) for i in range(len(tokens) + 1)]
    begins = texts[-1].find(entity.words, max(0, texts[-1].find(entity.prefix)) + len(entity.prefix))
    begins = texts[-1].find(entity.words) if begins < 0 else begins
    if begins < 0:
        return every
    ends = begins + len(entity.words)
    inside = [i for i in range(every[1]) if len(texts[i + 1]) > begins and len(texts[i]) < ends]
    return (inside[0], inside[-1] + 1) if inside else every


def _text(tokens: Sequence[int], writer: Writer) -> str:
    return str(writer.tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False))


def places_of(batch: Batch | Packed, spoken: Sequence[Spoken]) -> WordPlaces:
    """Where the words of some answers are, which are the rows of a batch in this order."""
    predicts = predicted(batch.labels)[0] if isinstance(batch, Batch) else batch.predicts
    answer = torch.tensor([i for i, one in enumerate(spoken) for _ in range(one.start, one.stop)])
    column = torch.tensor([j for one in spoken for j in range(one.start, one.stop)])
    target = torch.tensor([token for one in spoken for token in one.row.ids[one.row.first :][one.start : one.stop]])
    device = predicts.device
    answer, column = answer.to(device), column.to(device)
    return WordPlaces(answer, column, predicts[answer, column], target.to(device))


def logp_of_words(scorer: Scorer, batch: Batch | Packed, places: WordPlaces) -> Tensor:
    """Log-probability (nats) of every word token, (tokens,)."""
    final = scorer.answers(batch)[0].final[places.answer, places.column]
    head = scorer.head()
    most = max(1, _LOGITS // (4 * len(head.weight)))
    parts = zip(final.split(most), places.target.split(most), strict=True)
    return torch.cat([at_targets(head.logits(hidden), targets) for hidden, targets in parts])
