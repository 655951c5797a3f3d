"""Claims about a small transformer that memorised sequences and forgets some of them: the law, in both times.

What becomes of the sequences that should stay is in `transformer_collapse`.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import JudgedPath, akaike, holds_if, judge_sets, judge_singles, mean_with_interval
from records.store import Data
from synthetic.transformer.results import by_beta
from synthetic.transformer.slowdown import SMALL, factors, late, limit_powers, of_run, slope
from theory.theorems.time.paths import IntrinsicPath, from_arrays, labels_of

__all__ = ["CLAIMS", "RunArrays", "npo_by_beta", "runs_of", "seeds_of"]

RunArrays = dict[str, np.ndarray]
NEAR_ONE = 0.1  # how far from 1 a predicted 1 may be
FAR = 7.0  # βu from which on e^{βu} rules the law
GONE = 5.0  # nats of mean drop from which on GA has left its plateau


def npo_by_beta(results: Results, kind: str) -> dict[float, Data]:
    """β -> what the units of a kind left, without GA's."""
    return {beta: data for beta, data in by_beta(results, kind).items() if beta}


def seeds_of(results: Results) -> tuple[int, ...]:
    return tuple(next(iter(results.values())).values["seeds"])


def runs_of(data: Data) -> list[RunArrays]:
    """What a unit left, seed by seed."""
    return [of_run(data.arrays, str(seed)) for seed in data.values["seeds"]]


def _paths(data: Data) -> list[IntrinsicPath]:
    """The paths of sets that a unit left, seed by seed."""
    return [from_arrays(data.arrays, str(seed)) for seed in data.values["seeds"]]


def _furthest(by: dict[float, list[float]], from_: float = 1.0) -> tuple[float, float, tuple[float, float] | None]:
    """The β whose mean over seeds is furthest from a number, that mean and its interval."""
    beta = max(by, key=lambda b: abs(float(np.mean(by[b])) - from_))
    return beta, *mean_with_interval(by[beta])


def _each(by: dict[float, list[float]]) -> str:
    """Means over seeds with the half width of their 95 % interval, β by β."""
    words = []
    for beta, values in sorted(by.items()):
        mean, interval = mean_with_interval(values)
        words.append(f"{mean:.3g}{f' ± {(interval[1] - interval[0]) / 2:.2g}' if interval else ''} at β = {beta:g}")
    return ", ".join(words)


def one_curve(results: Results) -> Judgement:
    """Every sequence alone stays within the law's discretisation bounds, for GA and all β."""

    def runs(data: Data) -> Iterator[JudgedPath]:
        for path in map(partial(from_arrays, data.arrays), labels_of(data.arrays)):
            yield JudgedPath(path.times(data.values["scale"]), data.values["beta"] == 0, data.values["step"])

    return judge_singles((run for data in results.values() for run in runs(data)), seeds_of(results))


def remainder_accounts(results: Results) -> Judgement:
    """The sets leave the curve, and the exact remainder says by how much."""

    def runs() -> Iterator[JudgedPath]:
        for beta, data in npo_by_beta(results, "set").items():
            for path in _paths(data):
                yield JudgedPath(path.times(beta), False, data.values["step"])

    return judge_sets(runs(), seeds_of(results))


def drop_is_logarithmic(results: Results) -> Judgement:
    """Under plain descent the mean drop is a line in log t rather than in t, over the last decade of steps.

    The effect is β × slope for the β where it is furthest from 1, with its interval over seeds.
    """
    slopes: dict[float, list[float]] = {}
    straight = []
    for beta, data in npo_by_beta(results, "descent").items():
        for run in runs_of(data):
            last = late(run["steps"])
            t, drop = run["steps"][last], run["drop"][last].mean(axis=1)
            slopes.setdefault(beta, []).append(beta * slope(np.log(t), drop))
            straight.append(akaike(np.log(t), drop) < akaike(t, drop))
    _, worst, interval = _furthest(slopes)
    reason = f"{_each(slopes)}; a line in log t fits better than one in t in {sum(straight)} of {len(straight)} runs"
    return Judgement(holds_if(all(straight)), worst, interval, seeds_of(results), reason)


def clock_sets_the_slope(results: Results) -> Judgement:
    """β × slope of the mean drop over d log T / d log t, along the flow, for the β where it is furthest from 1."""
    found = {
        beta: [factors(path, beta) for path in _paths(data)]
        for beta, data in npo_by_beta(results, "set").items()
        if all(beta * path.drop[-1].mean() > FAR for path in _paths(data))
    }
    if not found:
        return Judgement(NOT_TESTABLE, None, seeds=seeds_of(results), reason=f"no β u went beyond {FAR:g}")
    _, worst, interval = _furthest({b: [f.slope / f.kernel for f in of] for b, of in found.items()})
    parts = (("β·slope", "slope"), ("clock", "kernel"), ("weights", "weights"), ("asymptote", "asymptote"))
    reason = "; ".join(
        f"{label} {_each({b: [float(getattr(f, name)) for f in of] for b, of in found.items()})}"
        for label, name in parts
    )
    return Judgement(holds_if(abs(worst - 1) < NEAR_ONE), worst, interval, seeds_of(results), reason)


def ascent_is_no_logarithm(results: Results) -> Judgement:
    """GA's mean drop, from GONE nats on, as a power of t along the flow; a logarithm's power tends to 0."""
    powers = []
    for run in runs_of(results["transformer/set-GA"]):
        mean = run["drop"].mean(axis=1)
        gone = mean >= GONE
        if gone.sum() < 4:
            return Judgement(NOT_TESTABLE, None, seeds=seeds_of(results), reason="GA was not followed far enough")
        powers.append(slope(np.log(run["time"][gone]), np.log(mean[gone])))
    mean_power, interval = mean_with_interval(powers)
    least = min(powers)
    return Judgement(holds_if(least > 1), mean_power, interval, seeds_of(results), f"least over seeds {least:.2f}")


def limit_is_ga(results: Results) -> Judgement:
    """The exponent in β of the largest gap between the mean drops of NPO and GA."""
    data = results["transformer/limit"]
    seeds = tuple(data.values["seeds"])
    powers = limit_powers(data.arrays, data.values["betas"], seeds)
    if not powers:
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason=f"two β ≤ {SMALL:g} are needed")
    mean, interval = mean_with_interval(powers)
    return Judgement(holds_if(abs(mean - 1) < NEAR_ONE), mean, interval, seeds)


_OURS = "this project: theory/theorems/time/intrinsic_time.py"

CLAIMS = (
    Claim(
        id="intrinsic-time-transformer",
        short="one sequence alone keeps to the curve",
        statement="One sequence alone, memorised by a transformer, unlearns along the curve, for every β.",
        source=_OURS,
        measure="largest distance from the curve in βu (an identity of the flow: 0, to the descent's step)",
        units=("transformer/single-*",),
        figure="transformer_law",
        judge=one_curve,
    ),
    Claim(
        id="remainder-transformer",
        short="a set leaves the curve by the exact remainder",
        statement="A set of sequences leaves the curve, by the exact remainder of unequal weights and couplings.",
        source=_OURS,
        measure="largest gap of βF(u) to βT + β·remainder, over 1 + βF (an identity of the flow: 0, to the step)",
        units=("transformer/set-NPO-*",),
        figure="transformer_law",
        judge=remainder_accounts,
    ),
    Claim(
        id="transformer-logarithmic",
        short="NPO's drop grows like log t",
        statement="In a transformer NPO's drop of a forget set grows like log t under plain descent, for every β.",
        source="this project, after arXiv:2404.05868, Theorem 2",
        measure="β × slope of the mean drop against log t, last decade of steps, for the β where it is furthest from 1",
        units=("transformer/descent-NPO-*",),
        figure="transformer_time",
        judge=drop_is_logarithmic,
    ),
    Claim(
        id="transformer-clock",
        short="that slope is the growth of the clock",
        statement="That slope is the growth of the clock, d log T / d log t, and little else.",
        source=_OURS,
        measure="β × slope over d log T / d log t, last decade of the flow, furthest from 1 (predicted 1)",
        units=("transformer/set-NPO-*",),
        figure="transformer_time",
        judge=clock_sets_the_slope,
    ),
    Claim(
        id="transformer-ascent",
        short="GA's drop grows faster than t",
        statement="GA's drop of the set is no logarithm: it grows faster than t.",
        source="this project, after arXiv:2404.05868, Theorem 2",
        measure=f"d log u / d log t of the mean drop from {GONE:g} nats on (claimed > 1 in every seed)",
        units=("transformer/set-GA",),
        figure="transformer_time",
        judge=ascent_is_no_logarithm,
    ),
    Claim(
        id="transformer-limit",
        short="NPO tends to GA as β → 0, at first order",
        statement="In a transformer, too, NPO tends to GA as β → 0, at first order in β.",
        source="arXiv:2404.05868, Proposition 1",
        measure="exponent in β ≤ 0.01 of the largest gap of mean drops, while GA's is below 5 nats (predicted 1)",
        units=("transformer/limit",),
        figure="transformer_time",
        judge=limit_is_ga,
    ),
)
