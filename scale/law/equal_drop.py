"""Unlearning that stops where the mean forget answer has lost so many nats, and what steps of relearning give back.

A method unlearns in the project's own loop, by batches. After each step all forget answers are scored; the step that
goes beyond the wanted drop is taken in part, found by halving. Relearning is full-batch training on the NLL, at a
constant rate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from records.errors import UserError
from scale.data.prompts import Encoded
from scale.models.reading.scoring import score_all
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule

__all__ = ["Stopped", "area", "crossing", "curve_of", "to_the_drop"]

Array = np.ndarray
HALVINGS = 4


class Stopped(NamedTuple):
    """Nats that each forget answer has lost, and after how many steps, the last in part."""

    drop: Array
    steps: float


def _logp(training: Training) -> Array:
    found = score_all(training.scorer, training.rows.forget, training.pad, training.processes)
    return found.logp.double().numpy()


def _weights(scorer: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in scorer.named_parameters()}


@torch.no_grad()
def _put(scorer: nn.Module, before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], share: float) -> None:
    """The weights between two places, share 1 the later."""
    for name, p in scorer.named_parameters():
        p.copy_(torch.lerp(before[name], after[name], share))


def to_the_drop(training: Training, wanted: float) -> Stopped | None:
    """Train in place until the mean forget answer has lost `wanted` nats; None where it never has.

    Of the last step a share is taken: where halving finds the drop first reached.
    """
    training.every_step = True
    start, place = _logp(training), _weights(training.scorer)
    for moment in training.run():
        if moment.stopped:
            return None
        drop = start - _logp(training)
        if not drop.mean() < wanted:
            after, low, high = _weights(training.scorer), 0.0, 1.0
            for _ in range(HALVINGS):
                share = (low + high) / 2
                _put(training.scorer, place, after, share)
                reached = (start - _logp(training)).mean() >= wanted
                low, high = (low, share) if reached else (share, high)
            _put(training.scorer, place, after, high)
            return Stopped(start - _logp(training), moment.step - 1 + high)
        place = _weights(training.scorer)
    return None


def curve_of(
    scorer: nn.Module, rows: Sequence[Encoded], schedule: Schedule, *, pad: int, processes: Processes
) -> Array:
    """The mean NLL of an answer, nats, before the first step of relearning all rows at once and after every one.

    The weights are afterwards what they were. UserError where relearning diverges.
    """
    before = _weights(scorer)
    whole = schedule.model_copy(update={"batch": len(rows)})
    training = Training(
        scorer, likelihood, TrainingRows(list(rows)), whole, seed=0, pad=pad, processes=processes, every_step=True
    )
    found = list[float]()
    for moment in training.run():
        if moment.stopped:
            raise UserError(f"Relearning diverged: {moment.stopped} Choose a smaller lr.")
        found += [float(record["loss"] or 0.0) for record in moment.steps]
    tokens = sum(row.targets for row in rows) / len(rows)
    after = float(-score_all(scorer, rows, pad, processes).logp.mean())
    _put(scorer, before, before, 1.0)
    return np.array([*(tokens * np.array(found)), after])


def crossing(curve: Array, goal: float, share: float) -> float:
    """Steps, with a fraction, until a share of what `curve` is above `goal` is gone; NaN where it never is.

    >>> crossing(np.array([10.0, 6.0, 2.0]), 0.0, 0.5)
    1.25
    """
    level = curve[0] - share * (curve[0] - goal)
    below = np.flatnonzero(curve <= level)
    if not below.size or below[0] == 0:
        return float("nan")
    k = int(below[0])
    return float(k - (level - curve[k]) / (curve[k - 1] - curve[k]))


def area(curve: Array, goal: float) -> float:
    """The share of the lost nats that is back, mean over the steps: 1 if at once, 0 if never.

    >>> area(np.array([10.0, 5.0, 0.0]), 0.0)
    0.75
    """
    return float(np.mean((curve[0] - curve[1:]) / (curve[0] - goal)))
