"""How sentences about several forget sets are judged on kept runs of the real TOFU, `tofu/<set>/<label>-s<seed>`.

Rates and β were tuned on seed 0, so the verdict is that of the other seeds: a sentence holds where it does for each of
them in each forget set, fails where it does for none of them in some set, and is undecided where they differ. The
effect is the mean over all seeds in the set where it is worst.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, Judgement, Results
from npo.ledger.judging.statistics import mean_with_interval
from records.examined import moments_of
from records.store import Data

__all__ = [
    "MAIN",
    "PLACE",
    "RULE",
    "BySet",
    "by_set",
    "end",
    "judged",
    "of_methods",
    "only_rankable",
    "runs_of",
    "share",
]

PLACE = "tofu/"
MAIN = ("forget01", "forget05", "forget10")
"""The forget sets of the paper's main figures."""
TUNED_ON = 0
RULE = "NPO+RT at the rule's β"
"""What a run of NPO+RT is called here whose β is not the paper's."""

_OTHER_BETA = re.compile(r"NPO\+RT,beta=[^,]+")

BySet = dict[str, dict[int, float]]
"""A number by forget set and seed."""


class _Place(NamedTuple):
    """Where a run is: forget set, label, seed."""

    forget_set: str
    label: str
    seed: int


def _place(name: str) -> _Place:
    _, forget_set, run = name.split("/")
    label, _, seed = run.rpartition("-s")
    return _Place(forget_set, RULE if _OTHER_BETA.fullmatch(label) else label, int(seed))


def runs_of(results: Results, label: str, forget_set: str) -> dict[int, Data]:
    """The runs of a method on a forget set, by seed; `RULE` is NPO+RT at another β than the paper's."""
    found = {_place(name): data for name, data in results.items() if name.startswith(PLACE)}
    mine = {at.seed: data for at, data in found.items() if (at.forget_set, at.label) == (forget_set, label)}
    return dict(sorted(mine.items()))


def of_methods(results: Results, forget_set: str) -> list[str]:
    """The methods that were run on a forget set, by their labels."""
    places = [_place(name) for name in results if name.startswith(PLACE)]
    return list(dict.fromkeys(at.label for at in places if at.forget_set == forget_set))


def end(data: Data, measure: str) -> float:
    """A measure at the end of a run; 0 where it was not finite: such a model is of no use."""
    return float(moments_of(data.values)[-1].scores.get(measure) or 0.0)


def share(data: Data, measure: str = "model_utility") -> float:
    """A measure at the end as a share of what it was before."""
    return end(data, measure) / (moments_of(data.values)[0].scores[measure] or np.nan)


def by_set(results: Results, label: str, of: Callable[[Data], float], sets: Sequence[str] = MAIN) -> BySet:
    """A number of every run of a method, by forget set and seed."""
    found = {name: {seed: of(data) for seed, data in runs_of(results, label, name).items()} for name in sets}
    return {name: values for name, values in found.items() if values}


def judged(numbers: BySet, holds: Callable[[float], bool], *, high: bool, more: str = "") -> Judgement:
    """The verdict on a number by set and seed; `high` says that the largest is the worst, `more` is told beside it."""
    numbers = {name: values for name, values in numbers.items() if values}
    if not numbers:
        return Judgement(NOT_TESTABLE, None, reason="the method was not run")
    said = [
        {holds(x) for seed, x in values.items() if seed != TUNED_ON or len(values) == 1} for values in numbers.values()
    ]
    verdict = HOLDS if all(s == {True} for s in said) else FAILS if {False} in said else NOT_TESTABLE
    means = {name: float(np.mean(list(values.values()))) for name, values in numbers.items()}
    worst = (max if high else min)(means, key=means.__getitem__)
    mean, interval = mean_with_interval(list(numbers[worst].values()))
    reason = "; ".join(f"{name} {', '.join(f'{x:.2g}' for x in values.values())}" for name, values in numbers.items())
    told = "; ".join(filter(None, (reason, more, "seeds differ" if verdict == NOT_TESTABLE else "")))
    return Judgement(verdict, mean, interval, tuple(numbers[worst]), told)


def only_rankable(judge: Callable[[Results], Judgement]) -> Callable[[Results], Judgement]:
    """Where the test can't rank methods on some forget set, the ledger says why."""

    def decide(results: Results) -> Judgement:
        values = [data.values for name, data in results.items() if name.startswith(PLACE)]
        reasons = dict.fromkeys(reason for one in values for reason in one["not_rankable"])
        return Judgement(NOT_TESTABLE, None, reason=" ".join(reasons)) if reasons else judge(results)

    return decide
