"""What is trained on, and which rows of it come together in a step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scale.data.prompts import Encoded
from scale.training.pairing import idk_answer, order, partner
from theory.objective import Objective

__all__ = ["BatchRows", "TrainingRows", "batches", "declines"]


@dataclass(frozen=True)
class TrainingRows:
    """What is trained on: `forget` rows (in finetuning: all rows), `retain` rows to pair with, "I don't know" answers.

    `idk` holds the rows that some epoch uses, `idk_place` where the one of (forget row, answer) is; `idk_answers` is
    how many different answers there are.
    """

    forget: Sequence[Encoded]
    retain: Sequence[Encoded] = ()
    idk: Sequence[Encoded] = ()
    idk_place: Mapping[tuple[int, int], int] | None = None
    idk_answers: int = 0

    def declined(self, seed: int, epoch: int, index: int) -> int:
        """The place in `idk` of a forget row's "I don't know" answer in this epoch."""
        assert self.idk_place is not None
        n = len(self.forget)
        return self.idk_place[index, idk_answer(seed, epoch, index, forget=n, answers=self.idk_answers)]


class BatchRows(NamedTuple):
    """Rows of a batch: indices of forget, idk and retain rows, and the rows."""

    forget: list[int]
    idk: list[int]
    retain: list[int]


def declines(objective: Objective) -> bool:
    """Does an objective train on "I don't know" answers?"""
    return bool(objective.forget_needs & {"logp_win", "ref_logp_win"})


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
        )
