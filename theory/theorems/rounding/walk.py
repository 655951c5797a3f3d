"""Rounding measured on models: weights moved by δ are rounded, and what is left of the change of a value is read.

    share that survives = (v(Q(θ)) − v(Q(θ + δ))) / (v(Q(θ)) − v(Q(θ) + δ)),   v the mean over rows

predicted: 1 on average, with the spread of `theory.theorems.rounding.law.survival`. One set of weights has one
rounding; others like it are had by shifting the grid: Q_u(w) = Q(w + u) − u, u uniform in the cells of θ.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.rounding import FP4_LEVELS, NF4_LEVELS, even_spacing, round_evenly, round_to_levels, spacing

__all__ = ["BLOCK", "ROUNDINGS", "Rounding", "Walked", "changes", "shares", "walk"]

BLOCK = 64
Weights = Mapping[str, Tensor]
Value = Callable[[Weights], Float[np.ndarray, " rows"]]
ByDraw = Float[np.ndarray, "draws rows"]


class Rounding(NamedTuple):
    """Weights to rounded weights, and weights to the widths Δ of their cells."""

    rounded: Callable[[Tensor], Tensor]
    spacing: Callable[[Tensor], Tensor]


def _even(bits: int) -> Rounding:
    return Rounding(partial(round_evenly, bits=bits, block=BLOCK), partial(even_spacing, bits=bits, block=BLOCK))


def _uneven(levels: tuple[float, ...]) -> Rounding:
    return Rounding(partial(round_to_levels, levels=levels, block=BLOCK), partial(spacing, levels=levels, block=BLOCK))


ROUNDINGS: Mapping[str, Rounding] = {
    **{f"int{bits}": _even(bits) for bits in (8, 4, 3)},
    "nf4": _uneven(NF4_LEVELS),
    "fp4": _uneven(FP4_LEVELS),
}
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
    """Round weights before and after a move, at so many shifts of the grid, and read the value of each.

    Weights that `move` does not name are neither moved nor rounded.
    """
    gaps = {name: grid.spacing(known[name]) for name in move}
    moved = {**known, **{name: known[name] + delta for name, delta in move.items()}}
    generator = torch.Generator().manual_seed(seed)
    found = []
    for draw in range(draws):
        shift = {name: _uniform(gap, generator) if draw else torch.zeros_like(gap) for name, gap in gaps.items()}
        before, after = (
            {**w, **{name: grid.rounded(w[name] + u) - u for name, u in shift.items()}} for w in (known, moved)
        )
        later = {**before, **{name: before[name] + delta for name, delta in move.items()}}
        found.append([value(before), value(after), value(later)])
        if draw == 0:
            again = value({**later, **{name: grid.rounded(later[name]) for name in move}})
    size = sum(float(delta.abs().sum()) for delta in move.values()) / sum(float(gap.sum()) for gap in gaps.values())
    rounded_known, rounded_moved, moved_rounded = np.array(found).transpose(1, 0, 2)
    return Walked(size, rounded_known, rounded_moved, moved_rounded, again)


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
