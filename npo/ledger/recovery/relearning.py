"""How claims on relearning are judged: how long it takes, and who resists it at an equal drop."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from npo.ledger.judging.claim import NOT_TESTABLE, Judgement, Results
from npo.ledger.judging.statistics import decided, holds_if
from synthetic.relearning import COLUMNS, ratios
from theory.methods import FORGET
from theory.theorems.time.forgetting import room as room_of_steps
from theory.theorems.time.intrinsic_time import curve
from theory.theorems.time.loss_times import BETA, kernel_of, looks_at_tokens

__all__ = [
    "MORE",
    "TwoArms",
    "alike",
    "alike_at_an_equal_drop",
    "comes_back_later",
    "evenness_resists",
    "half_in_plain_time",
    "ratio_is_the_law_s",
    "slow_at_equal_steps",
    "takes_u",
    "time_is_the_drop",
    "tokens_resist",
]

Arrays = Mapping[str, np.ndarray]
NEAR = float(np.log(1.2))  # of two numbers of steps that count as alike
MORE = float(np.log(1.1))  # that count as more
PLAIN = 0.2  # how far steps of one size may be off the flow
THIRD = 1 / 3


def _only(results: Results) -> tuple[Arrays, tuple[int, ...]]:
    """The arrays, and the seeds that are in them: the first of the room's."""
    (data,) = results.values()
    seeds = data.values.get("seeds", [data.values["seed"]] if "seed" in data.values else [])
    ran = next((x.shape[-1] for x in data.arrays.values() if x.ndim == 2), len(seeds))
    return data.arrays, tuple(int(seed) for seed in seeds[:ran])


# --- the theory's own -------------------------------------------------------------------------------------------------


def _losses(arrays: Arrays) -> list[str]:
    return [name.removesuffix(".asked") for name in arrays if name.endswith(".asked")]


def takes_u(results: Results) -> Judgement:
    """Within the bound of the descent's steps; the effect is the largest |T/u − 1| on the way back."""
    arrays, seeds = _only(results)
    far = max(abs(float(arrays[f"{name}.relearn"] / arrays[f"{name}.drop"]) - 1) for name in _losses(arrays))
    return Judgement(holds_if(far <= float(arrays["step"])), far, None, seeds, f"{len(_losses(arrays))} losses")


def ratio_is_the_law_s(results: Results) -> Judgement:
    """Within the bounds of both descents; the effect is the largest |ratio/(F(u)/u) − 1|."""
    arrays, seeds = _only(results)
    step, found = float(arrays["step"]), {}
    for name in _losses(arrays):
        measured = float(arrays[f"{name}.unlearn"] / arrays[f"{name}.relearn"])
        found[name] = measured / float(arrays[f"{name}.asked"] / arrays[f"{name}.drop"])
    within = room_of_steps(step)
    low, high = (1 - step) / float(within.upper), (1 + step) / float(within.lower)
    inside = all(low <= x <= high for x in found.values())
    largest = max(float(arrays[f"{name}.unlearn"] / arrays[f"{name}.relearn"]) for name in found)
    far = max(abs(x - 1) for x in found.values())
    return Judgement(holds_if(inside), far, None, seeds, f"{len(found)} losses, ratios from 1 to {largest:.3g}")


def half_in_plain_time(results: Results) -> Judgement:
    """The factor of the slow β is a half, to a quarter of it; the effect is that of the largest β."""
    arrays, seeds = _only(results)
    factor = arrays["table.unlearn"] / arrays["table.relearn"][:, None] / arrays["table.law"]
    slow = factor[-1][arrays["table.betas"] >= 0.3]
    told = ", ".join(f"{beta:g}: {x:.2f}" for beta, x in zip(arrays["table.betas"], factor[-1], strict=True))
    return Judgement(holds_if(bool(np.all(np.abs(slow - 0.5) < 0.125))), float(slow[-1]), None, seeds, f"by β {told}")


# --- both rooms -------------------------------------------------------------------------------------------------------


def _arms(arrays: Arrays) -> list[str]:
    return [
        name.removesuffix(".spread") for name in arrays if name.endswith(".spread") and not name.startswith("steps.")
    ]


def time_is_the_drop(results: Results) -> Judgement:
    """Half of the way back and, where it was gone, all of it; the effect is the largest |T/u − 1|, mean over seeds."""
    arrays, seeds = _only(results)
    found = []
    for arm in _arms(arrays):
        for column, share in (("time_half", 0.5), ("time_full", 1.0)):
            off = arrays[f"{arm}.{column}"] / (share * arrays[f"{arm}.drop"]) - 1
            if np.isfinite(off).all():
                found.append(abs(float(off.mean())))
    if not found:
        return Judgement(NOT_TESTABLE, None, None, seeds, "nothing came back half way")
    reason = f"{len(_arms(arrays))} losses and optimisers"
    return Judgement(holds_if(max(found) < PLAIN), max(found), None, seeds, reason)


def alike_at_an_equal_drop(results: Results) -> Judgement:
    """The steps of NPO over those of GA, the furthest from 1 of descent and Adam, half way and all the way."""
    arrays, seeds = _only(results)
    found = {c: ratios(arrays, "NPO", "GA", c) for c in ("gd_half", "gd_full", "adam_half", "adam_full")}
    known = {name: float(x.mean()) for name, x in found.items() if np.isfinite(x).all()}
    if not known:
        return Judgement(NOT_TESTABLE, None, None, seeds, "nothing came back half way")
    worst = max(known.values(), key=abs)
    told = ", ".join(f"{name.replace('_', ' ')} {np.exp(x):.2f}" for name, x in known.items())
    return Judgement(holds_if(abs(worst) < NEAR), worst, None, seeds, f"NPO over GA: {told}")


def slow_at_equal_steps(results: Results) -> Judgement:
    """After the most steps: GA's way back is T to a tenth, NPO's is the curve of its own T to a third."""
    arrays, seeds = _only(results)
    ga, npo = ({c: arrays[f"steps.{name}.{c}"][-1] for c in ("unlearn_time", "drop")} for name in ("GA", "NPO"))
    linear = float((ga["drop"] / ga["unlearn_time"]).mean()) - 1
    law = curve(BETA * npo["unlearn_time"]) / BETA
    off = npo["drop"] / law - 1
    reason = f"after {arrays['steps.at'][-1]:g} steps GA has {ga['drop'].mean():.3g} nats to win back and NPO "
    reason += f"{npo['drop'].mean():.3g}, where log(2βT + 1)/β says {law.mean():.3g}; GA's T is off by {linear:.1%}"
    worst = float(off.mean())
    return Judgement(holds_if(abs(linear) < 0.1 and abs(worst) < THIRD), worst, None, seeds, reason)


class TwoArms(NamedTuple):
    """Two arms: the one that is said to come back later, and by how much more, in log steps, that must be."""

    later: str
    sooner: str
    column: str = "gd_full"
    least: float = 0.0


def comes_back_later(results: Results, against: TwoArms) -> Judgement:
    """log of the steps of one arm over those of the other."""
    arrays, seeds = _only(results)
    found = ratios(arrays, against.later, against.sooner, against.column)
    if not np.isfinite(found).all():
        return Judgement(NOT_TESTABLE, None, None, seeds, "some were not back after the last step")
    others = [c for c in COLUMNS if c.startswith(("gd", "adam"))]
    pairs = {c: float(ratios(arrays, against.later, against.sooner, c).mean()) for c in others}
    told = ", ".join(f"{c.replace('_', ' ')} {np.exp(x):.2f}" for c, x in pairs.items() if np.isfinite(x))
    return decided([float(x) for x in found], seeds, f"times as many steps: {told}", least=against.least)


def alike(results: Results, against: TwoArms) -> Judgement:
    """Are the steps of two arms alike?"""
    judged = comes_back_later(results, against)
    if judged.effect is None:
        return judged
    return Judgement(holds_if(abs(judged.effect) < NEAR), judged.effect, None, judged.seeds, judged.reason)


def _plain_losses(arrays: Arrays) -> list[str]:
    return [arm for arm in _arms(arrays) if arm in FORGET]


def tokens_resist(results: Results) -> Judgement:
    """The mean over losses of tokens of log steps over GA's."""
    arrays, seeds = _only(results)
    found = {
        name: ratios(arrays, name, "GA", "gd_full")
        for name in _plain_losses(arrays)
        if looks_at_tokens(kernel_of(name))
    }
    known = {name: x for name, x in found.items() if np.isfinite(x).all()}
    if not known:
        return Judgement(NOT_TESTABLE, None, None, seeds, "none of them was back after the last step")
    told = ", ".join(f"{name} {np.exp(x.mean()):.2f}" for name, x in known.items())
    each = np.mean(list(known.values()), axis=0)
    return decided([float(x) for x in each], seeds, f"times the steps of GA: {told}", least=MORE)


def evenness_resists(results: Results) -> Judgement:
    """Spearman's ρ over losses of −spread with the steps to half, means over seeds; holds where p < .05 and ρ > 0."""
    arrays, seeds = _only(results)
    pairs = [
        (-float(arrays[f"{name}.spread"].mean()), float(arrays[f"{name}.gd_half"].mean()))
        for name in _plain_losses(arrays)
    ]
    known = [pair for pair in pairs if np.isfinite(pair).all()]
    if len(known) < 5:
        return Judgement(NOT_TESTABLE, None, None, seeds, f"{len(known)} losses")
    found = spearmanr(*zip(*known, strict=True))
    rho, p = float(found.statistic), float(found.pvalue)
    return Judgement(holds_if(rho > 0 and p < 0.05), rho, None, seeds, f"p = {p:.2g} over {len(known)} losses")
