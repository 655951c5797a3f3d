"""What a claim is, and the few statistics that verdicts share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
from scipy.stats import t

from records.store import Data
from theory.intrinsic_time import bounds_on_curve, curve

__all__ = [
    "FAILS",
    "HOLDS",
    "NOT_TESTABLE",
    "Claim",
    "Entry",
    "Judgement",
    "Results",
    "distance_from_curve",
    "enter",
    "holds_if",
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

    @property
    def step(self) -> str:
        """The step of the main job that this claim rests on."""
        return self.units[0].split("/")[0]


Entry = dict[str, object]


def enter(claim: Claim, results: Results, seconds: Mapping[str, float]) -> Entry:
    """The ledger's line for a claim; where a unit it needs is absent, that is what it says."""
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
        "command": f"npo reproduce --only {claim.step}",
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


def distance_from_curve(
    time: np.ndarray, drop: np.ndarray, *, gradient_ascent: bool, step: float
) -> tuple[float, bool]:
    """How far βu is from the intrinsic-time curve at most, and whether that is within the bounds of its steps."""
    law = time if gradient_ascent else curve(time)
    bounds = bounds_on_curve(time, gradient_ascent=gradient_ascent, step=step)
    within = np.all((drop >= bounds.lower - 1e-9) & (drop <= bounds.upper + 1e-9))
    return float(np.abs(drop - law).max()), bool(within)


def seed_of(unit: str) -> int:
    """The seed at the end of a unit's name."""
    return int(unit.rsplit("-", 1)[1])
