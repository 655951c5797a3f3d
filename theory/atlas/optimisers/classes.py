"""The class of a simulated run, from its margins at many numbers of steps.

A class says how the growth per unit of log t, q = dm/d log t, goes with t: q ∝ t^e with e = 1 for linear, p for the
power t^p, 0 for logarithmic, and below −0.3 or no growth at all for a finite limit. e is fitted over the last decade.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from theory.atlas.growth import Growth, finite, linear, logarithmic, power

__all__ = ["Measured", "classify_run"]

Array = np.ndarray
DECADES = 1.0
CENTRES = {"linear": 1.0, "square root": 0.5, "logarithmic": 0.0}
STILL = 1e-3  # a margin that moves by less than this share over the last decade has come to its limit


@dataclass(frozen=True)
class Measured:
    """The class of a run with its constants in steps t, its e, and how sure: 1 at a class's e, 0 between two."""

    growth: Growth
    exponent: float
    sure: float


def classify_run(steps: Num[Array, " k"], margins: Float[Array, " k"]) -> Measured:
    """The class of a run over its last decade of steps, which needs eight records or more, evenly spaced in log t.

    ValueError for less.

    >>> t = np.geomspace(1, 1e6, 60)
    >>> found = classify_run(t, 10 * np.log(t) - 3)
    >>> found.growth.kind, round(found.growth.coefficient, 6), round(found.sure, 3)
    ('logarithmic', 10.0, 1.0)
    """
    x = np.log(np.asarray(steps, dtype=np.float64))
    late = x >= x[-1] - DECADES * np.log(10)
    if late.sum() < 8:
        raise ValueError(f"A class is told from 8 records or more in the last decade of steps, here are {late.sum()}.")
    x, t, m = x[late], np.exp(x[late]), np.asarray(margins, dtype=np.float64)[late]
    rates, between = np.diff(m) / np.diff(x), (x[1:] + x[:-1]) / 2
    if np.ptp(m) < STILL * (1 + abs(m[-1])) or np.any(rates <= 0):
        return Measured(finite(float(np.median(m[-3:])), 0.0), -np.inf, 1.0)
    e = float(np.polyfit(between, np.log(rates), 1)[0])
    if e < -0.3:
        return Measured(finite(float(m[-1]), 0.0), e, min(1.0, (-0.3 - e) / 0.7))
    return Measured(_law(e, t, m, x), e, _sureness(e))


def _law(e: float, t: Array, m: Array, x: Array) -> Growth:
    if e > 0.75:
        slope, constant = np.polyfit(t, m, 1)
        return linear(float(slope), float(constant))
    if e < 0.25:
        coefficient, constant = np.polyfit(x, m, 1)
        return logarithmic(float(coefficient), float(constant))
    exponent, height = np.polyfit(x, np.log(m), 1)
    exponent = 0.5 if abs(exponent - 0.5) < 0.05 else float(exponent)
    return power(float(np.exp((np.log(m) - exponent * x).mean() / exponent)) if height else 1.0, exponent)


def _sureness(e: float) -> float:
    """1 where e is that of a class, 0 halfway between two."""
    return float(max(0.0, 1 - 4 * min(abs(e - centre) for centre in CENTRES.values())))
