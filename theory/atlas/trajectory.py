"""A margin followed through decades of time: τ(m) = ∫ dm / V(m) on a grid of margins, to τ = 1e100 and beyond.

An autonomous flow needs no stepping: it is a quadrature, so τ may reach 1e300 as long as V stays above what a float64
holds. A zero of V is found by bisection, and is the margin's limit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

__all__ = ["FURTHEST", "Journey", "Speed", "time_to", "travel"]

Array = np.ndarray
Speed = Callable[[Array], Array]

FURTHEST = 1e102
"""The largest margin that is looked at."""
_SMALLEST = 1e-300  # speeds below lose their digits; τ is then beyond 1e300 for a logarithmic class
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class Journey:
    """Times τ, margins and speeds along a flow, all increasing from (0, 0) but the speed; a falling margin has sign −1.

    `limit` is a zero of the speed or None, `rate` minus its slope there, and `sudden` says that the speed jumps to 0,
    so that the limit is reached in a finite time.
    """

    tau: Float[Array, " k"]
    margin: Float[Array, " k"]
    speed: Float[Array, " k"]
    sign: int = 1
    limit: float | None = None
    rate: float = 0.0
    sudden: bool = False

    def time(self, margin: float) -> float:
        """τ at which |m| is `margin`, by the cubic through the neighbouring points and their speeds; inf beyond."""
        if margin > self.margin[-1]:
            return float("inf")
        j = max(int(np.searchsorted(self.margin, margin)), 1)
        x0, x1 = self.margin[j - 1 : j + 1]
        h, s = x1 - x0, (margin - x0) / (x1 - x0)
        slow0, slow1 = h / self.speed[j - 1 : j + 1]
        gone = self.tau[j] - self.tau[j - 1]
        inside = s * slow0 + s**2 * (3 * gone - 2 * slow0 - slow1) + s**3 * (slow0 + slow1 - 2 * gone)
        return float(self.tau[j - 1] + inside)


def travel(speed: Speed, *, until: float = 1e100, near: float = 40.0) -> Journey:
    """Follow dm/dτ = V(m) from m = 0 to τ ≥ `until`, or as far as V is a number.

    `near` is the margin below which V may have features of width 1, say |c| + 30. ValueError where V(0) is no number.
    """
    start = float(speed(np.zeros(1))[0])
    if not np.isfinite(start):
        raise ValueError(f"The speed at the reference is {start}: the loss has no gradient weight there.")
    sign = -1 if start < 0 else 1
    if start == 0:
        return Journey(np.zeros(1), np.zeros(1), np.zeros(1), limit=0.0)

    def forward(x: Array) -> Array:
        return np.asarray(sign * speed(sign * x))

    edges, limit, rate, sudden = _edges(forward, until, near)
    edges = _refined(forward, edges)
    tau = np.concatenate([[0.0], np.cumsum(_times(forward, edges))])
    last = min(int(np.searchsorted(tau, until)) + 1, len(tau))
    return Journey(tau[:last], edges[:last], forward(edges[:last]), sign, limit, rate, sudden)


def time_to(speed: Speed, margin: float) -> float:
    """∫ dm / V(m) from 0 to a margin ≥ 0, by quadrature; infinite where the speed is not positive all the way."""
    edges = _refined(speed, np.linspace(0.0, margin, max(40, int(4 * margin))))
    if speed(edges).min() < _SMALLEST:
        return float("inf")
    return float(_times(speed, edges).sum())


def _times(forward: Speed, edges: Array) -> Array:
    """The time over each interval, by Gauss and Legendre."""
    middles, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    nodes = middles[:, None] + halves[:, None] * _NODES
    slowness = 1 / np.maximum(forward(nodes.ravel()), _SMALLEST).reshape(nodes.shape)
    return np.asarray(halves * (slowness @ _WEIGHTS))


def _edges(forward: Speed, until: float, near: float) -> tuple[Array, float | None, float, bool]:
    """A first grid of margins, as far as the speed is positive and τ below `until`; limit, rate and suddenness."""
    fine = np.arange(0.0, near, 0.25)
    edges = np.concatenate([fine[:1], np.geomspace(1e-6, 0.2, 20), fine[1:], np.geomspace(near, FURTHEST, 1000)])
    with np.errstate(all="ignore"):
        v = forward(edges)
    good = np.isfinite(v)
    end = len(edges) if good.all() else int(np.argmin(good))
    edges, v = edges[:end], v[:end]
    stops = v < _SMALLEST
    if not stops.any():
        return _in_time(edges, v, until), None, 0.0, False
    j = int(np.argmax(stops))
    kept = _in_time(edges[:j], v[:j], until)
    if len(kept) < j:
        return kept, None, 0.0, False
    stop = float(brentq(lambda x: _level(forward, x), edges[j - 1], edges[j], xtol=1e-300, rtol=1e-15))
    before = float(forward(np.array([stop - 1e-9 * max(1.0, stop)]))[0])
    if v[j] >= 0 and before < 1e-250:  # it fades away instead of stopping
        return np.append(kept, np.nextafter(stop, 0)), None, 0.0, False
    sudden = before > 1e-4 * float(v.max())
    earlier = float(forward(np.array([stop - 1e-6 * max(1.0, stop)]))[0])
    if v[j] >= 0 and not sudden and before > 0.5 * earlier:  # no zero: a float64 of the kernel has run over
        return np.append(kept, stop - 1e-9 * max(1.0, stop)), None, 0.0, False
    rate = 0.0 if sudden else _slope(forward, stop)
    gaps = np.geomspace((stop - edges[j - 1]) / 2, 1e-13 * max(1.0, stop), 200)
    return np.concatenate([kept, stop - gaps[stop - gaps > kept[-1]]]), stop, rate, sudden


def _level(forward: Speed, x: float) -> float:
    """A function that changes its sign where the speed falls to `_SMALLEST`, of a size that bisection likes."""
    v = float(forward(np.array([x]))[0])
    return v if v < 0 or v > 1e-3 else -1e-300 if v < _SMALLEST else v


def _slope(forward: Speed, stop: float) -> float:
    h = 1e-4 * max(1.0, abs(stop))
    a, b, c, d = forward(stop + h * np.array([-2.0, -1.0, 1.0, 2.0]))
    return float(-(a - 8 * b + 8 * c - d) / (12 * h))


def _in_time(edges: Array, v: Array, until: float) -> Array:
    """The edges that can be reached by `until`: the higher speed at the ends of each interval gives a least time."""
    least = np.cumsum(np.diff(edges) / np.maximum(v[1:], v[:-1]))
    return edges[: int(np.searchsorted(least, until)) + 2]


def _refined(forward: Speed, edges: Array) -> Array:
    """Halve the intervals over which the speed changes by more than e^0.4."""
    for _ in range(40):
        v = np.log(np.maximum(forward(edges), _SMALLEST))
        rough = np.abs(np.diff(v)) > 0.4
        if not rough.any() or len(edges) > 20_000:
            break
        edges = np.sort(np.concatenate([edges, ((edges[1:] + edges[:-1]) / 2)[rough]]))
    return edges
