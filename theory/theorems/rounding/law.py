"""What rounding does to a small move of the weights: why few bits add noise, and when they undo what was learned last.

A weight w lies in a cell of width Δ of its grid, at phase x ∈ (−½, ½] of the level in the cell's middle. It is moved by
δ; rounded, by D = Q(w + δ) − Q(w). With f = |δ|/Δ and φ its fractional part:

    phases uniform     P(D ≠ 0) = min(1, f),   E D = δ,   Var D = Δ² φ(1 − φ)      (|δ|(Δ − |δ|) where f < 1)
    phases 0           D = Δ · round(δ/Δ): nothing of a move below Δ/2             (the weights were on the grid before)
    phases of density p                        E D = δ p(½) to first order in f    (p(½): how many lie at a boundary)
    uneven levels l_k, weights of distribution F, boundaries m_k = (l_k + l_{k+1})/2:
                                               E D = Σ_k (l_{k+1} − l_k) (F(m_k) − F(m_k − δ))

So a move is kept on average, whatever its size, whenever weights lie anywhere in their cells: few weights move, and
those by far too much. Where a block's scale is its largest weight, which moves too (normal weights, blocks of 64), the
mean is δ all the same and the variance of small moves .93 to 1.1 of the law's (1.5 to 4 from Δ on, where the law's
own is near 0); NF4 and FP4 keep .995 of δ.

Of a quantity with gradient g (a log-probability) what survives of its change g·δ has mean 1 and variance 1/N,

    N = (g·δ)² / Σ g_i² Δ_i² φ_i(1 − φ_i)       the effective number of weights that cross a boundary

so half of a drop comes back with a chance above 1 % only where N < 22. And rounding itself, error e uniform in a cell,
changes it by ½ Σ H_ii Δ_i²/12 on average with variance Σ g_i² Δ_i²/12, wherever the weights came from. Where the
log-probability is concave in the weights (logits linear in them) the average change is negative, whatever Δ.

As theorems, measured: `theory.theorems.rounding.theorems`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from theory.theorems.theorem import HypothesisError

__all__ = [
    "RoundingNats",
    "Survival",
    "moved_mean_on_levels",
    "moved_on_grid",
    "moved_share",
    "moved_variance",
    "nats_of_rounding",
    "survival",
]

Array = np.ndarray
Weights = Float[Array, " weights"]


def moved_share(move: Float[Array, "*n"], spacing: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The probability that a rounded weight moves at all: min(1, |δ|/Δ).

    >>> moved_share(np.array([0.1, -3.0]), np.array([0.4, 2.0]))
    array([0.25, 1.  ])
    """
    return np.minimum(1.0, np.abs(move) / spacing)


def moved_variance(move: Float[Array, "*n"], spacing: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The variance of a rounded weight's move, Δ² φ(1 − φ), φ the fractional part of |δ|/Δ.

    >>> moved_variance(np.array([0.1, -3.0]), np.array([0.4, 2.0]))
    array([0.03, 1.  ])
    """
    part = np.abs(move) / spacing % 1.0
    return spacing**2 * part * (1 - part)


def moved_on_grid(move: Float[Array, "*n"], spacing: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The move that rounding leaves to weights that were on the grid: Δ round(δ/Δ).

    >>> moved_on_grid(np.array([0.1, -3.1]), np.array([0.4, 2.0]))
    array([ 0., -4.])
    """
    return spacing * np.round(move / spacing)


def moved_mean_on_levels(levels: Float[Array, " levels"], move: float, below: Callable[[Array], Array]) -> float:
    """The mean move E D on ascending levels of weights whose distribution function is `below`.

    >>> evenly = lambda w: np.clip((w + 1) / 2, 0, 1)
    >>> round(moved_mean_on_levels(np.linspace(-1, 1, 16), 0.01, evenly), 12)
    0.01
    """
    middle = (levels[:-1] + levels[1:]) / 2
    return float(np.diff(levels) @ (below(middle) - below(middle - move)))


class Survival(NamedTuple):
    """Of a first-order change g·δ: its size, and the standard deviation of the share that survives (the mean is 1)."""

    change: float
    spread: float

    @property
    def crossing(self) -> float:
        """N, the effective number of weights that cross a boundary."""
        return math.inf if self.spread == 0 else self.spread**-2

    @property
    def half_lost(self) -> float:
        """The chance that less than half of the change survives, where many weights have a part in it."""
        return float(ndtr(-0.5 / self.spread)) if self.spread > 0 else 0.0


def survival(gradient: Weights, move: Weights, spacing: Weights) -> Survival:
    """How sure it is that a change g·δ survives rounding, phases uniform and independent.

    HypothesisError where g·δ = 0: of no change there is no share.

    >>> survival(np.ones(900), np.full(900, -0.1), np.ones(900)).crossing.__round__(6)
    100.0
    """
    change = float(gradient @ move)
    if change == 0:
        raise HypothesisError("The move changes nothing to first order (g·δ = 0): no share of it can survive.")
    spread = math.sqrt(float(gradient**2 @ moved_variance(move, spacing))) / abs(change)
    return Survival(change, spread)


class RoundingNats(NamedTuple):
    """Mean and standard deviation of what rounding adds to a log-probability (nats)."""

    mean: float
    spread: float


def nats_of_rounding(gradient: Weights, curvature: Weights, spacing: Weights) -> RoundingNats:
    """What rounding itself does to a log-probability with this gradient and these second derivatives H_ii.

    To second order in Δ for the mean, to first for the spread: ½ Σ H_ii Δ_i²/12 and (Σ g_i² Δ_i²/12)^½.

    >>> nats_of_rounding(np.ones(12), -np.ones(12), np.full(12, 0.1))
    RoundingNats(mean=-0.005, spread=0.1)
    """
    variance = spacing**2 / 12
    mean, spread = float(curvature @ variance) / 2, math.sqrt(float(gradient**2 @ variance))
    return RoundingNats(round(mean, 15), round(spread, 15))
