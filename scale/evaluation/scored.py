"""Scored answers, put back into the questions that they belong to."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scale.data.questions import EncodedQuestion, Question
from scale.evaluation.measurable import END
from scale.evaluation.metrics.losses import Losses
from scale.models.reading.seen import Seen

__all__ = ["Scored", "losses_of", "scored_of"]


class Scored(NamedTuple):
    """A question's answers: mean NLL a token and tokens of each (answers,); by name of the true one's tokens."""

    loss: np.ndarray
    tokens: np.ndarray
    of_tokens: Mapping[str, np.ndarray]


def scored_of(questions: Sequence[EncodedQuestion], seen: Seen, ends: Collection[int]) -> Iterator[Scored]:
    """One question's after another's; its true answer's tokens with and without an end token (one of `ends`)."""
    logp, counts = seen.logp.double().numpy(), seen.tokens.numpy().astype(np.float64)
    looks = {name: values.numpy() for name, values in seen.looks.items()}
    piece = token = 0
    for question in questions:
        sums, tokens = np.empty(len(question)), np.empty(len(question))
        for i, pieces in enumerate(question):
            mine = slice(piece, piece + len(pieces))
            sums[i], tokens[i], piece = logp[mine].sum(), counts[mine].sum(), mine.stop
        labels = np.array([token for row in question[0] for token in row.ids[row.first :]])
        found = {name: values[token : token + len(labels)] for name, values in looks.items()} | {"labels": labels}
        token += len(labels)
        bare = slice(0, len(labels) - (int(labels[-1]) in ends))
        of_tokens = {name: values[bare] for name, values in found.items()}
        yield Scored(-sums / tokens, tokens, of_tokens | {name + END: values for name, values in found.items()})


def losses_of(questions: Sequence[Question], scored: Sequence[Scored]) -> tuple[Losses, Losses]:
    """Losses and tokens of a set: of the answer, the paraphrases (their mean), the wrong answers.

    Where there is no paraphrase the answer serves as one. What a question has fewer of wrong answers than others is
    NaN, of no tokens.
    """
    most = max(len(question.wrong) for question in questions)
    both = list(zip(questions, scored, strict=True))
    losses = np.array([_row(question, one.loss, most, np.nan) for question, one in both])
    tokens = np.array([_row(question, one.tokens, most, 0) for question, one in both])
    return _columns(losses), _columns(tokens)


def _columns(table: np.ndarray) -> Losses:
    return Losses(table[:, 0], table[:, 1], table[:, 2:])


def _row(question: Question, values: np.ndarray, most: int, missing: float) -> np.ndarray:
    paraphrase = values[1 : 1 + question.paraphrases].mean() if question.paraphrases else values[0]
    wrong = values[1 + question.paraphrases :]
    return np.concatenate([[values[0], paraphrase], wrong, np.full(most - len(wrong), missing)])
