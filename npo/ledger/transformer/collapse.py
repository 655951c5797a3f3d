"""Claims about what should stay while a small transformer forgets: when it collapses, and what an equal drop costs."""

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if, mean_with_interval
from npo.ledger.transformer.law import RunArrays, npo_by_beta, runs_of, seeds_of
from synthetic.transformer.slowdown import COLLAPSED, collapse, slope

__all__ = ["CLAIMS"]


def _collapse(run: RunArrays) -> float:
    return collapse(run["time"][run["steps"].astype(int)], run["retain_accuracy"])


def _ratios(results: Results) -> tuple[dict[float, list[float]], int] | str:
    """β -> time to collapse over GA's, seed by seed (a lower bound where there was none), and how many are bounds."""
    first = [_collapse(run) for run in runs_of(results["transformer/set-GA"])]
    if not np.isfinite(first).all():
        return "GA did not collapse in the time it was given"
    found, bounds = {}, 0
    for beta, data in npo_by_beta(results, "set").items():
        ends = [(_collapse(run), float(run["time"][-1])) for run in runs_of(data)]
        if any(not np.isfinite(own) and end < ga for (own, end), ga in zip(ends, first, strict=True)):
            return "a run of NPO is shorter than GA's way to collapse"
        found[beta] = [min(pair) / ga for pair, ga in zip(ends, first, strict=True)]
        bounds += sum(not np.isfinite(own) for own, _ in ends)
    return found, bounds


def slower_collapse(results: Results) -> Judgement:
    """NPO collapses later than GA for every β and seed; the effect is the least ratio of times."""
    found = _ratios(results)
    if isinstance(found, str):
        return Judgement(NOT_TESTABLE, None, seeds=seeds_of(results), reason=found)
    by_beta_, bounds = found
    least = min(min(ratios) for ratios in by_beta_.values())
    middle = ", ".join(f"{np.exp(np.mean(np.log(r))):.3g} at β = {b:g}" for b, r in sorted(by_beta_.items()))
    late_ones = f"; {bounds} of {sum(map(len, by_beta_.values()))} runs did not collapse at all" if bounds else ""
    return Judgement(holds_if(least > 1), least, None, seeds_of(results), f"geometric means {middle}{late_ones}")


def collapse_is_exponential(results: Results) -> Judgement:
    """How fast log(time to collapse over GA's) grows in β, in units of GA's mean drop at its collapse, for β ≥ ½.

    By the law NPO needs F(u) ~ e^{βu}/(2β) of its clock to drop by u.
    """
    found = _ratios(results)
    if isinstance(found, str) or found[1]:
        why = found if isinstance(found, str) else "some runs did not collapse"
        return Judgement(NOT_TESTABLE, None, seeds=seeds_of(results), reason=why)
    betas = [beta for beta in sorted(found[0]) if beta >= 0.5]
    if len(betas) < 2:
        return Judgement(NOT_TESTABLE, None, seeds=seeds_of(results), reason="two β from ½ on are needed")
    rates, drops = [], []
    for k, run in enumerate(runs_of(results["transformer/set-GA"])):
        drops.append(float(np.interp(_collapse(run), run["time"], run["drop"].mean(axis=1))))
        rates.append(slope(np.array(betas), np.log([2 * b * found[0][b][k] for b in betas])) / drops[-1])
    mean, interval = mean_with_interval(rates)
    reason = f"GA collapses at a mean drop of {np.mean(drops):.1f} nats"
    return Judgement(holds_if(abs(mean - 1) < 0.25), mean, interval, seeds_of(results), reason)


def more_is_kept_at_equal_drop(results: Results) -> Judgement:
    """Retain accuracy of NPO less that of GA where both have dropped equally, for the β where it is least."""
    gains: dict[float, list[float]] = {}
    for beta, data in npo_by_beta(results, "set").items():
        for npo, ga in zip(runs_of(data), runs_of(results["transformer/set-GA"]), strict=True):
            at = np.linspace(2, min(npo["drop"].mean(axis=1).max(), 40.0), 20)
            own, other = (_accuracy_at(run, at) for run in (npo, ga))
            gains.setdefault(beta, []).append(float((own - other).mean()))
    beta = min(gains, key=lambda b: float(np.mean(gains[b])))
    mean, interval = mean_with_interval(gains[beta])
    return Judgement(
        holds_if(mean > 0.01), mean, interval, seeds_of(results), f"β = {beta:g}; mean over drops from 2 to 40 nats"
    )


def _accuracy_at(run: RunArrays, drop: np.ndarray) -> np.ndarray:
    """Retain accuracy where the mean drop was `drop`."""
    mean = run["drop"].mean(axis=1)[run["steps"].astype(int)]
    return np.asarray(np.interp(drop, mean, run["retain_accuracy"]))


_SETS = ("transformer/set-GA", "transformer/set-NPO-*")
_OURS = "this project: theory/theorems/time/intrinsic_time.py"

CLAIMS = (
    Claim(
        id="transformer-collapse",
        short="what should stay collapses later under NPO",
        statement="What should stay collapses later under NPO than under GA, for every β.",
        source="arXiv:2404.05868, Sec. 3",
        measure=f"time to retain accuracy below {COLLAPSED} over GA's, the least over β and seeds (predicted > 1)",
        units=_SETS,
        figure="transformer_time",
        judge=slower_collapse,
    ),
    Claim(
        id="transformer-collapse-rate",
        short="the time to collapse is exponential in β",
        statement="The time to collapse grows exponentially in β, at the rate of GA's drop at its collapse.",
        source=_OURS,
        measure="d log(2β × time over GA's) / dβ for β ≥ ½, over GA's mean drop at its collapse (predicted 1 ± ¼)",
        units=_SETS,
        figure="transformer_time",
        judge=collapse_is_exponential,
    ),
    Claim(
        id="transformer-equal-drop",
        short="NPO keeps more than GA at an equal drop",
        statement="Without retain data, NPO keeps more of the other knowledge than GA does at an equal drop.",
        source="this project's question, after arXiv:2404.05868, Sec. 3",
        measure="retain accuracy of NPO less GA's at equal mean drop, for the β where it is least",
        units=_SETS,
        figure="transformer_time",
        judge=more_is_kept_at_equal_drop,
    ),
)
