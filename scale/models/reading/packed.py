"""Many answers to one question in one row: the prompt is read once, and so is what answers begin with alike.

    prompt  a₁ a₂ a₃ …  b₂ b₃ …      a tree: b begins as a does (b₁ = a₁), and every token sees those it follows
    a₂ sees prompt, a₁, a₂;  b₂ sees prompt, a₁, b₂: a mask of four dimensions says so, positions count along a branch

The hidden states are those of separate rows up to rounding, for a seventh of the prompts that TOFU's seven answers to a
question would read one by one. Not every architecture reads such a row that way: `packable` tries.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scale.data.prompts import Encoded, Packed
from scale.models.reading.faster import alike, alone, tried_once
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes
from theory.logprobs import IGNORE

__all__ = ["PackedQuestion", "pack", "packable", "question_of"]


class PackedQuestion(NamedTuple):
    """A prompt's ids, and those of each answer to it (the end token included).

    `unseen` are the places, counted through prompt and answers one after another, of tokens that none attends to
    (`scale.data.prompts.Encoded`).
    """

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    unseen: tuple[int, ...] = ()

    @property
    def places(self) -> int:
        """Of prompt and answers one after another; the last token of each answer is predicted but not read."""
        return len(self.prompt) + sum(len(answer) - 1 for answer in self.answers)

    @property
    def tokens(self) -> int:
        """Tokens of the packed row."""
        return len(_tree(self).ids)


class _Tree(NamedTuple):
    """The tokens of a packed row, the token that each follows (-1: none), and which one stands at each place."""

    ids: list[int]
    follows: list[int]
    at: list[int]


@lru_cache(maxsize=4096)
def _tree(question: PackedQuestion) -> _Tree:
    ids = list(question.prompt)
    follows, at = list(range(-1, len(ids) - 1)), list(range(len(ids)))
    known: dict[tuple[int, int], int] = {}
    for answer in question.answers:
        before = len(question.prompt) - 1
        for token in answer[:-1]:
            found = known.setdefault((before, token), len(ids))
            if found == len(ids):
                ids.append(token)
                follows.append(before)
            at.append(found)
            before = found
    return _Tree(ids, follows, at)


def _sight(tree: _Tree, prompt: int) -> tuple[Tensor, Tensor]:
    """Whom each token of a packed row sees (time, time), and its position (time,)."""
    sees = np.tri(len(tree.ids), dtype=bool)
    sees[prompt:] = False
    for token in range(prompt, len(tree.ids)):
        sees[token] = sees[tree.follows[token]]
        sees[token, token] = True
    return torch.from_numpy(sees), torch.from_numpy(sees.sum(axis=1) - 1)


def question_of(encoded: Sequence[Encoded]) -> list[PackedQuestion]:
    """The rows of one question as packed questions, in their order: one, unless their prompts differ in tokens.

    They may differ where the prompt's last token depends on how the answer begins.
    """
    found: list[PackedQuestion] = []
    for row in encoded:
        prompt, answer = row.ids[: row.first], row.ids[row.first :]
        if found and found[-1].prompt == prompt:
            last = found[-1]
            behind = last.places - row.first  # where the answer begins in the row, less where in its own
            unseen = (*last.unseen, *(i + behind for i in row.unseen if i >= row.first))
            found[-1] = PackedQuestion(prompt, (*last.answers, answer), unseen)
        else:
            found.append(PackedQuestion(prompt, (answer,), row.unseen))
    return found


def pack(questions: Sequence[PackedQuestion], pad: int) -> Packed:
    """Padded on the right; a padding position sees itself alone, since a row of no one would be NaN."""
    time = max(question.tokens for question in questions)
    longest = 1 + max(len(answer) for question in questions for answer in question.answers)
    answers = sum(len(question.answers) for question in questions)
    ids = torch.full((len(questions), time), pad)
    positions = torch.zeros_like(ids)
    mask = torch.eye(time, dtype=torch.bool).repeat(len(questions), 1, 1)
    predicts = torch.zeros((answers, longest), dtype=torch.long)
    labels = torch.full_like(predicts, IGNORE)
    number = 0
    for i, question in enumerate(questions):
        tree, start = _tree(question), len(question.prompt)
        own = slice(0, len(tree.ids))
        ids[i, own] = torch.tensor(tree.ids)
        mask[i, own, own], positions[i, own] = _sight(tree, start)
        for answer in question.answers:
            m = len(answer) - 1
            read = [len(question.prompt) - 1, *tree.at[start : start + m]]
            predicts[number, : m + 1] = i * time + torch.tensor(read)
            labels[number, 1 : m + 2] = torch.tensor(answer)
            start, number = start + m, number + 1
        if question.unseen:
            mask[i, :, [tree.at[place] for place in question.unseen]] = False
            mask[i] |= torch.diag(~mask[i].any(dim=1))
    return Packed(ids, mask[:, None], positions, predicts, labels)


def packable(scorer: torch.nn.Module, questions: Sequence[PackedQuestion], pad: int, processes: Processes) -> bool:
    """Does this model read these questions packed as it reads every row by itself? Tried on two of them, once."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    # no other attention takes a mask of four dimensions as it is
    if not questions or str(module.plain.config._attn_implementation) != "sdpa":
        return False
    tried = [choose(questions, key=_longest_row) for choose in (max, min)]
    tried.append(max(questions, key=lambda question: question.tokens))
    tried = [question._replace(unseen=()) for question in tried]  # how it reads, whatever is unseen
    key = ("packed", *(question.tokens for question in tried), _longest_row(tried[0]))
    said = "packed questions are not read as rows by themselves, so every answer is read after its own prompt."
    return tried_once(scorer, processes, key, lambda module: _as_rows(module, list(dict.fromkeys(tried)), pad), said)


def _longest_row(question: PackedQuestion) -> int:
    return len(question.prompt) + max(map(len, question.answers)) - 1


def _as_rows(scorer: Scorer, questions: Sequence[PackedQuestion], pad: int) -> bool:
    """Final states of the first, the longest and the last answer of each question, packed and by themselves."""
    made = Packed(*(part.to(scorer.plain.device) for part in pack(questions, pad)))
    packed = scorer.states(made.ids, made.mask, made.positions).flatten(0, 1)
    start = 0
    for question in questions:
        lengths = [len(answer) for answer in question.answers]
        for i in sorted({0, lengths.index(max(lengths)), len(lengths) - 1}):
            plain = alone(scorer, question.prompt + question.answers[i][:-1])[len(question.prompt) - 1 :]
            if not alike(packed[made.predicts[start + i, : lengths[i]]], plain, scorer):
                return False
        start += len(lengths)
    return True
