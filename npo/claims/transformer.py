"""Claims about a small transformer that memorised sequences and forgets some of them."""

from collections.abc import Iterator

import numpy as np

from npo.claims.claim import (
    NOT_TESTABLE,
    Claim,
    Judgement,
    OffCurve,
    OnCurve,
    Results,
    holds_if,
    judge_sets,
    judge_singles,
    misfit,
)
from records.store import Data

__all__ = ["CLAIMS"]

COLLAPSED = 0.5  # retain accuracy below which a model counts as collapsed


def _npo(results: Results, kind: str) -> dict[float, Data]:
    return {float(d.values["beta"]): d for n, d in results.items() if n.startswith(f"transformer/{kind}-NPO-")}


def _seeds(results: Results) -> tuple[int, ...]:
    return (int(next(iter(results.values())).values["seed"]),)


def one_curve(results: Results) -> Judgement:
    """Every sequence alone stays within the law's discretisation bounds, for GA and all β."""

    def runs(data: Data) -> Iterator[OnCurve]:
        scale = data.values["scale"]
        for run in [key.removesuffix(".clock") for key in data.arrays if key.endswith(".clock")]:
            time, drop = (scale * data.arrays[f"{run}.{name}"] for name in ("clock", "drop"))
            yield OnCurve(time, drop, data.values["beta"] == 0, data.values["step"])

    return judge_singles((run for data in results.values() for run in runs(data)), _seeds(results))


def remainder_accounts(results: Results) -> Judgement:
    """The sets leave the curve, and the exact remainder says by how much."""

    def end(beta: float, data: Data) -> OffCurve:
        clock, drop, rest = (beta * data.arrays[name][-1] for name in ("clock", "drop", "remainder"))
        return OffCurve(clock, drop, rest, data.values["step"])

    return judge_sets((end(beta, data) for beta, data in _npo(results, "set").items()), _seeds(results))


def drop_is_logarithmic(results: Results) -> Judgement:
    """Late in the path the mean drop is a line in log t rather than in t, with slope (1/β) d log T / d log t.

    The effect is the ratio of the two slopes for the β where it is furthest from 1.
    """
    ratios, straight = {}, {}
    for beta, data in _npo(results, "set").items():
        late = data.values["late"]
        if late["clock_exponent"] is None:
            return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason=f"a clock is not positive, β = {beta:g}")
        ratios[beta] = late["scaled_slope"] / late["clock_exponent"]
        time, drop = data.arrays["time"], data.arrays["drop"].mean(axis=1)
        last = time >= time[-1] / np.sqrt(10)
        straight[beta] = misfit(np.log(time[last]), drop[last]) < misfit(time[last], drop[last])
    worst = max(ratios.values(), key=lambda r: abs(r - 1))
    slopes = ", ".join(f"{d.values['late']['scaled_slope']:.2f}" for _, d in sorted(_npo(results, "set").items()))
    holds = holds_if(abs(worst - 1) < 0.25 and all(straight.values()))
    return Judgement(holds, worst, seeds=_seeds(results), reason=f"β·slope {slopes} for growing β")


def _collapse_time(data: Data) -> float:
    """The time at which retain accuracy first falls below COLLAPSED; infinite where it does not."""
    low = data.arrays["retain_accuracy"] < COLLAPSED
    return float(data.arrays["time"][data.arrays["observed"]][low][0]) if low.any() else np.inf


def slower_collapse(results: Results) -> Judgement:
    """NPO collapses later than GA for every β; the effect is the least ratio of times, a lower bound where it did not.

    A run that ended before GA's collapse without one of its own says nothing.
    """
    ga, seeds = _collapse_time(results["transformer/set-GA"]), _seeds(results)
    if not np.isfinite(ga):
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason="GA did not collapse in the time it was given")
    runs = [data for _, data in sorted(_npo(results, "set").items())]
    seen = [min(_collapse_time(data), float(data.arrays["time"][-1])) for data in runs]
    if any(end < ga and not np.isfinite(_collapse_time(data)) for end, data in zip(seen, runs, strict=True)):
        return Judgement(NOT_TESTABLE, None, seeds=seeds, reason="a run of NPO is shorter than GA's way to collapse")
    kept = sum(not np.isfinite(_collapse_time(data)) for data in runs)
    reason = f"{kept} of {len(runs)} β did not collapse at all in the time they were given"
    return Judgement(holds_if(min(seen) > ga), min(seen) / ga, seeds=seeds, reason=reason)


def more_is_kept_at_equal_drop(results: Results) -> Judgement:
    """Retain accuracy of NPO less that of GA where both have dropped equally, for the β where it is least."""
    ga, gains = results["transformer/set-GA"], {}
    for beta, data in _npo(results, "set").items():
        mean = data.arrays["drop"].mean(axis=1)[data.arrays["observed"]]
        at = np.linspace(2, min(mean.max(), 40.0), 20)
        ga_mean = ga.arrays["drop"].mean(axis=1)[ga.arrays["observed"]]
        own = np.interp(at, mean, data.arrays["retain_accuracy"])
        gains[beta] = float((own - np.interp(at, ga_mean, ga.arrays["retain_accuracy"])).mean())
    least = min(gains.values())
    return Judgement(holds_if(least > 0.01), least, seeds=_seeds(results), reason="mean over drops from 2 nats on")


_SETS = ("transformer/set-GA", "transformer/set-NPO-*")

CLAIMS = (
    Claim(
        id="intrinsic-time-transformer",
        statement="One sequence alone, memorised by a transformer, unlearns along the curve, for every β.",
        source="this project: theory/intrinsic_time.py",
        measure="largest distance from the curve in βu (an identity of the flow: 0, to the descent's step)",
        units=("transformer/single-*",),
        figure="one_curve",
        judge=one_curve,
    ),
    Claim(
        id="remainder-transformer",
        statement="A set of sequences leaves the curve, by the exact remainder of unequal weights and couplings.",
        source="this project: theory/intrinsic_time.py",
        measure="largest gap of βF(u) to βT + β·remainder, over 1 + βF (an identity of the flow: 0, to the step)",
        units=("transformer/set-NPO-*",),
        figure="transformer_drop",
        judge=remainder_accounts,
    ),
    Claim(
        id="transformer-logarithmic",
        statement="In a transformer NPO's drop of a forget set grows like log t, as fast as its clock makes it.",
        source="this project, after arXiv:2404.05868, Theorem 2",
        measure="β·slope of the mean drop against log t over d log T / d log t, furthest from 1 (predicted near 1)",
        units=("transformer/set-NPO-*",),
        figure="transformer_drop",
        judge=drop_is_logarithmic,
    ),
    Claim(
        id="transformer-collapse",
        statement="What should stay collapses later under NPO than under GA, for every β.",
        source="arXiv:2404.05868, Sec. 3",
        measure=f"time to retain accuracy below {COLLAPSED} over GA's, for the β where it is least (predicted > 1)",
        units=_SETS,
        figure="transformer_drop",
        judge=slower_collapse,
    ),
    Claim(
        id="transformer-equal-drop",
        statement="Without retain data, NPO keeps more of the other knowledge than GA does at an equal drop.",
        source="this project's question, after arXiv:2404.05868, Sec. 3",
        measure="retain accuracy of NPO less GA's at equal mean drop, for the β where it is least",
        units=_SETS,
        figure="transformer_drop",
        judge=more_is_kept_at_equal_drop,
    ),
)
