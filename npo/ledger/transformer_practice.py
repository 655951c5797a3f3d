"""Claims about how the small transformer is unlearned in practice: under other optimisers, and by all methods."""

from collections.abc import Sequence

import numpy as np

from npo.ledger.claim import (
    NOT_TESTABLE,
    Claim,
    Judgement,
    Results,
    akaike,
    decided,
    holds_if,
    mean_with_interval,
)
from records.store import Data
from synthetic.transformer.language import KINDS
from synthetic.transformer.slowdown import late, of_run, slope

__all__ = ["CLAIMS"]

RunArrays = dict[str, np.ndarray]
NEAR_ONE = 0.15  # how far from 1 a predicted 1 may be


def _unit(results: Results) -> Data:
    (data,) = results.values()
    return data


def _runs(data: Data, method: str) -> list[RunArrays]:
    return [of_run(data.arrays, f"{method}-{seed}") for seed in data.values["seeds"]]


def _seeds(data: Data) -> tuple[int, ...]:
    return tuple(data.values["seeds"])


def _mean_drop(run: RunArrays) -> np.ndarray:
    return np.asarray(run["drop"].mean(axis=1))


# --- optimisers ---------------------------------------------------------------------------------------------------


def slow_adam_is_ascent(results: Results) -> Judgement:
    """NPO's mean drop over GA's after the last step that both took, over √(1 + a²) − a, a from GA's late speed."""
    data = _unit(results)
    ratios, rates = [], []
    for npo, ga in zip(_runs(data, "NPO"), _runs(data, "GA"), strict=True):
        last = min(len(npo["steps"]), len(ga["steps"])) - 1
        half = late(ga["steps"][: last + 1], 2.0)
        speed = slope(ga["steps"][: last + 1][half], _mean_drop(ga)[: last + 1][half])
        a = data.values["beta"] * speed / (1 - data.values["beta2"])
        rates.append(a)
        ratios.append(float(_mean_drop(npo)[last] / _mean_drop(ga)[last]))
    mean, interval = mean_with_interval(ratios)
    least = np.sqrt(1 + max(rates) ** 2) - max(rates)
    reason = f"a = {np.mean(rates):.2g}; the scalar model's speeds are in the ratio {least:.2f} at the end"
    return Judgement(holds_if(min(ratios) > least - 0.05 and mean > 0.75), mean, interval, _seeds(data), reason)


def fast_adam_is_linear(results: Results) -> Judgement:
    """NPO's late speed over the cap −ln β₂ / (2β), where a line in t must fit better than one in log t."""
    data = _unit(results)
    horizon = 1 / (1 - data.values["beta2"])
    cap = -np.log(data.values["beta2"]) / (2 * data.values["beta"])
    speeds, straight = [], []
    for run in _runs(data, "NPO"):
        last = late(run["steps"], 4.0)
        t, drop = run["steps"][last], _mean_drop(run)[last]
        if len(t) < 4 or t[0] < 5 * horizon:
            reason = f"the last three quarters of the steps must begin after {5 * horizon:.0f}"
            return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason=reason)
        speeds.append(slope(t, drop) / cap)
        straight.append(akaike(t, drop) < akaike(np.log(t), drop))
    mean, interval = mean_with_interval(speeds)
    reason = f"cap {cap:.3g} nats a step; a line in t fits better in {sum(straight)} of {len(straight)} seeds"
    return Judgement(holds_if(abs(mean - 1) < NEAR_ONE and all(straight)), mean, interval, _seeds(data), reason)


def _logarithm_leads(data: Data) -> list[float]:
    """By how much a line in log t fits NPO's mean drop better than one in t, ΔAIC a point, last decade of steps."""
    leads = []
    for run in _runs(data, "NPO"):
        last = late(run["steps"])
        t, drop = run["steps"][last], _mean_drop(run)[last]
        leads.append((akaike(t, drop) - akaike(np.log(t), drop)) / len(t))
    return leads


def _is_logarithmic(results: Results) -> Judgement:
    """Is the lead of the logarithm positive in every seed?"""
    data = _unit(results)
    leads = _logarithm_leads(data)
    mean, interval = mean_with_interval(leads)
    beta, last = data.values["beta"], [late(run["steps"]) for run in _runs(data, "NPO")]
    slopes = [
        beta * slope(np.log(run["steps"][k]), _mean_drop(run)[k])
        for run, k in zip(_runs(data, "NPO"), last, strict=True)
    ]
    reason = f"β·slope {np.mean(slopes):.2f} a factor e of steps; least lead {min(leads):.2g}"
    if data.values["retain"]:
        kept = [[run["retain_nll"][i] for run in _runs(data, "NPO")] for i in (0, -1)]
        reason += f"; the retain loss itself falls from {np.mean(kept[0]):.2g} to {np.mean(kept[1]):.2g} nats a token"
    return Judgement(holds_if(min(leads) > 0), mean, interval, _seeds(data), reason)


def early_adam_is_logarithmic(results: Results) -> Judgement:
    """Within 1/(1 − β₂) steps of fast Adam: β × slope of NPO's drop against log t, where the scalar model says 3/2."""
    data = _unit(results)
    horizon = 1 / (1 - data.values["beta2"])
    slopes, straight = [], []
    for run in _runs(data, "NPO"):
        within = (run["steps"] <= horizon) & (run["steps"] >= horizon / 10)
        t, drop = run["steps"][within], _mean_drop(run)[within]
        if len(t) < 4 or run["steps"][-1] < horizon:
            return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason=f"fewer than {horizon:.0f} steps were run")
        slopes.append(data.values["beta"] * slope(np.log(t), drop))
        straight.append(akaike(np.log(t), drop) < akaike(t, drop))
    mean, interval = mean_with_interval(slopes)
    reason = f"a line in log t fits better in {sum(straight)} of {len(straight)} seeds"
    return Judgement(holds_if(all(straight) and abs(mean - 1.5) < 0.5), mean, interval, _seeds(data), reason)


# --- methods ------------------------------------------------------------------------------------------------------


def _methods(results: Results) -> dict[int, Data]:
    return {int(data.values["seed"]): data for _, data in sorted(results.items())}


def _share(data: Data, method: str, side: str, *names: str) -> float:
    """The share of answers of these kinds at the end."""
    kinds = of_run(data.arrays, method)[f"{side}_kinds"][-1]
    return float(sum(kinds[KINDS.index(name)] for name in names))


def _absent(runs: dict[int, Data], names: Sequence[str]) -> str:
    """Methods that were not run, in words; empty where all were."""
    have = {row["method"] for data in runs.values() for row in data.values["table"]}
    return f"not run: {', '.join(n for n in names if n not in have)}" if not have.issuperset(names) else ""


def ascent_ends_in_gibberish(results: Results) -> Judgement:
    """The share of gibberish among GA's answers to kept questions, less NPO's, at the end."""
    runs = _methods(results)
    if why := _absent(runs, ("GA", "NPO")):
        return Judgement(NOT_TESTABLE, None, seeds=tuple(runs), reason=why)
    ga, npo = ([_share(d, name, "retain", "gibberish") for d in runs.values()] for name in ("GA", "NPO"))
    mean, interval = mean_with_interval([a - b for a, b in zip(ga, npo, strict=True)])
    reason = f"GA {np.mean(ga):.2f}, NPO {np.mean(npo):.2f}"
    return Judgement(holds_if(mean > 0.25), mean, interval, tuple(runs), reason)


def retain_term_keeps(results: Results) -> Judgement:
    """Right answers that NPO+RT leaves on kept questions, where at most a tenth of those to forget ones is right."""
    runs = _methods(results)
    if why := _absent(runs, ("NPO+RT",)):
        return Judgement(NOT_TESTABLE, None, seeds=tuple(runs), reason=why)
    kept, known = ([_share(d, "NPO+RT", side, "right") for d in runs.values()] for side in ("retain", "forget"))
    mean, interval = mean_with_interval(kept)
    reason = f"right answers to forget questions: {np.mean(known):.2f}"
    return Judgement(holds_if(mean >= 0.9 and float(np.mean(known)) <= 0.1), mean, interval, tuple(runs), reason)


def bounded_losses_stay_readable(results: Results) -> Judgement:
    """Readable answers (well-formed or a refusal) to forget questions under NPO+RT less those under GA+RT."""
    runs = _methods(results)
    if why := _absent(runs, ("NPO+RT", "GA+RT")):
        return Judgement(NOT_TESTABLE, None, seeds=tuple(runs), reason=why)
    npo, ga = (
        [_share(d, name, "forget", "well-formed", "refusal") for d in runs.values()] for name in ("NPO+RT", "GA+RT")
    )
    reason = f"NPO+RT {np.mean(npo):.2f}, GA+RT {np.mean(ga):.2f}"
    return decided([a - b for a, b in zip(npo, ga, strict=True)], list(runs), reason)


def sharing_people_costs(results: Results) -> Judgement:
    """Right answers to kept questions that NPO loses by a mean drop of 3 nats: most overlap less none."""
    by_overlap: dict[float, dict[int, float]] = {}
    for data in results.values():
        run = of_run(data.arrays, "NPO")
        right = np.interp(3.0, _mean_drop(run), run["retain_kinds"][:, 0])
        if _mean_drop(run)[-1] >= 3.0:
            lost = float(run["retain_kinds"][0, 0] - right)
            by_overlap.setdefault(float(data.values["overlap"]), {})[int(data.values["seed"])] = lost
    low, high = min(by_overlap, default=0.0), max(by_overlap, default=0.0)
    both = sorted(set(by_overlap.get(low, {})) & set(by_overlap.get(high, {})))
    if low == high or not both:
        return Judgement(NOT_TESTABLE, None, reason="two overlaps in which NPO drops by 3 nats are needed")
    means = ", ".join(f"{np.mean(list(x.values())):.2f} at {o:g}" for o, x in sorted(by_overlap.items()))
    return decided([by_overlap[high][s] - by_overlap[low][s] for s in both], both, f"lost: {means}")


_SCALAR = "this project: synthetic/transformer/optimisers.py"
_LEAD = "ΔAIC a point, line in t less line in log t, last decade of steps (predicted > 0 in every seed)"

CLAIMS = (
    Claim(
        id="adam-slow",
        statement="Under slow Adam (a = β × nats a step / (1 − β₂) ≲ 1) NPO is nearly as fast as GA: no slowdown.",
        source=_SCALAR,
        measure="NPO's mean drop over GA's after the same steps (predicted near 1, at least √(1 + a²) − a)",
        units=("transformer/optimizer-Adam-0.99-slow",),
        figure="transformer_optimisers",
        judge=slow_adam_is_ascent,
    ),
    Claim(
        id="adam-linear",
        statement="Under fast Adam without retain data NPO's drop is linear in the end, at speed −ln β₂/(2β).",
        source=_SCALAR,
        measure="late speed of the mean drop over −ln β₂/(2β), β₂ = 0.99 (predicted 1)",
        units=("transformer/optimizer-Adam-0.99",),
        figure="transformer_optimisers",
        judge=fast_adam_is_linear,
    ),
    Claim(
        id="adam-early",
        statement="Within its first 1/(1 − β₂) steps fast Adam leaves NPO logarithmic, about 3/(2β) log t.",
        source=_SCALAR,
        measure="β × slope of the mean drop against log t from 100 to 1000 steps, β₂ = 0.999 (predicted 1.5 ± 0.5)",
        units=("transformer/optimizer-Adam",),
        figure="transformer_optimisers",
        judge=early_adam_is_logarithmic,
    ),
    Claim(
        id="amsgrad-logarithmic",
        statement="AMSGrad, which does not forget, leaves NPO logarithmic.",
        source=_SCALAR,
        measure=_LEAD,
        units=("transformer/optimizer-AMSGrad",),
        figure="transformer_optimisers",
        judge=_is_logarithmic,
    ),
    Claim(
        id="adam-epsilon",
        statement="Where NPO's gradient has fallen below Adam's ε, its drop is logarithmic again.",
        source=_SCALAR,
        measure=f"{_LEAD}, β₂ = 0.99, ε = 1e-3",
        units=("transformer/optimizer-Adam-0.99-eps",),
        figure="transformer_optimisers",
        judge=_is_logarithmic,
    ),
    Claim(
        id="adam-retain",
        statement="A retain term makes NPO logarithmic again under Adam.",
        source=_SCALAR,
        measure=f"{_LEAD}, β₂ = 0.99",
        units=("transformer/optimizer-Adam-0.99+RT",),
        figure="transformer_optimisers",
        judge=_is_logarithmic,
    ),
    Claim(
        id="language-ascent",
        statement="In a small language GA turns answers to kept questions into gibberish, NPO far fewer.",
        source="arXiv:2404.05868, Sec. 5.3, Figure 7",
        measure="share of gibberish among answers to kept questions, GA less NPO, AdamW (claimed > ¼)",
        units=("transformer/methods-AdamW-*",),
        figure="transformer_methods",
        judge=ascent_ends_in_gibberish,
    ),
    Claim(
        id="language-kept",
        statement="In a small language NPO+RT keeps what should stay and forgets what should go.",
        source="arXiv:2404.05868, Sec. 5",
        measure="share of right answers to kept questions, AdamW (claimed ≥ 0.9; at most 0.1 of forget ones right)",
        units=("transformer/methods-AdamW-*",),
        figure="transformer_methods",
        judge=retain_term_keeps,
    ),
    Claim(
        id="language-readable",
        statement="NPO+RT's answers to forget questions are readable more often than GA+RT's.",
        source="arXiv:2404.05868, Sec. 5.3, Figure 7",
        measure="share of well-formed answers and refusals, NPO+RT less GA+RT, AdamW (claimed > 0)",
        units=("transformer/methods-AdamW-*",),
        figure="transformer_answers",
        judge=bounded_losses_stay_readable,
    ),
    Claim(
        id="language-overlap",
        statement="The more people forget and kept rows share, the more NPO loses of what should stay.",
        source="this project's question",
        measure="share of right answers to kept questions lost by a drop of 3 nats, overlap 1 less 0 (claimed > 0)",
        units=("transformer/overlap-*",),
        figure="transformer_methods",
        judge=sharing_people_costs,
    ),
)
