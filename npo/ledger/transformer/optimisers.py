"""Claims about the small transformer under other optimisers: which of them leave NPO its logarithm."""

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import akaike, holds_if, mean_with_interval
from records.store import Data
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


_SCALAR = "this project: synthetic/transformer/optimisers.py"
_LEAD = "ΔAIC a point, line in t less line in log t, last decade of steps (predicted > 0 in every seed)"

CLAIMS = (
    Claim(
        id="adam-slow",
        short="under slow Adam NPO is nearly as fast as GA",
        statement="Under slow Adam (a = β × nats a step / (1 − β₂) ≲ 1) NPO is nearly as fast as GA: no slowdown.",
        source=_SCALAR,
        measure="NPO's mean drop over GA's after the same steps (predicted near 1, at least √(1 + a²) − a)",
        units=("transformer/optimizer-Adam-0.99-slow",),
        figure="transformer_optimisers",
        judge=slow_adam_is_ascent,
    ),
    Claim(
        id="adam-linear",
        short="under fast Adam NPO's drop is linear in the end",
        statement="Under fast Adam without retain data NPO's drop is linear in the end, at speed −ln β₂/(2β).",
        source=_SCALAR,
        measure="late speed of the mean drop over −ln β₂/(2β), β₂ = 0.99 (predicted 1)",
        units=("transformer/optimizer-Adam-0.99",),
        figure="transformer_optimisers",
        judge=fast_adam_is_linear,
    ),
    Claim(
        id="adam-early",
        short="fast Adam leaves NPO logarithmic at first",
        statement="Within its first 1/(1 − β₂) steps fast Adam leaves NPO logarithmic, about 3/(2β) log t.",
        source=_SCALAR,
        measure="β × slope of the mean drop against log t from 100 to 1000 steps, β₂ = 0.999 (predicted 1.5 ± 0.5)",
        units=("transformer/optimizer-Adam",),
        figure="transformer_optimisers",
        judge=early_adam_is_logarithmic,
    ),
    Claim(
        id="amsgrad-logarithmic",
        short="AMSGrad leaves NPO logarithmic",
        statement="AMSGrad, which does not forget, leaves NPO logarithmic.",
        source=_SCALAR,
        measure=_LEAD,
        units=("transformer/optimizer-AMSGrad",),
        figure="transformer_optimisers",
        judge=_is_logarithmic,
    ),
    Claim(
        id="adam-epsilon",
        short="below Adam's ε NPO is logarithmic again",
        statement="Where NPO's gradient has fallen below Adam's ε, its drop is logarithmic again.",
        source=_SCALAR,
        measure=f"{_LEAD}, β₂ = 0.99, ε = 1e-3",
        units=("transformer/optimizer-Adam-0.99-eps",),
        figure="transformer_optimisers",
        judge=_is_logarithmic,
    ),
    Claim(
        id="adam-retain",
        short="a retain term makes NPO logarithmic under Adam",
        statement="A retain term makes NPO logarithmic again under Adam.",
        source=_SCALAR,
        measure=f"{_LEAD}, β₂ = 0.99",
        units=("transformer/optimizer-Adam-0.99+RT",),
        figure="transformer_optimisers",
        judge=_is_logarithmic,
    ),
)
