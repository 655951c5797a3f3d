"""The few statistics that verdicts share: means with intervals, a fit's criterion, distances from the law."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, Judgement
from theory.theorems.time.intrinsic_time import bounds_on_curve, curve, time_on_curve
from theory.theorems.time.paths import IntrinsicPath

__all__ = [
    "JudgedPath",
    "akaike",
    "decided",
    "from_the_law",
    "holds_if",
    "judge_sets",
    "judge_singles",
    "mean_with_interval",
    "seed_of",
]


def holds_if(condition: bool) -> str:
    """The verdict word."""
    return HOLDS if condition else FAILS


def mean_with_interval(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Mean over seeds and its 95 % t-interval; no interval from one seed."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return float(x.mean()), None
    half = float(t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return float(x.mean()), (float(x.mean()) - half, float(x.mean()) + half)


def decided(values: Sequence[float], seeds: Sequence[int], reason: str, least: float = 0.0) -> Judgement:
    """Is the mean over seeds above `least`, as far as its interval tells?"""
    mean, interval = mean_with_interval(values)
    if interval is None:
        return Judgement(NOT_TESTABLE, mean, None, tuple(seeds), f"{reason}; one seed decides nothing")
    verdict = HOLDS if interval[0] > least else FAILS if interval[1] < least else NOT_TESTABLE
    if verdict == NOT_TESTABLE:
        reason += f"; {len(values)} seeds can't tell"
    return Judgement(verdict, mean, interval, tuple(seeds), reason)


def akaike(x: np.ndarray, y: np.ndarray) -> float:
    """Akaike's information criterion of a least-squares line, up to a constant: n log(residual variance)."""
    variance = float(np.var(y - np.polyval(np.polyfit(x, y, 1), x)))
    return len(y) * float(np.log(variance + 1e-300))  # a perfect fit has a logarithm too


class JudgedPath(NamedTuple):
    """A path in units of β (nats for GA), and the step of the descent."""

    path: IntrinsicPath
    gradient_ascent: bool
    step: float


def judge_singles(runs: Iterable[JudgedPath], seeds: tuple[int, ...]) -> Judgement:
    """Is every example within the law's discretisation bounds? The effect is the largest distance from the curve.

    The law is an identity of gradient flow: what can fail is the code, and descent in steps that are too large.
    """
    far, inside, count = 0.0, True, 0
    for run in runs:
        time, drop = run.path.clock[:, 0], run.path.drop[:, 0]
        law = time if run.gradient_ascent else curve(time)
        bounds = bounds_on_curve(time, gradient_ascent=run.gradient_ascent, step=run.step)
        inside &= bool(np.all((drop >= bounds.lower - 1e-9) & (drop <= bounds.upper + 1e-9)))
        far, count = max(far, float(np.abs(drop - law).max())), count + 1
    if not count:
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason="no example was followed")
    return Judgement(holds_if(inside), far, seeds=seeds, reason=f"{count} runs")


def from_the_law(run: JudgedPath) -> float:
    """How far one example is from the law at most: in βu, and under GA, whose u has no unit but nats, as a share of T.

    A path that runs to 30 nats in steps of a tenth is a nat off where it is 5 % off; only the share can be compared.
    """
    time, drop = run.path.clock[1:, 0], run.path.drop[1:, 0]
    return float(np.abs(drop / time - 1 if run.gradient_ascent else drop - curve(time)).max())


def judge_sets(runs: Iterable[JudgedPath], seeds: tuple[int, ...]) -> Judgement:
    """Do curve and remainder account for every example of every set at its end, where the curve alone does not?

    The effect is the largest |βF(u) − βT − β·remainder| / (1 + |βF(u)|) over examples; steps of s leave at most 2s.
    """
    left = off = allowed = 0.0
    for run in runs:
        time, drop, remainder = (column[-1] for column in (run.path.clock, run.path.drop, run.path.remainder))
        reached = time_on_curve(drop)
        size = 1 + np.abs(reached)
        left = max(left, float((np.abs(reached - time - remainder) / size).max()))
        off = max(off, float((np.abs(reached - time) / size).max()))
        allowed = max(allowed, 2 * run.step)
    if not allowed:
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason="no set was followed")
    reason = f"without the remainder {off:.2f}"
    return Judgement(holds_if(left < allowed and off > 3 * left), left, seeds=seeds, reason=reason)


def seed_of(unit: str) -> int:
    """The seed at the end of a unit's name."""
    return int(unit.rsplit("-", 1)[1])
