"""What is trained on, and which rows of it come together in a step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from scale.data.prompts import Encoded
from scale.training.pairing import alternate_answer, idk_answer, order, partner, retain_idk_answer
from theory.objective import Objective

__all__ = ["BatchRows", "TrainingRows", "batches", "begins", "declines", "declines_retained", "replaces"]


@dataclass(frozen=True)
class TrainingRows:
    """What is trained on: `forget` rows (in finetuning: all rows), `retain` rows to pair with, other answers.

    `idk` holds the rows with "I don't know" answers that some epoch uses, `idk_place` where the one of (forget row,
    answer) is; `idk_answers` is how many different answers there are. `after` holds the same rows, each after the
    beginning of the answer to forget; `retain_idk` and `retain_idk_place` are those of retain rows. `alternates` holds
    the alternative answers of each forget row.
    """

    forget: Sequence[Encoded]
    retain: Sequence[Encoded] = ()
    idk: Sequence[Encoded] = ()
    idk_place: Mapping[tuple[int, int], int] | None = None
    idk_answers: int = 0
    alternates: Sequence[Sequence[Encoded]] = ()
    after: Sequence[Encoded] = ()
    retain_idk: Sequence[Encoded] = ()
    retain_idk_place: Mapping[tuple[int, int], int] | None = None

    @cached_property
    def alternate(self) -> tuple[Encoded, ...]:
        """All alternative answers, those of one row after another's."""
        return tuple(row for rows in self.alternates for row in rows)

    @cached_property
    def _alternate_starts(self) -> tuple[int, ...]:
        return (0, *accumulate(len(rows) for rows in self.alternates))

    def of(self, kind: str) -> Sequence[Encoded]:
        """The answers of one kind (`scale.training.asked`)."""
        return {
            "forget": self.forget,
            "win": self.idk,
            "after": self.after,
            "alternate": self.alternate,
            "retain": self.retain,
            "retain_win": self.retain_idk,
        }[kind]

    def replaced(self, seed: int, epoch: int, index: int) -> int:
        """The place in `alternate` of a forget row's alternative answer in this epoch."""
        answer = alternate_answer(seed, epoch, index, answers=len(self.alternates[index]))
        return self._alternate_starts[index] + answer

    def declined(self, seed: int, epoch: int, index: int) -> int:
        """The place in `idk` of a forget row's "I don't know" answer in this epoch."""
        assert self.idk_place is not None
        n = len(self.forget)
        return self.idk_place[index, idk_answer(seed, epoch, index, forget=n, answers=self.idk_answers)]

    def retain_declined(self, seed: int, epoch: int, index: int) -> int:
        """The place in `retain_idk` of the "I don't know" answer beside a forget row's retain row in this epoch."""
        assert self.retain_idk_place is not None
        n = len(self.forget)
        kept = partner(seed, epoch, index, forget=n, retain=len(self.retain))
        return self.retain_idk_place[kept, retain_idk_answer(seed, epoch, index, forget=n, answers=self.idk_answers)]


class BatchRows(NamedTuple):
    """Rows of a batch: their indices among forget, idk, retain, alternative and idk rows of retain ones."""

    forget: Sequence[int]
    idk: Sequence[int]
    retain: Sequence[int]
    alternate: Sequence[int]
    retain_idk: Sequence[int] = ()

    def of(self, kind: str) -> Sequence[int]:
        """The indices of one kind of answers (`scale.training.asked`)."""
        return {
            "forget": self.forget,
            "win": self.idk,
            "after": self.idk,
            "alternate": self.alternate,
            "retain": self.retain,
            "retain_win": self.retain_idk,
        }[kind]


def declines(objective: Objective) -> bool:
    """Does an objective train on "I don't know" answers to what is asked of the rows to forget?"""
    return any(name.endswith("_win") for name in objective.forget_needs) or begins(objective)


def begins(objective: Objective) -> bool:
    """Does it train on these answers after the beginning of the answer to forget?"""
    return any(name.endswith("_win_after") for name in objective.forget_needs)


def declines_retained(objective: Objective) -> bool:
    """Does an objective know "I don't know" answers to what is asked of the rows to retain?"""
    return any(name.endswith("_win") for name in objective.retain_needs)


def replaces(objective: Objective) -> bool:
    """Does an objective train on alternative answers?"""
    return any(name.endswith("_alternate") for name in objective.forget_needs)


def batches(rows: TrainingRows, objective: Objective, *, size: int, seed: int, epoch: int) -> Iterator[BatchRows]:
    """An epoch's batches of `size` forget rows, in its order, each with what the objective pairs them with."""
    n = len(rows.forget)
    indices = order(seed, epoch, n)
    for start in range(0, n, size):
        chosen = list(indices[start : start + size])
        yield BatchRows(
            chosen,
            [rows.declined(seed, epoch, i) for i in chosen] if declines(objective) else [],
            [partner(seed, epoch, i, forget=n, retain=len(rows.retain)) for i in chosen]
            if objective.retain_needs
            else [],
            [rows.replaced(seed, epoch, i) for i in chosen] if replaces(objective) else [],
            [rows.retain_declined(seed, epoch, i) for i in chosen] if declines_retained(objective) else [],
        )
