"""Claims about a small transformer that memorised sequences and forgets some of them: the law, and collapse."""

from collections.abc import Iterator

import numpy as np

from npo.ledger.claim import (
    NOT_TESTABLE,
    Claim,
    Judgement,
    OffCurve,
    OnCurve,
    Results,
    akaike,
    holds_if,
    judge_sets,
    judge_singles,
    mean_with_interval,
)
from records.store import Data
from synthetic.transformer.results import by_beta
from synthetic.transformer.slowdown import COLLAPSED, SMALL, collapse, factors, late, limit_powers, of_run, slope

__all__ = ["CLAIMS"]

RunArrays = dict[str, np.ndarray]
NEAR_ONE = 0.1  # how far from 1 a predicted 1 may be
FAR = 7.0  # βu from which on e^{βu} rules the law
GONE = 5.0  # nats of mean drop from which on GA has left its plateau


def _npo(results: Results, kind: str) -> dict[float, Data]:
    """β -> what the units of a kind left, without GA's."""
    return {beta: data for beta, data in by_beta(results, kind).items() if beta}


def _seeds(results: Results) -> tuple[int, ...]:
    return tuple(next(iter(results.values())).values["seeds"])


def _runs(data: Data) -> list[RunArrays]:
    """What a unit left, seed by seed."""
    return [of_run(data.arrays, str(seed)) for seed in data.values["seeds"]]


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


# --- the law ------------------------------------------------------------------------------------------------------


def one_curve(results: Results) -> Judgement:
    """Every sequence alone stays within the law's discretisation bounds, for GA and all β."""

    def runs(data: Data) -> Iterator[OnCurve]:
        scale = data.values["scale"]
        for run in [key.removesuffix(".clock") for key in data.arrays if key.endswith(".clock")]:
            time, drop = (scale * data.arrays[f"{run}.{name}"].ravel() for name in ("clock", "drop"))
            yield OnCurve(time, drop, data.values["beta"] == 0, data.values["step"])

    return judge_singles((run for data in results.values() for run in runs(data)), _seeds(results))


def remainder_accounts(results: Results) -> Judgement:
    """The sets leave the curve, and the exact remainder says by how much."""

    def ends() -> Iterator[OffCurve]:
        for beta, data in _npo(results, "set").items():
            for run in _runs(data):
                clock, drop, rest = (beta * run[name][-1] for name in ("clock", "drop", "remainder"))
                yield OffCurve(clock, drop, rest, data.values["step"])

    return judge_sets(ends(), _seeds(results))


def drop_is_logarithmic(results: Results) -> Judgement:
    """Under plain descent the mean drop is a line in log t rather than in t, over the last decade of steps.

    The effect is β × slope for the β where it is furthest from 1, with its interval over seeds.
    """
    slopes: dict[float, list[float]] = {}
    straight = []
    for beta, data in _npo(results, "descent").items():
        for run in _runs(data):
            last = late(run["steps"])
            t, drop = run["steps"][last], run["drop"][last].mean(axis=1)
            slopes.setdefault(beta, []).append(beta * slope(np.log(t), drop))
            straight.append(akaike(np.log(t), drop) < akaike(t, drop))
    _, worst, interval = _furthest(slopes)
    reason = f"{_each(slopes)}; a line in log t fits better than one in t in {sum(straight)} of {len(straight)} runs"
    return Judgement(holds_if(all(straight)), worst, interval, _seeds(results), reason)


def clock_sets_the_slope(results: Results) -> Judgement:
    """β × slope of the mean drop over d log T / d log t, along the flow, for the β where it is furthest from 1."""
    found = {
        beta: [factors(run, beta) for run in _runs(data)]
        for beta, data in _npo(results, "set").items()
        if all(beta * run["drop"][-1].mean() > FAR for run in _runs(data))
    }
    if not found:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason=f"no β u went beyond {FAR:g}")
    _, worst, interval = _furthest({b: [f.slope / f.kernel for f in of] for b, of in found.items()})
    parts = (("β·slope", "slope"), ("clock", "kernel"), ("weights", "weights"), ("asymptote", "asymptote"))
    reason = "; ".join(
        f"{label} {_each({b: [float(getattr(f, name)) for f in of] for b, of in found.items()})}"
        for label, name in parts
    )
    return Judgement(holds_if(abs(worst - 1) < NEAR_ONE), worst, interval, _seeds(results), reason)


def ascent_is_no_logarithm(results: Results) -> Judgement:
    """GA's mean drop, from GONE nats on, as a power of t along the flow; a logarithm's power tends to 0."""
    powers = []
    for run in _runs(results["transformer/set-GA"]):
        mean = run["drop"].mean(axis=1)
        gone = mean >= GONE
        if gone.sum() < 4:
            return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="GA was not followed far enough")
        powers.append(slope(np.log(run["time"][gone]), np.log(mean[gone])))
    mean_power, interval = mean_with_interval(powers)
    least = min(powers)
    return Judgement(holds_if(least > 1), mean_power, interval, _seeds(results), f"least over seeds {least:.2f}")


def limit_is_ga(results: Results) -> Judgement:
    """The exponent in β of the largest gap between the mean drops of NPO and GA."""
    data = results["transformer/limit"]
    seeds = tuple(data.values["seeds"])
    powers = limit_powers(data.arrays, data.values["betas"], seeds)
    if not powers:
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason=f"two β ≤ {SMALL:g} are needed")
    mean, interval = mean_with_interval(powers)
    return Judgement(holds_if(abs(mean - 1) < NEAR_ONE), mean, interval, seeds)


# --- collapse -----------------------------------------------------------------------------------------------------


def _collapse(run: RunArrays) -> float:
    return collapse(run["time"][run["steps"].astype(int)], run["retain_accuracy"])


def _ratios(results: Results) -> tuple[dict[float, list[float]], int] | str:
    """β -> time to collapse over GA's, seed by seed (a lower bound where there was none), and how many are bounds."""
    first = [_collapse(run) for run in _runs(results["transformer/set-GA"])]
    if not np.isfinite(first).all():
        return "GA did not collapse in the time it was given"
    found, bounds = {}, 0
    for beta, data in _npo(results, "set").items():
        ends = [(_collapse(run), float(run["time"][-1])) for run in _runs(data)]
        if any(not np.isfinite(own) and end < ga for (own, end), ga in zip(ends, first, strict=True)):
            return "a run of NPO is shorter than GA's way to collapse"
        found[beta] = [min(pair) / ga for pair, ga in zip(ends, first, strict=True)]
        bounds += sum(not np.isfinite(own) for own, _ in ends)
    return found, bounds


def slower_collapse(results: Results) -> Judgement:
    """NPO collapses later than GA for every β and seed; the effect is the least ratio of times."""
    found = _ratios(results)
    if isinstance(found, str):
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason=found)
    by_beta_, bounds = found
    least = min(min(ratios) for ratios in by_beta_.values())
    middle = ", ".join(f"{np.exp(np.mean(np.log(r))):.3g} at β = {b:g}" for b, r in sorted(by_beta_.items()))
    late_ones = f"; {bounds} of {sum(map(len, by_beta_.values()))} runs did not collapse at all" if bounds else ""
    return Judgement(holds_if(least > 1), least, None, _seeds(results), f"geometric means {middle}{late_ones}")


def collapse_is_exponential(results: Results) -> Judgement:
    """How fast log(time to collapse over GA's) grows in β, in units of GA's mean drop at its collapse, for β ≥ ½.

    By the law NPO needs F(u) ~ e^{βu}/(2β) of its clock to drop by u.
    """
    found = _ratios(results)
    if isinstance(found, str) or found[1]:
        why = found if isinstance(found, str) else "some runs did not collapse"
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason=why)
    betas = [beta for beta in sorted(found[0]) if beta >= 0.5]
    if len(betas) < 2:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="two β from ½ on are needed")
    rates, drops = [], []
    for k, run in enumerate(_runs(results["transformer/set-GA"])):
        drops.append(float(np.interp(_collapse(run), run["time"], run["drop"].mean(axis=1))))
        rates.append(slope(np.array(betas), np.log([2 * b * found[0][b][k] for b in betas])) / drops[-1])
    mean, interval = mean_with_interval(rates)
    reason = f"GA collapses at a mean drop of {np.mean(drops):.1f} nats"
    return Judgement(holds_if(abs(mean - 1) < 0.25), mean, interval, _seeds(results), reason)


def more_is_kept_at_equal_drop(results: Results) -> Judgement:
    """Retain accuracy of NPO less that of GA where both have dropped equally, for the β where it is least."""
    gains: dict[float, list[float]] = {}
    for beta, data in _npo(results, "set").items():
        for npo, ga in zip(_runs(data), _runs(results["transformer/set-GA"]), strict=True):
            at = np.linspace(2, min(npo["drop"].mean(axis=1).max(), 40.0), 20)
            own, other = (_accuracy_at(run, at) for run in (npo, ga))
            gains.setdefault(beta, []).append(float((own - other).mean()))
    beta = min(gains, key=lambda b: float(np.mean(gains[b])))
    mean, interval = mean_with_interval(gains[beta])
    return Judgement(
        holds_if(mean > 0.01), mean, interval, _seeds(results), f"β = {beta:g}; mean over drops from 2 to 40 nats"
    )


def _accuracy_at(run: RunArrays, drop: np.ndarray) -> np.ndarray:
    """Retain accuracy where the mean drop was `drop`."""
    mean = run["drop"].mean(axis=1)[run["steps"].astype(int)]
    return np.asarray(np.interp(drop, mean, run["retain_accuracy"]))


_SETS = ("transformer/set-GA", "transformer/set-NPO-*")
_OURS = "this project: theory/theorems/intrinsic_time.py"

CLAIMS = (
    Claim(
        id="intrinsic-time-transformer",
        statement="One sequence alone, memorised by a transformer, unlearns along the curve, for every β.",
        source=_OURS,
        measure="largest distance from the curve in βu (an identity of the flow: 0, to the descent's step)",
        units=("transformer/single-*",),
        figure="transformer_law",
        judge=one_curve,
    ),
    Claim(
        id="remainder-transformer",
        statement="A set of sequences leaves the curve, by the exact remainder of unequal weights and couplings.",
        source=_OURS,
        measure="largest gap of βF(u) to βT + β·remainder, over 1 + βF (an identity of the flow: 0, to the step)",
        units=("transformer/set-NPO-*",),
        figure="transformer_law",
        judge=remainder_accounts,
    ),
    Claim(
        id="transformer-logarithmic",
        statement="In a transformer NPO's drop of a forget set grows like log t under plain descent, for every β.",
        source="this project, after arXiv:2404.05868, Theorem 2",
        measure="β × slope of the mean drop against log t, last decade of steps, for the β where it is furthest from 1",
        units=("transformer/descent-NPO-*",),
        figure="transformer_time",
        judge=drop_is_logarithmic,
    ),
    Claim(
        id="transformer-clock",
        statement="That slope is the growth of the clock, d log T / d log t, and little else.",
        source=_OURS,
        measure="β × slope over d log T / d log t, last decade of the flow, furthest from 1 (predicted 1)",
        units=("transformer/set-NPO-*",),
        figure="transformer_time",
        judge=clock_sets_the_slope,
    ),
    Claim(
        id="transformer-ascent",
        statement="GA's drop of the set is no logarithm: it grows faster than t.",
        source="this project, after arXiv:2404.05868, Theorem 2",
        measure=f"d log u / d log t of the mean drop from {GONE:g} nats on (claimed > 1 in every seed)",
        units=("transformer/set-GA",),
        figure="transformer_time",
        judge=ascent_is_no_logarithm,
    ),
    Claim(
        id="transformer-limit",
        statement="In a transformer, too, NPO tends to GA as β → 0, at first order in β.",
        source="arXiv:2404.05868, Proposition 1",
        measure="exponent in β ≤ 0.01 of the largest gap of mean drops, while GA's is below 5 nats (predicted 1)",
        units=("transformer/limit",),
        figure="transformer_time",
        judge=limit_is_ga,
    ),
    Claim(
        id="transformer-collapse",
        statement="What should stay collapses later under NPO than under GA, for every β.",
        source="arXiv:2404.05868, Sec. 3",
        measure=f"time to retain accuracy below {COLLAPSED} over GA's, the least over β and seeds (predicted > 1)",
        units=_SETS,
        figure="transformer_time",
        judge=slower_collapse,
    ),
    Claim(
        id="transformer-collapse-rate",
        statement="The time to collapse grows exponentially in β, at the rate of GA's drop at its collapse.",
        source=_OURS,
        measure="d log(2β × time over GA's) / dβ for β ≥ ½, over GA's mean drop at its collapse (predicted 1 ± ¼)",
        units=_SETS,
        figure="transformer_time",
        judge=collapse_is_exponential,
    ),
    Claim(
        id="transformer-equal-drop",
        statement="Without retain data, NPO keeps more of the other knowledge than GA does at an equal drop.",
        source="this project's question, after arXiv:2404.05868, Sec. 3",
        measure="retain accuracy of NPO less GA's at equal mean drop, for the β where it is least",
        units=_SETS,
        figure="transformer_time",
        judge=more_is_kept_at_equal_drop,
    ),
)
