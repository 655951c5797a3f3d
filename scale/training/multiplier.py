"""The dual variable of an objective as state of a training: its value, its bound, and what a checkpoint keeps of them.

Every process computes it from numbers that all have, so it is the same everywhere; as JSON has floats to the bit, so
has a checkpoint.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from scale.training.batches import BatchRows, TrainingRows, batches
from theory.dual import DualAscent
from theory.objective import Objective

__all__ = ["Multiplier", "retained_first"]

MOST = 400
"""Retain rows, the first that come up in training, from whose loss under the reference the bound follows."""


@dataclass
class Multiplier:
    """λ and ε of a dual ascent; ε is None until the retain loss of the model to begin with is known."""

    ascent: DualAscent
    value: float
    bound: float | None = None

    def step(self, retain: float | None, epoch: int) -> None:
        """What a step makes of it, at which the retain loss was so; nothing in an epoch (from 0) of warming up."""
        if retain is not None and epoch >= self.ascent.warmup:
            assert self.bound is not None
            self.value = self.ascent.after(self.value, retain, self.bound)

    def kept(self) -> dict[str, Any]:
        """For a checkpoint, and for a record."""
        return {"value": self.value, "bound": self.bound}

    def recall(self, kept: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint has."""
        self.value, self.bound = kept["value"], kept["bound"]


def retained_first(rows: TrainingRows, objective: Objective, *, epochs: int, seed: int) -> BatchRows:
    """The first retain rows of a training as one batch, each once with what stands beside it, `MOST` at the most."""
    found = dict.fromkeys(_retained(rows, objective, epochs, seed))
    chosen = list(found)[:MOST]
    return BatchRows([], [], [row for row, _ in chosen], [], [said for _, said in chosen if said is not None])


def _retained(rows: TrainingRows, objective: Objective, epochs: int, seed: int) -> Iterator[tuple[int, int | None]]:
    size = len(rows.forget)
    for epoch in range(min(epochs, -(-MOST // size))):
        for batch in batches(rows, objective, size=size, seed=seed, epoch=epoch):
            said = batch.retain_idk or repeat(None)
            yield from zip(batch.retain, said, strict=False)
