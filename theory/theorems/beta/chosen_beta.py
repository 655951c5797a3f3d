"""The β that a wanted drop asks for, when descent has a budget of T nats.

By the intrinsic-time law NPO with a budget T (what gradient ascent would drop) ends at the drop u for which
βT = ½(βu + e^{βu} − 1). Read the other way round, with x = βu and K(x) = log((e^x − 1)/x), which rises
from 0 without bound,

    K(x) = log(2T/u − 1),        β = x/u,

so for every 0 < u < T there is one β that ends there. How sharp that choice is depends on x alone:

    k(x) = K'(x) tanh(x/2) = ½(1 + tanh(x/2)) − tanh(x/2)/x,      K'(x) = 1/(1 − e^{−x}) − 1/x
    d log u / d log β = −k  (T fixed),    d log β / d log u = −1/k  (T fixed),    d log β / d log T = 1/k − 1  (u fixed)

For x ≪ 1, k → x/4 (gradient ascent's side: β hardly matters); for x ≫ 1, k → 1 − 1/x: β goes as 1/u, whatever T.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from theory.theorems.theorem import HypothesisError
from theory.theorems.time.intrinsic_time import curve

__all__ = ["Sharpness", "beta_for", "drop_at", "sharpness"]

Array = np.ndarray
Numbers = Float[Array, "*shape"] | float
NEAR_ZERO = 0.04  # below it K and K' are summed by their series: the closed forms lose digits like 1e-16/x


def drop_at(beta: Numbers, budget: Numbers) -> Float[Array, "*shape"]:
    """The drop u (nats) at which NPO with this β ends after a budget of T nats; T itself for β = 0, gradient ascent.

    Arguments broadcast, float64. HypothesisError for β < 0 or T ≤ 0. Source: theory/theorems/time/intrinsic_time.py.

    >>> round(float(drop_at(0.02, 1.7e4)), 1)
    325.7
    """
    b, T = np.broadcast_arrays(np.asarray(beta, dtype=np.float64), _positive(budget, "A budget"))
    wrong = b[~((b >= 0) & np.isfinite(b))]
    if wrong.size:
        raise HypothesisError(f"β must be finite and at least 0, here it is {wrong[0]:g}.")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        late = np.log(2 * b) + np.log(T)  # y + e^y = 2βT + 1 where βT itself is too large for a double
        y = np.where(late > 700, late, curve(np.minimum(b * T, 1e304)))
        return np.asarray(np.where(b > 0, np.minimum(y / b, T), T))


def beta_for(drop: Numbers, budget: Numbers) -> Float[Array, "*shape"]:
    """The β at which NPO with a budget of T nats ends at a wanted drop u (nats): the inverse of `drop_at`.

    0 where u = T; NaN where u > T, which gradient ascent does not reach, hence no β does. Arguments broadcast, float64;
    HypothesisError where a drop or a budget is not positive and finite. Exact to rounding for βu from 1e-12 to 1e3
    and beyond; but u and T must be known to a fraction x/4 for β to be known where x = βu ≪ 1, see `sharpness`.

    >>> round(float(beta_for(356.0, 1.7e4)), 4)
    0.018
    >>> beta_for(np.array([50.0, 100.0, 200.0]), 100.0).round(4).tolist()
    [0.0381, 0.0, nan]
    """
    u, T = np.broadcast_arrays(_positive(drop, "A wanted drop"), _positive(budget, "A budget"))
    gap = np.where(u <= T, T - u, np.nan)
    with np.errstate(over="ignore"):
        ratio = 2 * (gap / u)  # 2T/u − 2, without cancellation
    rise = np.where(np.isinf(ratio), np.log(2) + np.log(T) - np.log(u), np.log1p(ratio))
    return np.asarray(_inverse_rise(rise) / u)


@dataclass(frozen=True)
class Sharpness:
    """How fast drop, β and budget go with one another, as powers; one entry for each x = βu."""

    drop_by_beta: Array  # d log u / d log β at a fixed budget: −k(x), from 0 to −1
    beta_by_drop: Array  # d log β / d log u at a fixed budget: −1/k(x), at most −1
    beta_by_budget: Array  # d log β / d log T at a fixed drop: 1/k(x) − 1, at least 0


def sharpness(beta_drop: Numbers) -> Sharpness:
    """How sharp the choice of β is where NPO ends at x = βu > 0: a function of x alone, dimensionless.

    A wanted drop known to 10 % and a budget known to a factor 2 leave β uncertain by about 10 % · |beta_by_drop| and
    by a factor 2^beta_by_budget.

    >>> at = sharpness(6.5)
    >>> [round(float(v), 3) for v in (at.drop_by_beta, at.beta_by_drop, at.beta_by_budget)]
    [-0.845, -1.183, 0.183]
    """
    x = _positive(beta_drop, "βu")
    k = _rise_slope(x) * np.tanh(x / 2)
    return Sharpness(np.asarray(-k), np.asarray(-1 / k), np.asarray((1 - k) / k))


def _rise(x: Array) -> Array:
    """K(x) = log((e^x − 1)/x) for x ≥ 0."""
    near = x / 2 + x**2 / 24 - x**4 / 2880 + x**6 / 181440
    return np.asarray(np.where(x < NEAR_ZERO, near, x + np.log(exprel(-x))))


def _rise_slope(x: Array) -> Array:
    """K'(x) = 1/(1 − e^{−x}) − 1/x, from ½ at 0 to 1."""
    safe = np.maximum(x, NEAR_ZERO)
    near = 0.5 + x / 12 - x**3 / 720 + x**5 / 30240
    return np.asarray(np.where(x < NEAR_ZERO, near, -1 / np.expm1(-safe) - 1 / safe))


def _inverse_rise(rise: Array) -> Array:
    """The x ≥ 0 with K(x) = rise, by Newton's method: K is convex and K(x) ≥ x/2, so from 2·rise it falls onto x."""
    x = np.asarray(2 * rise)
    for _ in range(8):  # doubles the digits each time, from at least one: 8 are more than enough
        x = np.asarray(np.maximum(x - (_rise(x) - rise) / _rise_slope(x), 0.0))
    return x


def _positive(values: Numbers, what: str) -> Array:
    """The values in float64; HypothesisError unless all are positive and finite."""
    given = np.asarray(values, dtype=np.float64)
    wrong = given[~((given > 0) & np.isfinite(given))]
    if wrong.size:
        raise HypothesisError(f"{what} must be positive and finite (nats), here it is {wrong[0]:g}.")
    return given
