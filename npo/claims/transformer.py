"""Claims about a small transformer that memorised sequences and forgets some of them."""

from itertools import pairwise

import numpy as np

from npo.claims.claim import (
    NOT_TESTABLE,
    Claim,
    Judgement,
    Results,
    distance_from_curve,
    holds_if,
)
from records.store import Data
from theory.intrinsic_time import time_on_curve

__all__ = ["CLAIMS"]

SEEDS = (0,)
COLLAPSED = 0.5  # retain accuracy below which a model counts as collapsed


def _npo(results: Results, kind: str) -> dict[float, Data]:
    return {float(d.values["beta"]): d for n, d in results.items() if n.startswith(f"transformer/{kind}-NPO-")}


def one_curve(results: Results) -> Judgement:
    """Every sequence alone stays within the law's discretisation bounds, for GA and all β."""
    far, inside = 0.0, True
    for name, data in results.items():
        if not name.startswith("transformer/single-"):
            continue
        beta, step = data.values["beta"], data.values["step"]
        for run in [key.removesuffix(".clock") for key in data.arrays if key.endswith(".clock")]:
            scale = data.values["scale"]
            time, drop = scale * data.arrays[f"{run}.clock"], scale * data.arrays[f"{run}.drop"]
            off, within = distance_from_curve(time, drop, gradient_ascent=beta == 0, step=step)
            far, inside = max(far, off), inside and within
    return Judgement(holds_if(inside), far, seeds=SEEDS)


def remainder_accounts(results: Results) -> Judgement:
    """The sets leave the curve, and with the exact remainder what is left over is of the size of the steps."""
    left, off = 0.0, 0.0
    for beta, data in _npo(results, "set").items():
        reached = time_on_curve(beta * data.arrays["drop"][-1])
        on_clock = beta * data.arrays["clock"][-1]
        left = max(left, float(np.abs((on_clock + beta * data.arrays["remainder"][-1]) / reached - 1).max()))
        off = max(off, float(np.abs(on_clock / reached - 1).max()))
    step = max(data.values["step"] for data in _npo(results, "set").values())
    reason = f"without the remainder off by {off:.2f}"
    return Judgement(holds_if(left < step and off > 3 * left), left, seeds=SEEDS, reason=reason)


def drop_is_logarithmic(results: Results) -> Judgement:
    """β·slope of the mean drop against log t is d log T / d log t within a quarter, for every β."""
    ratios = {}
    for beta, data in _npo(results, "set").items():
        late = data.values["late"]
        if late["clock_exponent"] is None:
            return Judgement(NOT_TESTABLE, None, seeds=SEEDS, reason=f"a clock is not positive at β = {beta:g}")
        ratios[beta] = late["scaled_slope"] / late["clock_exponent"]
    worst = max(ratios.values(), key=lambda r: abs(r - 1))
    slopes = ", ".join(f"{d.values['late']['scaled_slope']:.2f}" for _, d in sorted(_npo(results, "set").items()))
    return Judgement(holds_if(abs(worst - 1) < 0.25), worst, seeds=SEEDS, reason=f"β·slope {slopes} for growing β")


def _collapse_time(data: Data) -> float:
    """The time at which retain accuracy first falls below COLLAPSED; infinite where it does not."""
    low = data.arrays["retain_accuracy"] < COLLAPSED
    return float(data.arrays["time"][data.arrays["observed"]][low][0]) if low.any() else np.inf


def slower_collapse(results: Results) -> Judgement:
    """NPO collapses later than GA for every β, and later the larger β; the effect is the least ratio of times."""
    ga = _collapse_time(results["transformer/set-GA"])
    if not np.isfinite(ga):
        return Judgement(NOT_TESTABLE, None, seeds=SEEDS, reason="GA did not collapse in the time it was given")
    runs = [data for _, data in sorted(_npo(results, "set").items())]
    ratios = [min(_collapse_time(data), float(data.arrays["time"][-1])) / ga for data in runs]
    times = [_collapse_time(data) for data in runs]
    never = sum(not np.isfinite(time) for time in times)
    reason = f"{never} of {len(ratios)} β did not collapse at all in the time they were given"
    later = min(ratios) > 1 and all(a <= b for a, b in pairwise(times))
    return Judgement(holds_if(later), min(ratios), seeds=SEEDS, reason=reason)


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
    return Judgement(holds_if(least > 0.01), least, seeds=SEEDS, reason="mean over drops from 2 nats on")


_SETS = ("transformer/set-GA", "transformer/set-NPO-*")

CLAIMS = (
    Claim(
        id="intrinsic-time-transformer",
        statement="One sequence alone, memorised by a transformer, unlearns along the curve, for every β.",
        source="this project: theory/intrinsic_time.py",
        measure="largest distance from the curve in βu (predicted 0, to the step of the descent)",
        units=("transformer/single-*",),
        figure="one_curve",
        judge=one_curve,
    ),
    Claim(
        id="remainder-transformer",
        statement="A set of sequences leaves the curve, by the exact remainder of unequal weights and couplings.",
        source="this project: theory/intrinsic_time.py",
        measure="largest relative gap between F(u) and T + remainder at the end (predicted 0, to the step)",
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
        statement="NPO collapses on what should stay later than GA, and the later the larger β.",
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
