"""Rounding measured on models: weights moved by δ are rounded, and what is left of the change of a value is read.

    share that survives = (v(Q(θ)) − v(Q(θ + δ))) / (v(Q(θ)) − v(Q(θ) + δ)),   v the mean over rows

predicted: 1 on average, with the spread of `theory.theorems.rounding.law.survival`. One set of weights has one
rounding; others like it are had by shifting the grid: Q_u(w) = Q(w + u) − u, u uniform in the cells of θ.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.rounding import FP4_LEVELS, NF4_LEVELS, even_spacing, round_evenly, round_to_levels, spacing

__all__ = ["BLOCK", "ROUNDINGS", "Rounding", "Walked", "changes", "roundings", "shares", "walk", "walks"]

BLOCK = 64
Weights = Mapping[str, Tensor]
Value = Callable[[Weights], Float[np.ndarray, " rows"]]
ByDraw = Float[np.ndarray, "draws rows"]


class Rounding(NamedTuple):
    """Weights to rounded weights, and weights to the widths Δ of their cells."""

    rounded: Callable[[Tensor], Tensor]
    spacing: Callable[[Tensor], Tensor]


def roundings(block: int) -> Mapping[str, Rounding]:
    """Grids with a scale for each block of so many weights, by name."""
    even = {
        f"int{bits}": Rounding(
            partial(round_evenly, bits=bits, block=block), partial(even_spacing, bits=bits, block=block)
        )
        for bits in (8, 4, 3, 2)
    }
    uneven = {
        name: Rounding(
            partial(round_to_levels, levels=levels, block=block), partial(spacing, levels=levels, block=block)
        )
        for name, levels in (("nf4", NF4_LEVELS), ("fp4", FP4_LEVELS))
    }
    return even | uneven


ROUNDINGS: Mapping[str, Rounding] = {name: grid for name, grid in roundings(BLOCK).items() if name != "int2"}
"""Grids with blocks of 64 weights, by name; `scale.attacks.grids` has those of libraries too."""


class Walked(NamedTuple):
    """A move on a grid: how large it is, and the values of all rows at the places that tell what survives.

    `size` is Σ|δ|/ΣΔ. `rounded_known` is v(Q(θ)), `rounded_moved` v(Q(θ + δ)), `moved_rounded` v(Q(θ) + δ), by draw of
    the grid's shift, the first none. `again` is v(Q(Q(θ) + δ)): the move began on the grid.
    """

    size: float
    rounded_known: ByDraw
    rounded_moved: ByDraw
    moved_rounded: ByDraw
    again: Float[np.ndarray, " rows"]


def walk(value: Value, known: Weights, move: Weights, grid: Rounding, draws: int = 1, seed: int = 0) -> Walked:
    """`walks` of the whole move."""
    (walked,) = walks(value, known, move, (1.0,), grid, draws, seed)
    return walked


def walks(
    value: Value,
    known: Weights,
    move: Weights,
    scales: Sequence[float],
    grid: Rounding,
    draws: int = 1,
    seed: int = 0,
) -> list[Walked]:
    """Round weights before and after so much of a move, at so many shifts of the grid, and read the value of each.

    Weights that `move` does not name are neither moved nor rounded.
    """
    gaps = {name: grid.spacing(known[name]) for name in move}
    generator = torch.Generator().manual_seed(seed)
    found: list[list[list[np.ndarray]]] = [[] for _ in scales]
    again = []
    for draw in range(draws):
        shift = {name: _uniform(gap, generator) if draw else torch.zeros_like(gap) for name, gap in gaps.items()}
        before = {**known, **_rounded(known, shift, grid)}
        start = value(before)
        for scale, readings in zip(scales, found, strict=True):
            after = {**known, **_rounded(_moved(known, move, scale), shift, grid)}
            later = {**before, **_moved(before, move, scale)}
            readings.append([start, value(after), value(later)])
            if draw == 0:
                again.append(value({**later, **{name: grid.rounded(later[name]) for name in move}}))
    length = sum(float(delta.abs().sum()) for delta in move.values())
    size = length / sum(float(gap.sum()) for gap in gaps.values())
    read = [np.array(readings).transpose(1, 0, 2) for readings in found]
    return [Walked(s * size, x[0], x[1], x[2], last) for s, x, last in zip(scales, read, again, strict=True)]


def _moved(weights: Weights, move: Weights, scale: float) -> dict[str, Tensor]:
    return {name: weights[name] + scale * delta for name, delta in move.items()}


def _rounded(weights: Weights, shift: Weights, grid: Rounding) -> dict[str, Tensor]:
    return {name: grid.rounded(weights[name] + u) - u for name, u in shift.items()}


def _uniform(gap: Tensor, generator: torch.Generator) -> Tensor:
    return gap * (torch.rand(gap.shape, generator=generator, dtype=gap.dtype).to(gap.device) - 0.5)


def shares(walked: Walked) -> Float[np.ndarray, " draws"]:
    """The share of the change that survives, draw by draw."""
    found, expected = changes(walked)
    return found / expected


def changes(walked: Walked) -> tuple[Float[np.ndarray, " draws"], Float[np.ndarray, " draws"]]:
    """The fall of the mean value, rounded after the move and rounded before it."""
    before, after, expected = (x.mean(axis=1) for x in walked[1:4])
    return before - after, before - expected
