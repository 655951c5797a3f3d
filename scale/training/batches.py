"""What is trained on, and which rows of it come together in a step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from scale.data.prompts import Encoded
from scale.training.pairing import alternate_answer, idk_answer, order, partner
from theory.objective import Objective

__all__ = ["BatchRows", "TrainingRows", "batches", "declines", "replaces"]


@dataclass(frozen=True)
class TrainingRows:
    """What is trained on: `forget` rows (in finetuning: all rows), `retain` rows to pair with, other answers.

    `idk` holds the rows with "I don't know" answers that some epoch uses, `idk_place` where the one of (forget row,
    answer) is; `idk_answers` is how many different answers there are. `alternates` holds the alternative answers of
    each forget row.
    """

    forget: Sequence[Encoded]
    retain: Sequence[Encoded] = ()
    idk: Sequence[Encoded] = ()
    idk_place: Mapping[tuple[int, int], int] | None = None
    idk_answers: int = 0
    alternates: Sequence[Sequence[Encoded]] = ()

    @cached_property
    def alternate(self) -> tuple[Encoded, ...]:
        """All alternative answers, those of one row after another's."""
        return tuple(row for rows in self.alternates for row in rows)

    @cached_property
    def _alternate_starts(self) -> tuple[int, ...]:
        return (0, *accumulate(len(rows) for rows in self.alternates))

    def of(self, kind: str) -> Sequence[Encoded]:
        """The answers of one kind (`scale.training.asked`)."""
        return {"forget": self.forget, "win": self.idk, "alternate": self.alternate, "retain": self.retain}[kind]

    def replaced(self, seed: int, epoch: int, index: int) -> int:
        """The place in `alternate` of a forget row's alternative answer in this epoch."""
        answer = alternate_answer(seed, epoch, index, answers=len(self.alternates[index]))
        return self._alternate_starts[index] + answer

    def declined(self, seed: int, epoch: int, index: int) -> int:
        """The place in `idk` of a forget row's "I don't know" answer in this epoch."""
        assert self.idk_place is not None
        n = len(self.forget)
        return self.idk_place[index, idk_answer(seed, epoch, index, forget=n, answers=self.idk_answers)]


class BatchRows(NamedTuple):
    """Rows of a batch: their indices among forget, idk, retain and alternative rows."""

    forget: list[int]
    idk: list[int]
    retain: list[int]
    alternate: list[int]

    def of(self, kind: str) -> list[int]:
        """The indices of one kind of answers (`scale.training.asked`)."""
        return {"forget": self.forget, "win": self.idk, "alternate": self.alternate, "retain": self.retain}[kind]


def declines(objective: Objective) -> bool:
    """Does an objective train on "I don't know" answers?"""
    return any(name.endswith("_win") for name in objective.forget_needs)


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
        )
