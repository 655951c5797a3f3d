"""Claims on how far the logistic model goes from its reference over decades of steps: linearly, or logarithmically."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from npo.ledger.judging.claim import Claim, Judgement, Results
from npo.ledger.judging.statistics import akaike, decided, holds_if, mean_with_interval
from npo.ledger.logistic.paper import Arrays, as_in_the_paper, runs_by_seed

__all__ = ["CLAIMS"]


def _late(arrays: Arrays, label: str, column: str, decades: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of the last decades; on a logarithmic grid every decade counts alike."""
    steps, path = arrays[f"{label}.steps"], arrays[f"{label}.{column}"]
    late = steps >= steps[-1] / 10**decades
    return steps[late], path[late]


def _labels(results: Results) -> Iterator[str]:
    yield "GA"
    yield from (f"NPO-{b:g}" for b in next(iter(results.values())).values["betas"])


def _linear_against_logarithmic(column: str) -> Callable[[Results], Judgement]:
    """ΔAIC per point of the wrong form of growth less that of the right one, for the run where it is least."""

    def judge(results: Results) -> Judgement:
        runs, leads, tightest = runs_by_seed(results), [], set()
        for a in runs.values():
            found = {}
            for label in _labels(results):
                t, y = _late(a, label, column)
                linear, logarithmic = akaike(t, y), akaike(np.log(t), y)
                found[label] = (logarithmic - linear if label == "GA" else linear - logarithmic) / len(t)
            leads.append(min(found.values()))
            tightest.add(min(found, key=lambda label: found[label]))
        slopes = "; ".join(_slope(runs.values(), label, column) for label in _labels(results))
        return decided(leads, list(runs), f"least for {', '.join(sorted(tightest))}; {slopes}")

    return judge


def _slope(runs: Iterable[Arrays], label: str, column: str) -> str:
    """The late slope of a column, a step for GA and a factor e of steps for NPO, with its 95 % interval over seeds."""
    found = []
    for a in runs:
        t, y = _late(a, label, column)
        found.append(float(np.polyfit(t if label == "GA" else np.log(t), y, 1)[0]))
    mean, interval = mean_with_interval(found)
    spread = f" ± {(interval[1] - interval[0]) / 2:.2g}" if interval else ""
    return f"{label.replace('-', ' β = ')}: {mean:.3g}{spread} a {'step' if label == 'GA' else 'factor e'}"


def late_growth(results: Results) -> Judgement:
    """d log‖θ − θ_ref‖ / d log t over the last decade: 1 is linear; GA's, with the largest of NPO's beside it."""
    runs = runs_by_seed(results)

    def exponents(label: str) -> list[float]:
        paths = (_late(a, label, "reference_distance", 1) for a in runs.values())
        return [float(np.polyfit(np.log(t), np.log(y), 1)[0]) for t, y in paths]

    mean, interval = mean_with_interval(exponents("GA"))
    npo = {label: float(np.mean(exponents(label))) for label in _labels(results) if label != "GA"}
    reason = "; ".join(f"{label.replace('-', ' β = ')}: {x:.3f}" for label, x in npo.items())
    holds = abs(mean - 1) < 0.1 and max(npo.values()) < 0.5
    return Judgement(holds_if(holds), mean, interval, tuple(runs), reason)


_LONG = ("logistic/long-*",)

CLAIMS = (
    Claim(
        id="logistic-divergence",
        short="GA moves away linearly, NPO logarithmically",
        statement="‖θ − θ_ref‖ grows linearly in t under GA, logarithmically under NPO.",
        source="arXiv:2404.05868, Thm. 2, for random features",
        measure="least ΔAIC a point, wrong form of growth less right, last two decades of steps (predicted > 0)",
        units=_LONG,
        figure="logistic_long_run",
        judge=as_in_the_paper(1.0)(_linear_against_logarithmic("reference_distance")),
    ),
    Claim(
        id="logistic-divergence-kl",
        short="forget KL is linear for GA, logarithmic for NPO",
        statement="The forget KL to the reference grows linearly in t under GA, logarithmically under NPO.",
        source="arXiv:2404.05868, Thm. 2, for random features",
        measure="least ΔAIC a point, wrong form of growth less right, last two decades of steps (predicted > 0)",
        units=_LONG,
        figure="logistic_long_run",
        judge=as_in_the_paper(1.0)(_linear_against_logarithmic("forget_kl")),
    ),
    Claim(
        id="logistic-exponent",
        short="GA moves away as t, NPO as a small power of t",
        statement="As a power of t, ‖θ − θ_ref‖ grows with exponent 1 under GA, with a small one under NPO.",
        source="arXiv:2404.05868, Thm. 2, for random features",
        measure="d log‖θ − θ_ref‖ / d log t of GA over the last decade of steps (predicted 1; NPO below 0.5)",
        units=_LONG,
        figure="logistic_long_run",
        judge=as_in_the_paper(1.0)(late_growth),
    ),
)
