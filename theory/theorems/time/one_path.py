"""One answer goes one way: every loss of log π takes it along the same curve, at its own pace.

The direction w(u) ∇log π is parallel to ∇log π whatever the loss, so that the gradient flows of all losses on one
answer pass through the same parameters, and NLL goes back through them. Two things follow.

1. At an equal drop all losses have left the same model. No loss can resist relearning there, by any optimiser; what
   makes a difference is elsewhere: several answers of unequal weights, a retain term, an optimiser that goes another
   way.
2. In plain time, steps of equal rate, with G(v) = ‖∇log π‖² on that curve at the drop v,

       τ_unlearn = ∫₀ᵘ dv / (w(v) G(v)),        τ_relearn = ∫₀ᵘ dv / G(v)

   so the ratio is that of intrinsic time times a factor: the mean of 1/G over the unlearning's own time by that over
   all drops. Of a softmax over free logits G = (1 − π)² + Σ_{j≠y} π_j² < 2, and it comes near 2 where one other token
   takes all (squeezing), so that the factor of a slow loss is ½ over the mean of 1/G. For ten classes, π_ref = .9, the
   others' logits N(0, 1), u = 20 and β = .5 it is .43 to .61 over a hundred draws: about a half, and no bound. The
   surer the reference, the less (.1 from π_ref = .99, .012 from .999), since 1/G ~ 1/(1 − π)² makes both ways long and
   relearning's last nat the longest; and nearer to 1 (.92 from .5) where all others are alike: nothing squeezes them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.special import log_softmax, softmax

from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem
from theory.theorems.time.intrinsic_time import time_on_curve
from theory.theorems.time.paths import IntrinsicPath

__all__ = [
    "PLAIN_TIME",
    "TABLE_SEED",
    "FreeLogits",
    "PlainTimes",
    "plain_time",
    "plain_times",
    "symmetric_time",
    "ten_classes",
]

Array = np.ndarray
TIGHT = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13}
TABLE_SEED = 48
"""Of `ten_classes`, a start whose times are, within .6 %, those that this project measured before it had the law."""


@dataclass(frozen=True)
class FreeLogits:
    """An instance: one token of a softmax whose logits are the parameters, to be dropped by `until` nats at each β."""

    logits: Float[Array, " classes"]
    label: int
    betas: Float[Array, " betas"] = field(default_factory=lambda: np.array([0.0, 0.1, 0.3, 0.5]))  # 0 is GA
    until: float = 20.0


class PlainTimes(NamedTuple):
    """Plain time Σ η of unlearning at each β, and of relearning what it forgot."""

    unlearn: Array
    relearn: float


def ten_classes(seed: int = TABLE_SEED) -> FreeLogits:
    """Ten classes, π_ref = .9, the other logits N(0, 1)."""
    logits = np.random.default_rng(seed).normal(size=10)
    logits[0] = np.log(9.0) + np.logaddexp.reduce(logits[1:])
    return FreeLogits(logits, 0)


def _gradient(z: Array, label: int) -> Array:
    """∇log π = e_y − π."""
    g = -softmax(z)
    g[label] += 1
    return np.asarray(g)


# --- along the path ---------------------------------------------------------------------------------------------------


def plain_times(instance: FreeLogits) -> PlainTimes:
    """Both integrals, with G from the one path in the drop: dz/dv = −∇log π/G; NPO's 1/w is ½(1 + e^{βv}).

    >>> found = plain_times(ten_classes())
    >>> found.unlearn.round(1).tolist(), round(found.relearn, 1)
    ([23.0, 35.6, 371.5, 11282.2], 23.0)
    """
    betas, classes = np.append(instance.betas, 0.0), len(instance.logits)

    def slope(v: float, state: Array) -> Array:
        g = _gradient(state[:classes], instance.label)
        inverse = 1 / (g @ g)
        return np.concatenate([-inverse * g, 0.5 * (1 + np.exp(betas * v)) * inverse])

    start = np.concatenate([instance.logits, np.zeros(len(betas))])
    times = solve_ivp(slope, (0, instance.until), start, **TIGHT).y[classes:, -1]
    return PlainTimes(times[:-1], float(times[-1]))


def symmetric_time(ref_logp: float, drop: float, classes: int) -> float:
    """τ_relearn where all other classes are alike: (1 − 1/K)(u + log((1 − q)/(1 − p)) + 1/(1 − p) − 1/(1 − q)).

    p = π_ref and q = p e^{−u}; there G = (1 − π)² K/(K − 1). From p → 1 it grows as 1/(1 − p).

    >>> round(symmetric_time(float(np.log(0.8)), 20.0, 10), 3)
    23.048
    """
    p, q = np.exp(ref_logp), np.exp(ref_logp - drop)
    there = drop + np.log1p(-q) - np.log1p(-p) + 1 / (1 - p) - 1 / (1 - q)
    return float((1 - 1 / classes) * there)


def plain_time(path: IntrinsicPath, asked: Callable[[Array], Array]) -> float:
    """Σ η that a loss of law F, `asked`, needs to the end of a recorded path of one answer, of whatever loss.

    Σ_k (F(u_{k+1}) − F(u_k))/G_k with G_k = Δclock/Δtime of the path: a path of gradient ascent, or back, tells all.

    >>> nats = np.array([[0.0], [1.0], [2.0]])
    >>> line = IntrinsicPath(np.array([0.0, 2.0, 4.0]), nats, nats, 0 * nats)
    >>> plain_time(line, lambda u: 3 * u)  # three times the time of GA
    12.0
    """
    moved = np.diff(asked(path.drop[:, 0]))
    return float((moved * np.diff(path.time) / np.diff(path.clock[:, 0])).sum())


# --- the law as a theorem ---------------------------------------------------------------------------------------------


def _usable(instance: FreeLogits) -> None:
    z = instance.logits
    if z.ndim != 1 or len(z) < 2 or not np.isfinite(z).all() or not 0 <= instance.label < len(z):
        raise HypothesisError(
            f"A label and two or more finite logits are needed, here they are {instance.label} and an array "
            f"{z.shape}: give log-probabilities of the classes where one of them is certain."
        )
    if not 0 < instance.until <= 600 or np.any(instance.betas * instance.until > 600):
        raise HypothesisError(f"e^(β · {instance.until:g}) must be a float64 number: lower `until` or β.")


def _measure(instance: FreeLogits) -> Measurement:
    """The flows themselves in plain time: each β down, then NLL from where GA ended back up; until u is reached."""
    y, ref = instance.label, float(log_softmax(instance.logits)[instance.label])

    def run(start: Array, sign: float, weight: Callable[[float], float], longest: float) -> tuple[float, Array]:
        def drop(z: Array) -> float:
            return ref - float(log_softmax(z)[y])

        def slope(_: float, z: Array) -> Array:
            return np.asarray(sign * weight(drop(z)) * _gradient(z, y))

        def there(_: float, z: Array) -> float:
            return drop(z) - (instance.until if sign < 0 else 0.0)

        there.terminal = True  # type: ignore[attr-defined]
        found = solve_ivp(slope, (0, longest), start, events=there, **TIGHT)
        return float(found.t_events[0][0]), found.y_events[0][0]

    # G ≥ (1 − π)² bounds how long anything takes
    most = 2 / (1 - np.exp(ref)) ** 2
    times, end = [], instance.logits
    for beta in instance.betas:
        longest = most * float(time_on_curve(beta * instance.until) / beta if beta else instance.until) + 1
        time, z = run(instance.logits, -1.0, lambda u, beta=beta: 2 / (1 + np.exp(beta * u)), longest)  # type: ignore[misc]
        times.append(time)
        end = z
    back, _ = run(end, 1.0, lambda u: 1.0, 2 * most * instance.until + 1)
    return Measurement(np.append(instance.betas, -1.0), np.array([*times, back]))


def _predict(instance: FreeLogits, at: Array) -> Bounds:
    found = plain_times(instance)
    values = np.append(found.unlearn, found.relearn)
    return Bounds(values, values)


PLAIN_TIME: Theorem[FreeLogits] = Theorem(
    name="Plain time there and back",
    statement="τ_unlearn = ∫ dv/(w G), τ_relearn = ∫ dv/G with one G(v) = ‖∇log π‖² for all losses",
    source="derived in theory/theorems/time/one_path.py: all losses of log π take one answer along one path",
    hypotheses=_usable,
    predict=_predict,
    measure=_measure,
    tolerance=1e-7,
)
