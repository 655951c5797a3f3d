"""Pareto fronts of unlearning: the least retain distance that is had at a forget distance, and the area below a corner.

Every path is joined by straight lines between evaluations, so that fast and slow methods, which are evaluated after
equally many steps, are treated alike.
"""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["RETAIN_LIMIT", "areas", "bootstrap_band", "front", "hypervolume", "joined"]

Array = np.ndarray
RETAIN_LIMIT = 1.0  # nats of retain distance at the corner below which areas are taken
BETWEEN = 50  # points on a straight line between evaluations


def joined(forget: Array, retain: Array) -> tuple[Array, Array]:
    """The path with points on the straight lines between its evaluations."""
    n = len(forget) - 1
    at = np.linspace(0, n, BETWEEN * n + 1)
    f, r = (np.interp(at, np.arange(n + 1), x) for x in (forget, retain))
    return f, r


def front(forget: Array, retain: Array, at: Array) -> Array:
    """The least retain distance among the points of a path whose forget distance is at most `at`; ∞ if there are none.

    >>> front(np.array([2.0, 0.5]), np.array([0.0, 1.0]), np.array([0.1, 0.5, 3.0])).tolist()
    [inf, 1.0, 0.0]
    """
    f, r = joined(forget, retain)
    order = np.argsort(f)
    least = np.append(np.inf, np.minimum.accumulate(r[order]))
    return np.asarray(least[np.searchsorted(f[order], at, side="right")])


def hypervolume(forget: Array, retain: Array, corner: tuple[float, float]) -> float:
    """Area dominated by a path below the corner (forget, retain), both distances to be small; nats².

    >>> round(hypervolume(np.array([2.0, 0.0]), np.array([0.0, 0.0]), (2.0, 1.0)), 3)
    2.0
    """
    f, r = joined(forget, retain)
    inside = (f <= corner[0]) & (r <= corner[1])
    order = np.argsort(f[inside])
    f, r = f[inside][order], np.minimum.accumulate(r[inside][order])
    return float(np.sum(np.diff(np.append(f, corner[0])) * (corner[1] - r)))


def areas(runs: Sequence[Mapping[str, Array]], name: str) -> Array:
    """The hypervolume of a method in each run, as a share of the box below the corner.

    Runs have `<name>.forget_distance` and `<name>.retain_distance`. The corner is π_ref's forget distance and
    RETAIN_LIMIT.
    """
    found = []
    for run in runs:
        forget, retain = run[f"{name}.forget_distance"], run[f"{name}.retain_distance"]
        corner = (float(forget[0]), RETAIN_LIMIT)
        found.append(hypervolume(forget, retain, corner) / (corner[0] * corner[1]))
    return np.array(found)


def bootstrap_band(curves: Sequence[Array], *, draws: int = 2000, seed: int = 0) -> tuple[Array, Array, Array]:
    """The mean over seeds of curves (one a seed) with its 95 % percentile-bootstrap band: (mean, lower, upper).

    Where a curve is infinite in some seed, so is the mean: nothing is averaged over the seeds that happen to be there.
    """
    every = np.stack(curves)
    chosen = np.random.default_rng(seed).integers(len(every), size=(draws, len(every)))
    means = every[chosen].mean(axis=1)
    finite = np.where(np.isfinite(means), means, np.nan)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(every).all(axis=0)
    lower, upper = np.full((2, every.shape[1]), np.inf)
    lower[known], upper[known] = np.percentile(finite[:, known], [2.5, 97.5], axis=0)
    return every.mean(axis=0), lower, upper
