"""How fast a run goes, from what it left: collapse, late slopes and their factors, departures from the law.

Arrays are those of `synthetic.transformer.law` and `synthetic.transformer.watch`, of one seed; nothing here knows where
they lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from theory.theorems.time.intrinsic_time import curve, time_on_curve
from theory.theorems.time.paths import IntrinsicPath

__all__ = [
    "COLLAPSED",
    "SMALL",
    "Departure",
    "Factors",
    "collapse",
    "departure",
    "factors",
    "late",
    "limit_gap",
    "limit_powers",
    "of_run",
    "slope",
    "weight_spread",
]

Array = np.ndarray
Arrays = Mapping[str, Array]
COLLAPSED = 0.5  # retain accuracy below which a model counts as collapsed


def of_run(arrays: Arrays, label: str) -> dict[str, Array]:
    """The columns `<label>.<name>` of one run, by name."""
    start = f"{label}."
    return {key[len(start) :]: x for key, x in arrays.items() if key.startswith(start)}


def late(time: Array, factor: float = 10.0) -> Array:
    """Which entries of increasing times lie in the last `factor` of time, as a mask; never time 0."""
    return np.asarray((time >= time[-1] / factor) & (time > 0))


def slope(x: Array, y: Array) -> float:
    """Slope of the least-squares line through (x, y)."""
    return float(np.polyfit(x, y, 1)[0])


# --- collapse -----------------------------------------------------------------------------------------------------


def collapse(at: Array, accuracy: Array) -> float:
    """When retain accuracy first falls below COLLAPSED, log-linear between looks; infinite where it does not.

    >>> round(collapse(np.array([1.0, 10.0, 100.0]), np.array([1.0, 1.0, 0.0])), 6)
    31.622777
    """
    below = np.flatnonzero(accuracy < COLLAPSED)
    if not below.size:
        return float("inf")
    k = int(below[0])
    if k == 0 or at[k - 1] <= 0:
        return float(at[k])
    share = (accuracy[k - 1] - COLLAPSED) / (accuracy[k - 1] - accuracy[k])
    return float(at[k - 1] * (at[k] / at[k - 1]) ** share)


# --- β → 0 --------------------------------------------------------------------------------------------------------

SMALL = 0.01  # the largest β that counts as near 0


def limit_gap(arrays: Arrays, beta: float, seed: int, nats: float = 5.0) -> float:
    """Largest distance between the mean drops of NPO and GA while GA's is at most `nats`."""
    ga, npo = (arrays[f"{name}-{seed}.drop"].mean(axis=1) for name in ("GA", f"NPO-{beta:g}"))
    within = np.flatnonzero(ga <= nats)
    return float(np.abs(ga - npo)[: int(within[-1]) + 1].max())


def limit_powers(arrays: Arrays, betas: Sequence[float], seeds: Sequence[int]) -> list[float]:
    """The exponent in β ≤ SMALL of that gap, seed by seed; empty where fewer than two such β were run."""
    near = [beta for beta in betas if beta <= SMALL]
    if len(near) < 2:
        return []
    return [slope(np.log(near), np.log([limit_gap(arrays, beta, seed) for beta in near])) for seed in seeds]


# --- the slope of the drop against log t --------------------------------------------------------------------------


@dataclass(frozen=True)
class Factors:
    """β d(mean u)/d log t = kernel · weights · asymptote, each measured over the last decade of time.

    `kernel` is the mean of d log T_i / d log t, the growth of the clock; `weights` that of d log F(u_i) / d log t over
    it, what unequal weights and couplings make; `asymptote` the rest, β du / d log F, which tends to 1 as βu → ∞.
    """

    slope: float
    kernel: float
    weights: float
    asymptote: float


def factors(path: IntrinsicPath, beta: float) -> Factors:
    """The slope of NPO's mean drop along a path of the flow, and its factors; examples whose clock ran backward are
    left out of all of them."""
    last = late(path.time)
    t, clock, u = np.log(path.time[last]), path.clock[last], beta * path.drop[last]
    kept = (clock > 0).all(axis=0) & (u > 0).all(axis=0)
    clock, u = clock[:, kept], u[:, kept]
    whole = slope(t, u.mean(axis=1))
    kernel = slope(t, np.log(clock).mean(axis=1))
    reached = slope(t, np.log(time_on_curve(u)).mean(axis=1))
    return Factors(whole, kernel, reached / kernel, whole / reached)


# --- departures from the law --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Departure:
    """How far examples are off the curve, mean |βu_i − curve(βT_i)|, and how far their remainders say they are."""

    measured: Array
    predicted: Array
    spread: Array  # of the weights, see `weight_spread`


def weight_spread(beta_drop: Array) -> Array:
    """Standard deviation over mean of NPO's weights W = 2/(1 + e^{βu}) over examples, the last axis."""
    W = 2 / (1 + np.exp(np.clip(beta_drop, -700, 700)))
    return np.asarray(W.std(axis=-1) / W.mean(axis=-1))


def departure(path: IntrinsicPath, beta: float) -> Departure:
    """Departures of a set along its path, at every recorded step of it."""
    scaled = path.times(beta)
    on_curve, after = curve(scaled.clock), curve(scaled.clock + scaled.remainder)
    measured, exact = (np.abs(x - on_curve).mean(axis=1) for x in (scaled.drop, after))
    return Departure(measured, exact, weight_spread(scaled.drop))
