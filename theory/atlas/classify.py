"""Which class a flow is in, by measurement: any speed, followed to τ = 1e100, with its constants and how sure.

Each class is a straight line in its own coordinates (m against log τ, log m against log τ, …). A line is fitted in
each, over the last decades; the class is that of the least misfit, and the next best says how close a call it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from theory.atlas.growth import Growth, Kind, finite
from theory.atlas.scalar import ScalarLoss
from theory.atlas.trajectory import FURTHEST, Journey, Speed, travel

__all__ = ["Classified", "classify", "classify_speed", "judge"]

Array = np.ndarray
_LINES: tuple[Kind, ...] = ("linear", "square root", "power", "logarithmic", "log-log")
_FRACTION = 0.1  # a class is told from another where its misfit is at most this share of the other's


@dataclass(frozen=True)
class Classified:
    """The measured class with its constants, and how sure that is.

    `spread` is the range of the class's local coefficient over the last third of the decades, relative; `misfit` the
    largest departure of the margin from the class's line there, relative, and `runner_up` the next best class with its
    own. `reach` is the largest τ that was seen.
    """

    growth: Growth
    spread: float
    misfit: float
    runner_up: Kind
    runner_up_misfit: float
    reach: float

    @property
    def sure(self) -> bool:
        """Whether the runner-up fits at least ten times worse, and the coefficient has settled to 1 %."""
        return self.misfit <= _FRACTION * self.runner_up_misfit and self.spread < 0.01

    def __str__(self) -> str:
        """The class, its law and its certainty in one line."""
        said = "sure" if self.sure else "not sure"
        return (
            f"{self.growth.kind}: {self.growth}  ({said}: misfit {self.misfit:.1e}, {self.runner_up} "
            f"{self.runner_up_misfit:.1e}; coefficient within {self.spread:.1e}; to τ = {self.reach:.0e})"
        )


def classify(loss: ScalarLoss, *, until: float = 1e100) -> Classified:
    """The class of a loss in the scalar model, with its constants.

    >>> from functools import partial
    >>> from theory.losses import npo
    >>> found = classify(ScalarLoss("NPO", partial(npo, beta=0.5)))
    >>> found.growth.kind, round(found.growth.coefficient, 6), found.sure
    ('logarithmic', 2.0, True)
    """
    return classify_speed(loss.speed, until=until, near=abs(loss.confidence) + 30)


def classify_speed(speed: Speed, *, until: float = 1e100, near: float = 40.0) -> Classified:
    """The class of dm/dτ = V(m), m(0) = 0, of any function V of an array of margins; see `travel` for `near`."""
    return judge(travel(speed, until=until, near=near))


def judge(path: Journey) -> Classified:
    """The class of what was followed."""
    if path.limit is not None:
        return _stopping(path, path.limit)
    if path.margin[-1] >= FURTHEST / 10 and (faster := _faster(path)):
        return faster
    fits = {kind: _misfit(kind, *_window(path)) for kind in _LINES}
    return _settled(path, fits)


def _stopping(path: Journey, limit: float) -> Classified:
    """A limit, and how well its exponential e^(−aτ) fits the end of the way, against the other lines.

    The end is the last thousandth of a logit, or of the limit where that is less. A zero of the speed of order two is
    approached like 1/τ: there the rate V/(limit − m) does not settle. A speed that starts at 0 or jumps to it leaves no
    way to be fitted, and no doubt.
    """
    growth, reach = finite(path.sign * limit, path.rate), float(path.tau[-1])
    if path.sudden or limit == 0:
        return Classified(growth, 0.0, 0.0, "logarithmic", float("inf"), reach)
    gap, unit = limit - path.margin, min(limit, 1.0)
    seen = (gap < 1e-3 * unit) & (gap > 1e-6 * unit)
    if seen.sum() < 10:
        return Classified(growth, float("inf"), float("inf"), "logarithmic", float("inf"), reach)
    tau, m, left = path.tau[seen], path.margin[seen], gap[seen]
    misfit = float(np.abs(left[0] * np.exp(-path.rate * (tau - tau[0])) - left).max() / limit)
    fits = {kind: _misfit(kind, np.log(tau), m, tau * path.speed[seen]) for kind in _LINES if kind != "log-log"}
    second = min(fits, key=lambda kind: fits[kind])
    local = path.speed[seen] / left
    return Classified(growth, float(np.ptp(local) / abs(local[-1])), misfit, second, fits[second], reach)


def _window(path: Journey) -> tuple[Array, Array, Array]:
    """log τ, evenly over the last third of the decades after τ = 1, with the margin and dm/dlog τ there."""
    seen = path.tau > 0
    x, m, v = np.log(path.tau[seen]), path.margin[seen], path.speed[seen]
    at = np.linspace(max(x[-1] * 2 / 3, x[0]), x[-1], 60)
    log_m = CubicHermiteSpline(x, np.log(m), np.exp(x) * v / m)
    return at, np.exp(log_m(at)), np.exp(log_m(at)) * log_m(at, 1)


def _misfit(kind: Kind, x: Array, m: Array, rate: Array) -> float:
    """The largest departure from the line of a class, as a share of the margin."""
    if kind in ("linear", "square root", "power"):
        slope = {"linear": 1.0, "square root": 0.5}.get(kind)
        line = np.polynomial.Polynomial.fit(x, np.log(m), 1) if slope is None else None
        rest = np.log(m) - line(x) if line else np.log(m) - slope * x - np.mean(np.log(m) - slope * x)
        return float(np.abs(rest).max())
    coordinate = x if kind == "logarithmic" else np.log(x)
    return float(np.abs((m - np.polynomial.Polynomial.fit(coordinate, m, 1)(coordinate)) / m).max())


def _settled(path: Journey, fits: Mapping[Kind, float]) -> Classified:
    x, m, rate = _window(path)
    local = rate / m
    named: dict[Kind, float] = dict(fits)
    exponent = float(local[-1])
    if abs(exponent - 1) < 1e-3 or abs(exponent - 0.5) < 1e-3:
        del named["power"]  # with a free exponent, it is these two again
    best, second = sorted(named, key=lambda kind: named[kind])[:2]
    constants = {
        "linear": lambda: Growth("linear", float(path.speed[-1]), _delay(path)),
        "square root": lambda: Growth("square root", float(np.exp(2 * np.log(m[-1]) - x[-1])), exponent=0.5),
        "power": lambda: Growth("power", float(np.exp(np.log(m[-1]) / exponent - x[-1])), exponent=exponent),
        "logarithmic": lambda: Growth("logarithmic", float(rate[-1]), float(m[-1] - rate[-1] * x[-1])),
        "log-log": lambda: Growth("log-log", float(rate[-1] * x[-1]), float(m[-1] - rate[-1] * x[-1] * np.log(x[-1]))),
    }
    growth = constants[best]()
    followed = {"logarithmic": rate, "log-log": rate * x}.get(best, local)
    signed = Growth(growth.kind, growth.coefficient, growth.constant, growth.exponent, path.sign)
    spread = float(np.ptp(followed) / abs(followed[-1]))
    return Classified(signed, spread, named[best], second, named[second], float(path.tau[-1]))


def _delay(path: Journey) -> float:
    """lim m − aτ of a linear class, read off where the speed has settled and τ still has its digits."""
    unsettled = np.flatnonzero(np.abs(1 - path.speed[-1] / path.speed) > 1e-13)
    j = min(int(unsettled[-1]) + 1, len(path.tau) - 1) if len(unsettled) else 0
    return float(path.margin[j] - path.speed[-1] * path.tau[j])


def _faster(path: Journey) -> Classified | None:
    """Exponential or blow-up, where the margin ran out before time did; None where neither is near."""
    far = path.margin > FURTHEST**0.5
    order = float(np.polyfit(np.log(path.margin[far]), np.log(path.speed[far]), 1)[0])
    if order < 0.99:
        return None
    end = float(path.tau[-1])
    if order < 1.01:
        growth = Growth("exponential", float(path.speed[-1] / path.margin[-1]), sign=path.sign)
        return Classified(growth, abs(order - 1), abs(order - 1), "blow-up", 0.01, end)
    return Classified(Growth("blow-up", 0.0, end, sign=path.sign), 0.0, 0.0, "exponential", order - 1, end)
