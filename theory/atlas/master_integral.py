"""One integral behind the exact times of the family: ∫₀^m π^(−b) (1 − π)^(−d) ds along π = σ(c − s).

With t = 1 − π it is the incomplete beta function ∫ t^(−d−1) (1 − t)^(−b−1) dt. Where t ≤ ½ the second factor is
expanded in t, where t > ½ the first in 1 − t: both series have positive terms alone, which fall like 2^(−j),
so that nothing cancels for any b and d, whole numbers included, where scipy's hyp2f1 has poles.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from theory.theorems.paper.margins import drop

__all__ = ["master_integral"]

Array = np.ndarray


def master_integral(margin: Float[Array, "*n"] | float, c: float, *, b: float, d: float) -> Float[Array, "*n"]:
    """∫₀^m π^(−b) (1 − π)^(−d) ds, π = σ(c − s), to rounding for b, d ≥ 0 and margins ≥ 0.

    The time of a loss of weight π^b (1 − π)^(d−1): b = 0, d = 1 is J(m) = m + e^c(1 − e^(−m)), d = 1 is I_b(m).

    >>> m, c = 3.0, 2.0
    >>> bool(np.isclose(master_integral(m, c, b=1.0, d=1.0), 2 * (m + np.sinh(m - c) + np.sinh(c)), rtol=1e-14))
    True
    """
    m = np.asarray(margin, dtype=np.float64)
    turn = max(c, 0.0)  # where π = ½, or the start if π_ref < ½
    early, late = np.minimum(m, turn), np.maximum(m, turn)
    log_rest = -np.log1p(expit(c) * np.expm1(-early))  # log (1 − π)/(1 − π_ref), without cancellation
    first = _side(float(np.log(expit(-c))), np.asarray(log_rest), b, d)
    gone = late - turn
    near = -np.log1p(expit(turn - c) * np.expm1(np.minimum(gone, 1.0)))  # without cancellation where little is gone
    log_fall = np.where(gone < 1, near, drop(np.array(turn), np.array(c)) - drop(late, np.array(c)))
    second = -_side(float(np.log(expit(c - turn))), log_fall, d, b)
    return np.asarray(first + second)


def _side(log_start: float, log_ratio: Array, b: float, d: float) -> Array:
    """∫ x^(−d−1) (1 − x)^(−b−1) dx from x₀ to x₀ e^ratio, by the series of the second factor; x ≤ ½."""
    total, coefficient = 0 * log_ratio, 1.0
    for j in range(80 + int(8 * b)):
        k = j - d
        rise = log_ratio if k == 0 else np.expm1(k * log_ratio) / k
        total = total + coefficient * np.exp(k * log_start) * rise
        coefficient *= (b + 1 + j) / (j + 1)
    return np.asarray(total)
