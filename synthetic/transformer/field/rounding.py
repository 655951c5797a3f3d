"""Do few bits bring back what a small transformer unlearned? After arXiv:2410.16454.

Read by `theory.theorems.rounding.walk`: NPO unlearns by AdamW, and so much of its move (`SCALES`) is rounded, of every
matrix but embeddings and head. Arrays by grid, of the mean log-probability of the forget answers:

    <grid>.sizes                (scales, seeds), the move in cells
    <grid>.falls, .expected     (scales, seeds, draws), its fall where weights are rounded after the move and before it
    <grid>.spread               (scales, seeds), predicted for their ratio
    <grid>.back                 (scales, seeds), of the fall, what is back where the move began on the grid
    <grid>.from4                (scales, seeds), the same where it began in four bits, `int4`
    known, moved                (seeds,), that mean before rounding
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.field.subjects import Learnt, Parameters, known
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import FieldSizes
from theory.objective import method
from theory.theorems.rounding.law import survival
from theory.theorems.rounding.walk import Rounding, Walked, changes, roundings, walks

__all__ = ["GRIDS", "SCALES", "rounding"]

Array = np.ndarray
SCALES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
RATE, BETA = 3e-3, 0.5
BLOCK = 32
OUTSIDE = ("embedding", "position", "unembedding")
GRIDS = roundings(BLOCK)
DRAWS, FEW = 9, 3  # of the grid's shift, by steps


def rounding(sizes: FieldSizes) -> dict[str, Array]:
    """The arrays at the top of this file."""
    subjects = {f"{seed}": known(sizes.shape, seed) for seed in sizes.seeds}
    ends = _unlearned(subjects, sizes)
    draws = DRAWS if sizes.steps > 100 else FEW
    found: dict[str, list[Array]] = {}
    for label, subject in subjects.items():
        before = {name: p for name, p in subject.reference.items() if _is_rounded(name, p)}
        move = {name: ends[label][name] - p for name, p in before.items()}
        for name, reading in _readings(subject, move, draws).items():
            found.setdefault(name, []).append(reading)
    return {name: np.stack(readings, axis=min(1, readings[0].ndim)) for name, readings in found.items()}


def _is_rounded(name: str, weight: Tensor) -> bool:
    return weight.ndim > 1 and name not in OUTSIDE


def _unlearned(subjects: Mapping[str, Learnt], sizes: FieldSizes) -> dict[str, Parameters]:
    optimiser = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.01)
    objective = method("NPO", beta=BETA)
    cases = {name: Case(objective, optimiser, subject.reference, subject.split) for name, subject in subjects.items()}
    ends: dict[str, Parameters] = {}

    def look(label: str, step: int, theta: Parameters) -> bool:
        ends[label] = {name: p.clone() for name, p in theta.items()}
        return True

    unlearn_all(sizes.shape.config, cases, at=[sizes.steps // 5], observe=look)
    return ends


def _readings(subject: Learnt, move: Parameters, draws: int) -> dict[str, Array]:
    """Of one subject, without the axis of seeds."""
    value, reference = partial(_value, subject), subject.reference
    moved = {**reference, **{name: reference[name] + delta for name, delta in move.items()}}
    found = {"known": value(reference).mean(), "moved": value(moved).mean()}
    slopes = [_slope(subject, move, scale) for scale in SCALES]
    four_bits = {**reference, **{name: GRIDS["int4"].rounded(reference[name]) for name in move}}
    for name, grid in GRIDS.items():
        walked = walks(value, reference, move, SCALES, grid, draws)
        of_all = [changes(one) for one in walked]
        from4 = walks(value, four_bits, move, SCALES, grid)
        spreads = [_spread(slope, move, scale, reference, grid) for slope, scale in zip(slopes, SCALES, strict=True)]
        found |= {
            f"{name}.sizes": np.array([one.size for one in walked]),
            f"{name}.falls": np.stack([falls for falls, _ in of_all]),
            f"{name}.expected": np.stack([expected for _, expected in of_all]),
            f"{name}.spread": np.array(spreads),
            f"{name}.back": np.array([_back(one, one.again) for one in walked]),
            f"{name}.from4": np.array([_back(one, one.rounded_moved[0]) for one in from4]),
        }
    return found


def _value(subject: Learnt, theta: Parameters) -> Array:
    with torch.no_grad():
        found: Array = log_probs(subject.config, subject.split.forget)(theta).double().numpy()
    return found


def _back(walked: Walked, rounded: Array) -> float:
    start, end = walked.rounded_known[0].mean(), walked.moved_rounded[0].mean()
    return float((rounded.mean() - end) / (start - end))


def _slope(subject: Learnt, move: Parameters, scale: float) -> Parameters:
    """The gradient of the mean log-probability in the middle of the move."""
    middle = {name: subject.reference[name] + scale / 2 * delta for name, delta in move.items()}
    taken = {name: p.requires_grad_() for name, p in middle.items()}
    mean = log_probs(subject.config, subject.split.forget)({**subject.reference, **taken}).mean()
    return dict(zip(taken, torch.autograd.grad(mean, list(taken.values())), strict=True))


def _spread(slope: Parameters, move: Parameters, scale: float, reference: Parameters, grid: Rounding) -> float:
    gaps = {name: grid.spacing(reference[name]) for name in move}
    gradient, delta, gap = (
        torch.cat([x[name].reshape(-1) for name in move]).double().numpy() for x in (slope, move, gaps)
    )
    return survival(gradient, scale * delta, gap).spread
