"""What a claim is, and the few statistics that verdicts share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import NamedTuple

import numpy as np
from scipy.stats import t

from records.store import Data
from theory.theorems.intrinsic_time import bounds_on_curve, curve, time_on_curve

__all__ = [
    "FAILS",
    "HOLDS",
    "NOT_TESTABLE",
    "Claim",
    "Entry",
    "Judgement",
    "OffCurve",
    "OnCurve",
    "Results",
    "akaike",
    "decided",
    "enter",
    "holds_if",
    "judge_sets",
    "judge_singles",
    "mean_with_interval",
    "seed_of",
]

HOLDS, FAILS, NOT_TESTABLE = "holds", "fails", "not testable here"

Results = Mapping[str, Data]
"""Saved data by unit name."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the number it rests on: its 95 % interval (None where there is no spread) and the seeds."""

    verdict: str
    effect: float | None
    interval: tuple[float, float] | None = None
    seeds: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence, where it stands, and how it is judged.

    `units` are patterns of the unit names whose data `judge` reads; `measure` says what the effect is a number of.
    """

    id: str
    statement: str
    source: str
    measure: str
    units: tuple[str, ...]
    figure: str
    judge: Callable[[Results], Judgement]
    command: str = ""  # what makes its data, where that is not a step of the main job

    @property
    def step(self) -> str:
        """The step of the main job that this claim rests on."""
        return self.units[0].split("/")[0]


Entry = dict[str, object]


def enter(claim: Claim, results: Results, seconds: Mapping[str, float], words: Mapping[str, str]) -> Entry:
    """The ledger's line for a claim; where a unit it needs is absent, that is what it says.

    `words` are, by step, what must follow `npo reproduce --only STEP` to make the same data again.
    """
    mine = {name: data for name, data in results.items() if any(fnmatch(name, p) for p in claim.units)}
    missing = [p for p in claim.units if not any(fnmatch(name, p) for name in mine)]
    not_run = Judgement(NOT_TESTABLE, None, reason=f"not run: {', '.join(missing)}")
    judged = not_run if missing else claim.judge(mine)
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "verdict": judged.verdict,
        "effect": None if judged.effect is None or not np.isfinite(judged.effect) else float(judged.effect),
        "measure": claim.measure,
        "interval": None if judged.interval is None else [float(x) for x in judged.interval],
        "seeds": list(judged.seeds),
        "reason": judged.reason,
        "command": claim.command or f"npo reproduce --only {claim.step} {words.get(claim.step, '')}".rstrip(),
        "figure": claim.figure,
        "seconds": round(sum(seconds.get(name, 0.0) for name in mine), 2),
    }


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


def decided(values: Sequence[float], seeds: Sequence[int], reason: str) -> Judgement:
    """Is the mean over seeds above 0, as far as its interval tells?"""
    mean, interval = mean_with_interval(values)
    if interval is None:
        return Judgement(NOT_TESTABLE, mean, None, tuple(seeds), f"{reason}; one seed decides nothing")
    verdict = HOLDS if interval[0] > 0 else FAILS if interval[1] < 0 else NOT_TESTABLE
    if verdict == NOT_TESTABLE:
        reason += f"; {len(values)} seeds can't tell"
    return Judgement(verdict, mean, interval, tuple(seeds), reason)


def akaike(x: np.ndarray, y: np.ndarray) -> float:
    """Akaike's information criterion of a least-squares line, up to a constant: n log(residual variance)."""
    variance = float(np.var(y - np.polyval(np.polyfit(x, y, 1), x)))
    return len(y) * float(np.log(variance + 1e-300))  # a perfect fit has a logarithm too


class OnCurve(NamedTuple):
    """One example unlearned alone: βT and βu (T and u for GA) along its path, and the step of the descent."""

    time: np.ndarray
    drop: np.ndarray
    gradient_ascent: bool
    step: float


def judge_singles(runs: Iterable[OnCurve], seeds: tuple[int, ...]) -> Judgement:
    """Is every example within the law's discretisation bounds? The effect is the largest distance from the curve.

    The law is an identity of gradient flow: what can fail is the code, and descent in steps that are too large.
    """
    far, inside, count = 0.0, True, 0
    for run in runs:
        law = run.time if run.gradient_ascent else curve(run.time)
        bounds = bounds_on_curve(run.time, gradient_ascent=run.gradient_ascent, step=run.step)
        inside &= bool(np.all((run.drop >= bounds.lower - 1e-9) & (run.drop <= bounds.upper + 1e-9)))
        far, count = max(far, float(np.abs(run.drop - law).max())), count + 1
    if not count:
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason="no example was followed")
    return Judgement(holds_if(inside), far, seeds=seeds, reason=f"{count} runs")


class OffCurve(NamedTuple):
    """The examples of a set at the end of a path: βT_i, βu_i, β·remainder_i, and the step of the descent."""

    time: np.ndarray
    drop: np.ndarray
    remainder: np.ndarray
    step: float


def judge_sets(runs: Iterable[OffCurve], seeds: tuple[int, ...]) -> Judgement:
    """Do curve and remainder account for every example of every set, where the curve alone does not?

    The effect is the largest |βF(u) − βT − β·remainder| / (1 + |βF(u)|) over examples; steps of s leave at most 2s.
    """
    left = off = allowed = 0.0
    for run in runs:
        reached = time_on_curve(run.drop)
        size = 1 + np.abs(reached)
        left = max(left, float((np.abs(reached - run.time - run.remainder) / size).max()))
        off = max(off, float((np.abs(reached - run.time) / size).max()))
        allowed = max(allowed, 2 * run.step)
    if not allowed:
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason="no set was followed")
    reason = f"without the remainder {off:.2f}"
    return Judgement(holds_if(left < allowed and off > 3 * left), left, seeds=seeds, reason=reason)


def seed_of(unit: str) -> int:
    """The seed at the end of a unit's name."""
    return int(unit.rsplit("-", 1)[1])
