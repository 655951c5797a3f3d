"""The integral ∫₀ᵘ dv/w(v) by Gauss–Legendre quadrature to rounding, on panels that follow the integrand.

Panels grow geometrically away from u = 0 and shrink geometrically towards an end, so that scales from 1e-15 nats up,
a saturated reference (π_ref → 1) and a weight that runs to 0 are all resolved; each is halved until its halves agree
with it. It takes any weight, a user's own too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.theorems.theorem import HypothesisError

__all__ = ["Quadrature", "integrate"]

Array = np.ndarray
NODES, SHARES = np.polynomial.legendre.leggauss(16)
NEAREST, FURTHEST = 1e-15, 1e12  # nats: the first panel's width and the last one's end
LEAST = 1e-290  # a weight below it stands still
AGREE = 1e-13
MOST_PANELS = 1024
TOWARDS_END = 0.5 ** np.arange(1, 48)


@dataclass(frozen=True)
class Quadrature:
    """F(u) = ∫₀ᵘ dv/w(v) between the two ends where the weight is defined and does not vanish; float64, nats."""

    weight: Callable[[Array], Array]
    edges: Float[Array, " edges"]
    at_edges: Float[Array, " edges"]  # F there
    least: float
    most: float

    def time(self, drop: Float[Array, "*shape"] | float) -> Float[Array, "*shape"]:
        """F(u); NaN beyond the ends."""
        u = np.asarray(drop, dtype=np.float64)
        place = np.searchsorted(self.edges, u, side="right") - 1
        left = place.clip(0, len(self.edges) - 2)
        from_right = self.edges[left] < 0  # start at the edge nearer to 0, to keep the digits of small times
        start = np.where(from_right, left + 1, left)
        found = self.at_edges[start] + _gauss(self.weight, np.asarray(self.edges[start]), u)
        inside = (u >= self.edges[0]) & (u <= self.edges[-1])
        return np.asarray(np.where(inside, found, np.nan))


def integrate(weight: Callable[[Array], Array], least: float = -np.inf) -> Quadrature:
    """The times of a weight u -> w(u), from u = `least` (where π would be 1) to where it vanishes or 1e12 nats.

    The end towards which the drop goes is where w changes sign or falls below 1e-290. HypothesisError where nothing
    moves at u = 0.

    >>> linear = integrate(lambda u: np.ones_like(u))
    >>> float(linear.time(3.0))
    3.0
    """
    with np.errstate(all="ignore"):
        start = float(weight(np.zeros(1))[0])
        if not (np.isfinite(start) and abs(start) >= LEAST):
            raise HypothesisError(f"The loss does not move the answer from its reference: its weight there is {start}.")
        up, most = _side(weight, np.sign(start), FURTHEST)
        down, lowest = _side(weight, np.sign(start), max(least, -FURTHEST))
        right, left = _panels(weight, up), _panels(weight, down)
    edges = np.concatenate([left.edges[:0:-1], right.edges])
    values = np.concatenate([left.values[:0:-1], right.values])
    return Quadrature(weight, edges, values, lowest, most)


def _gauss(weight: Callable[[Array], Array], start: Array, end: Array) -> Array:
    """∫ dv/w(v) over intervals, one number each."""
    middle, half = (start + end) / 2, (end - start) / 2
    with np.errstate(all="ignore"):
        inverse = 1 / weight(middle[..., None] + half[..., None] * NODES)
        return np.asarray(half * (inverse * SHARES).sum(axis=-1))


def _side(weight: Callable[[Array], Array], sign: float, bound: float) -> tuple[Array, float]:
    """Edges from 0 to where the weight ends on one side, and that end; 0 alone where there is no such side."""
    if bound == 0:
        return np.zeros(1), 0.0
    grid = np.sign(bound) * np.geomspace(NEAREST, FURTHEST, 4 * 27 + 1)
    inside = grid[np.abs(grid) < abs(bound)]
    points = np.concatenate([[0.0], inside, [bound]])

    def moves(u: Array) -> Array:
        w = weight(u)
        return np.isfinite(w) & (np.abs(w) >= LEAST) & (np.sign(w) == sign)

    good = moves(points[:-1])
    if good.all():
        open_end = abs(bound) == FURTHEST
        return (points, float(np.sign(bound) * np.inf)) if open_end else (_towards(points[:-1], bound), bound)
    first = int(np.argmin(good))
    last, end = points[first - 1], points[first]
    for _ in range(100):
        middle = (last + end) / 2
        last, end = (middle, end) if moves(np.array([middle]))[0] else (last, middle)
    return _towards(points[:first], float(last)), float(last)


def _towards(points: Array, end: float) -> Array:
    """Edges that come ever nearer to an end, which is one of them only if the weight is well there."""
    last = points[-1]
    more = end - (end - last) * TOWARDS_END
    return np.unique(np.concatenate([points, more]))[:: 1 if end > 0 else -1]


@dataclass(frozen=True)
class _Side:
    edges: Array
    values: Array


def _panels(weight: Callable[[Array], Array], edges: Array) -> _Side:
    """Halve panels until their halves agree with them, then sum from 0 outwards."""
    start, end = edges[:-1], edges[1:]
    done_start, done_value = [np.zeros(0)], [np.zeros(0)]
    count = 0
    while start.size:
        middle = (start + end) / 2
        whole = _gauss(weight, start, end)
        halves = _gauss(weight, start, middle) + _gauss(weight, middle, end)
        agree = np.abs(whole - halves) <= AGREE * np.abs(halves)
        agree |= ~np.isfinite(halves) | (count + 2 * start.size > MOST_PANELS)
        done_start.append(start[agree])
        done_value.append(halves[agree])
        count += int(agree.sum())
        start, middle, end = start[~agree], middle[~agree], end[~agree]
        start, end = np.concatenate([start, middle]), np.concatenate([middle, end])
    starts, values = np.concatenate(done_start), np.concatenate(done_value)
    order = np.argsort(np.abs(starts))
    return _Side(np.concatenate([starts[order], edges[-1:]]), np.concatenate([[0.0], np.cumsum(values[order])]))
