"""The law of rounding as theorems: moves on even grids and on uneven levels, and a log-probability that only falls."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, ndtr, ndtri

from theory.rounding import NF4_LEVELS
from theory.theorems.rounding.law import moved_mean_on_levels, moved_share, moved_variance
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = [
    "ROUNDING_CONCAVE",
    "ROUNDING_LEVELS",
    "ROUNDING_MEAN",
    "ROUNDING_SHARE",
    "ROUNDING_VARIANCE",
    "Moves",
    "OnLevels",
    "SoftmaxRow",
    "forgotten_row",
    "some_moves",
    "some_moves_on_levels",
]

Array = np.ndarray


# --- moves on an even grid --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moves:
    """Moves δ (1,) on a grid of spacing Δ, each tried at so many phases, evenly spaced over a cell."""

    move: Array
    spacing: float = 1.0
    phases: int = 10_007

    def rounded(self) -> Float[Array, "moves phases"]:
        """Q(w + δ) − Q(w) of every move at every phase, in units of Δ."""
        phase = (np.arange(self.phases) + 0.5) / self.phases - 0.5
        moved = phase + self.move[:, None] / self.spacing
        return np.round(moved) - np.round(phase)


def _a_grid(instance: Moves) -> None:
    if not (instance.spacing > 0 and instance.phases > 0 and np.all(np.isfinite(instance.move))):
        raise HypothesisError("A grid has a positive spacing, moves are finite and tried at one phase or more.")


def _within(law: Array, off: float) -> Bounds:
    return Bounds(law - off, law + off)


def _share(instance: Moves) -> Measurement:
    return Measurement(instance.move, np.mean(instance.rounded() != 0, axis=1))


def _mean(instance: Moves) -> Measurement:
    return Measurement(instance.move, instance.spacing * instance.rounded().mean(axis=1))


def _variance(instance: Moves) -> Measurement:
    return Measurement(instance.move, instance.spacing**2 * instance.rounded().var(axis=1))


def _spacings(instance: Moves, at: Array) -> Array:
    return np.full(len(at), instance.spacing)


SOURCE = "own; against arXiv:2410.16454"
ROUNDING_SHARE = Theorem[Moves](
    "rounding-share",
    "a weight moved by δ moves on a grid of spacing Δ with probability min(1, |δ|/Δ)",
    SOURCE,
    _a_grid,
    lambda moves, at: _within(moved_share(at, _spacings(moves, at)), 1 / moves.phases),
    _share,
)
ROUNDING_MEAN = Theorem[Moves](
    "rounding-mean",
    "the mean move of a rounded weight is δ, whatever Δ",
    SOURCE,
    _a_grid,
    lambda moves, at: _within(at, moves.spacing / moves.phases),
    _mean,
)
ROUNDING_VARIANCE = Theorem[Moves](
    "rounding-variance",
    "the variance of a rounded weight's move is Δ²φ(1 − φ), φ the fractional part of |δ|/Δ",
    SOURCE,
    _a_grid,
    lambda moves, at: _within(moved_variance(at, _spacings(moves, at)), moves.spacing**2 / moves.phases),
    _variance,
)


# --- uneven levels ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnLevels:
    """Moves of weights that are normal with this spread, rounded to ascending levels; so many weights, at quantiles."""

    levels: Array
    move: Array
    spread: float = 0.35
    weights: int = 20_011

    def below(self, weight: Array) -> Array:
        """The distribution function of the weights."""
        return ndtr(weight / self.spread)


def _ascending(instance: OnLevels) -> None:
    if len(instance.levels) < 2 or np.any(np.diff(instance.levels) <= 0):
        raise HypothesisError(
            "Levels must ascend, two of them at least: sort them and leave out those that are double."
        )
    if not instance.spread > 0:
        raise HypothesisError("Weights need a positive spread.")


def _mean_on_levels(instance: OnLevels) -> Measurement:
    weight = instance.spread * ndtri((np.arange(instance.weights) + 0.5) / instance.weights)
    middle = (instance.levels[:-1] + instance.levels[1:]) / 2
    before = instance.levels[np.searchsorted(middle, weight)]
    after = instance.levels[np.searchsorted(middle, weight + instance.move[:, None])]
    return Measurement(instance.move, (after - before).mean(axis=1))


def _predicted_on_levels(instance: OnLevels, at: Array) -> Bounds:
    law = np.array([moved_mean_on_levels(instance.levels, float(move), instance.below) for move in at])
    # a weight's quantile is off by half a weight at either end of what crosses a boundary
    return _within(law, float(np.ptp(instance.levels)) / instance.weights)


ROUNDING_LEVELS = Theorem[OnLevels](
    "rounding-levels",
    "on uneven levels the mean move is Σ (l_{k+1} − l_k)(F(m_k) − F(m_k − δ)), δ but for the midpoint rule's error",
    SOURCE,
    _ascending,
    _predicted_on_levels,
    _mean_on_levels,
)


# --- a log-probability ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SoftmaxRow:
    """log π(y|x) = log softmax(Θx)_y with weights Θ (K, d) rounded at spacings Δ (1,), many times and both ways."""

    theta: Float[Array, "classes width"]
    x: Float[Array, " width"]
    answer: int
    spacings: Array
    draws: int = 64
    seed: int = 0

    def errors(self, spacing: float) -> Float[Array, "draws classes"]:
        """Errors of the logits: uniform in the cells of their weights, each with its opposite."""
        shape = (self.draws, *self.theta.shape)
        cell = np.random.default_rng(self.seed).uniform(-0.5, 0.5, shape) @ self.x
        return spacing * np.concatenate([cell, -cell])

    def log_prob(self, errors: Float[Array, "draws classes"]) -> Float[Array, " draws"]:
        """log π(y|x) with these errors of the logits."""
        logits = self.theta @ self.x + errors
        return logits[:, self.answer] - logsumexp(logits, axis=1)


def _an_answer(instance: SoftmaxRow) -> None:
    if not 0 <= instance.answer < len(instance.theta):
        raise HypothesisError(f"The answer is one of the {len(instance.theta)} classes, not {instance.answer}.")
    if np.any(instance.spacings < 0):
        raise HypothesisError("A spacing is no negative number.")


def _mean_change(instance: SoftmaxRow) -> Measurement:
    before = instance.log_prob(np.zeros((1, len(instance.theta))))
    change = [np.mean(instance.log_prob(instance.errors(float(gap))) - before) for gap in instance.spacings]
    return Measurement(instance.spacings, np.array(change))


def _never_up(instance: SoftmaxRow, at: Array) -> Bounds:
    """The Hessian of log Σ exp lies between 0 and ½ (its eigenvalues), so the mean change is −¼ E|error|² at least.

    Logits are sums in float64, whose last bits a change that is all but 0 may show.
    """
    errors = [instance.errors(float(gap)) for gap in at]
    size = np.array([np.mean(np.sum(error**2, axis=1)) for error in errors])
    bits = (
        16
        * np.finfo(np.float64).eps
        * np.array([np.abs(error + instance.theta @ instance.x).max() for error in errors])
    )
    return Bounds(-size / 4 - bits, bits)


ROUNDING_CONCAVE = Theorem[SoftmaxRow](
    "rounding-concave",
    "where logits are linear in the weights, rounding without bias raises no log-probability on average",
    "own, by Jensen's inequality; against arXiv:2410.16454",
    _an_answer,
    _never_up,
    _mean_change,
    tolerance=1e-9,
)


# --- instances --------------------------------------------------------------------------------------------------


def some_moves(seed: int) -> Moves:
    """Moves of both signs, up to eight cells."""
    return Moves(np.random.default_rng(seed).uniform(-2.5, 2.5, size=200), spacing=0.3)


def some_moves_on_levels(seed: int) -> OnLevels:
    """Moves of normal weights on NF4's levels."""
    return OnLevels(np.array(NF4_LEVELS), np.random.default_rng(seed).uniform(-0.2, 0.2, size=50))


def forgotten_row(seed: int) -> SoftmaxRow:
    """One answer of ten classes, unlearned: its logit is far below the others."""
    generator = np.random.default_rng(seed)
    theta, x = generator.normal(size=(10, 16)), generator.normal(size=16)
    theta[0] -= 12 * x / (x @ x)
    return SoftmaxRow(theta, x, 0, np.geomspace(1e-3, 10, 25))
