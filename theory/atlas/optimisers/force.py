"""The force of a loss on one example as a table: what a loop of millions of steps looks up at every one.

A loss pushes the margin m of an example by V(m) = w·σ(m − c) (`theory.atlas.scalar`), whatever kernel it is. The table
holds f = log(V/(m* − m)), or log V of a loss that has no m* at which V changes its sign, as quintic pieces on an even
grid of log(1 + m), to 1e-12. f goes on in a straight line of m where V leaves the range of doubles, so that optimisers
that divide the size of a gradient away still know it there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PPoly, make_interp_spline
from scipy.optimize import brentq

__all__ = ["Force", "force_of", "log_force"]

Array = np.ndarray
PIECES = 8192
FURTHEST = 1e8  # the margin up to which a force is tabulated
LEAST = 1e-280  # a force below this is extrapolated


@dataclass(frozen=True)
class Force:
    """f on [0, `end`] by `pieces`, quintics in log(1 + m) of width `step`; beyond, a line of slope `tail` in m.

    `root` is m*, ∞ where there is none; `confidence` is c, the logit from which m is counted.
    """

    confidence: float
    pieces: Float[Array, "pieces 6"]
    step: float
    end: float
    tail: float
    root: float = math.inf

    def __call__(self, margin: float) -> float:
        """V(m).

        >>> from scipy.special import expit
        >>> half = force_of(lambda m: 0.5 * expit(m), 0.0)
        >>> half(0.0), round(half(3.0) / (0.5 * float(expit(3.0))), 12)
        (0.25, 1.0)
        """
        log, sign = log_force(margin, self.pieces, self.step, self.end, self.tail, self.root)
        return sign * math.exp(log)


def force_of(speed: Callable[[Array], Array], confidence: float) -> Force:
    """The table of a function that takes margins (any number of them) and gives V.

    ValueError where V is not finite, is nowhere positive, or changes its sign more than once.
    """
    margins = np.concatenate([[0.0], np.geomspace(1e-3, FURTHEST, 2000)])
    forces = _finite(speed, margins)
    there = np.abs(forces) >= LEAST
    if forces[0] <= 0 or not there[0]:
        raise ValueError(f"A forget loss must push its answer down at the start: its force there is {forces[0]:g}.")
    end = FURTHEST if there.all() else _last(speed, margins[int(np.argmin(there)) - 1], margins[int(np.argmin(there))])
    root = _root(speed, margins, forces, end)
    x = np.linspace(0.0, math.log1p(end), PIECES + 1)
    m = np.expm1(x)
    m[-1] = end
    apart = root - m if math.isfinite(root) else np.ones_like(m)
    f = np.log(_finite(speed, m) / np.where(apart == 0, np.nan, apart))
    spline = make_interp_spline(x[np.isfinite(f)], f[np.isfinite(f)], k=5)
    pieces = PPoly.from_spline(spline, extrapolate=False)
    return Force(confidence, *_even(pieces, x), end, float(spline.derivative()(x[-1])) / (1 + end), root)


def _finite(speed: Callable[[Array], Array], margins: Array) -> Array:
    forces = np.asarray(speed(margins), dtype=np.float64)
    if not np.all(np.isfinite(forces)):
        raise ValueError(f"The force is not finite at margin {margins[~np.isfinite(forces)][0]:g}.")
    return forces


def _last(speed: Callable[[Array], Array], there: float, gone: float) -> float:
    """The last margin, to a thousandth, at which the force is in the range of doubles."""
    while gone - there > 1e-3 * gone:
        middle = (there + gone) / 2
        there, gone = (middle, gone) if abs(float(speed(np.array([middle]))[0])) >= LEAST else (there, middle)
    return there


def _root(speed: Callable[[Array], Array], margins: Array, forces: Array, end: float) -> float:
    """m*, or ∞."""
    inside = margins <= end
    signs = np.sign(forces[inside])
    crossings = np.flatnonzero(signs[1:] != signs[:-1])
    if len(crossings) > 1:
        raise ValueError(f"The force changes its sign {len(crossings)} times; one m* at most is followed here.")
    if not len(crossings):
        return math.inf
    k = int(crossings[0])
    return float(brentq(lambda m: float(speed(np.array([m]))[0]), margins[k], margins[k + 1], xtol=1e-14, rtol=1e-15))


def _even(pieces: PPoly, x: Array) -> tuple[Array, float]:
    """The polynomials of every interval of the even grid, in units of its width, highest power first."""
    step = float(x[1] - x[0])
    at = x[:-1]
    derivatives = [pieces(at) if k == 0 else pieces.derivative(k)(at) for k in range(6)]
    scaled = [d * step**k / math.factorial(k) for k, d in enumerate(derivatives)]
    return np.ascontiguousarray(np.stack(scaled[::-1], axis=1)), step


def log_force(m: float, pieces: Array, step: float, end: float, tail: float, root: float) -> tuple[float, float]:
    """log |V(m)| and the sign of V; the inner loop's form."""
    x = math.log1p(min(max(m, 0.0), end)) / step
    k = min(int(x), pieces.shape[0] - 1)
    x -= k
    f = pieces[k, 0]
    for power in range(1, 6):
        f = f * x + pieces[k, power]
    if m > end:
        f += tail * (m - end)
    if math.isinf(root):
        return f, 1.0
    if m == root:
        return -math.inf, 1.0
    return f + math.log(abs(root - m)), (1.0 if m < root else -1.0)
