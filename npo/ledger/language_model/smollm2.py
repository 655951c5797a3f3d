"""Claims of Section 5 of arXiv:2404.05868 on a real language model: SmolLM2-135M-Instruct on real rows of TOFU.

They are judged on the runs that are kept in `figures/data/`, whose command, machine and time docs/smollm2.md states.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import (
    JudgedPath,
    decided,
    from_the_law,
    holds_if,
    judge_sets,
    judge_singles,
    mean_with_interval,
)
from npo.ledger.language_model.few_authors import GOOD, KEPT, LOST
from records.examined import moments_of
from records.store import Data
from theory.theorems.time.intrinsic_time import curve
from theory.theorems.time.paths import from_arrays, labels_of

__all__ = ["CLAIMS"]

COMMAND = "npo run tofu-smollm2-mini unlearn.seeds=[0,1,2] evaluate.questions=400 --data DIR --device cuda"
LAW_COMMAND = "npo law tofu-smollm2-mini --data DIR, with the settings that docs/smollm2.md names for each rung"
MOVED = 0.5  # share of its forget probability below which a model counts as having forgotten


def _runs(results: Results, method: str) -> list[Data]:
    """The seeds of a method, in order."""
    found = [data for name, data in results.items() if name.startswith(f"smollm2/{method}-s")]
    return sorted(found, key=lambda data: int(data.values["seed"]))


def _ends(results: Results, method: str, measure: str) -> list[tuple[float, float]]:
    """A measure at the start and at the end, for each seed; what is no longer finite counts as 0."""
    paths = [moments_of(data.values) for data in _runs(results, method)]
    return [(float(path[0].scores[measure] or 0.0), float(path[-1].scores[measure] or 0.0)) for path in paths]


def _shares(results: Results, method: str, measure: str) -> list[float]:
    return [end / start for start, end in _ends(results, method, measure)]


def _seeds(results: Results, method: str) -> tuple[int, ...]:
    return tuple(int(data.values["seed"]) for data in _runs(results, method))


def rankable(results: Results) -> Judgement:
    """Does the forget quality tell the finetuned from the retrained model?"""
    values = _runs(results, "GA")[0].values
    reasons, effect = values["not_rankable"], moments_of(values)[0].scores["log10_forget_quality"]
    return Judgement(FAILS if reasons else HOLDS, effect, reason=" ".join(reasons))


def ga_collapses(results: Results) -> Judgement:
    """GA's utility ends below LOST of what it was, for every seed."""
    shares = _shares(results, "GA", "model_utility")
    mean, interval = mean_with_interval(shares)
    return Judgement(holds_if(max(shares) < LOST), mean, interval, _seeds(results, "GA"))


def npo_keeps_more(results: Results) -> Judgement:
    """NPO's share of its utility less that of GA, seed by seed."""
    ga, npo = (_shares(results, method, "model_utility") for method in ("GA", "NPO"))
    differences = [kept - lost for kept, lost in zip(npo, ga, strict=True)]
    return decided(differences, _seeds(results, "NPO"), f"NPO keeps {np.mean(npo):.2g}, GA {np.mean(ga):.2g}")


def npo_moves_less(results: Results) -> Judgement:
    """log(KL of GA / KL of NPO) at the end, on the rows where it is less."""
    logs = [
        [np.log(ga / npo) for (_, ga), (_, npo) in zip(*(_ends(results, m, kl) for m in ("GA", "NPO")), strict=True)]
        for kl in ("forget_kl", "retain_kl")
    ]
    least = [float(x) for x in np.min(logs, axis=0)]
    return decided(least, _seeds(results, "NPO"), "natural logarithm of a ratio of KL divergences")


def npo_rt_keeps(results: Results) -> Judgement:
    """NPO+RT ends with at least KEPT of the utility, for every seed."""
    shares = _shares(results, "NPO+RT", "model_utility")
    mean, interval = mean_with_interval(shares)
    return Judgement(holds_if(min(shares) >= KEPT), mean, interval, _seeds(results, "NPO+RT"))


def npo_rt_forgets(results: Results) -> Judgement:
    """NPO+RT's forget probability ends below MOVED of its start, and no retain probability falls."""
    shares, kept = (_shares(results, "NPO+RT", f"{rows}_probability") for rows in ("forget", "retain"))
    mean, interval = mean_with_interval(shares)
    reason = f"retain probability: {np.mean(kept):.3g} of its start"
    good = max(shares) < MOVED and min(kept) >= 1
    return Judgement(holds_if(good), mean, interval, _seeds(results, "NPO+RT"), reason)


def refusals_stay(results: Results) -> Judgement:
    """IDK+RT and DPO+RT leave the forget probability above KEPT of its start."""
    shares = [share for method in ("IDK+RT", "DPO+RT") for share in _shares(results, method, "forget_probability")]
    mean, interval = mean_with_interval(shares)
    return Judgement(holds_if(min(shares) > KEPT), mean, interval, _seeds(results, "IDK+RT"))


def npo_rt_unlearns(results: Results) -> Judgement:
    """The median over seeds of NPO+RT's forget quality at the end is above GOOD, where methods can be ranked."""
    reasons = _runs(results, "GA")[0].values["not_rankable"]
    quality = float(np.median([end for _, end in _ends(results, "NPO+RT", "forget_quality")]))
    if reasons:
        return Judgement(NOT_TESTABLE, quality, seeds=_seeds(results, "NPO+RT"), reason=" ".join(reasons))
    return Judgement(holds_if(quality > GOOD), quality, seeds=_seeds(results, "NPO+RT"))


def one_answer(results: Results) -> Judgement:
    """Does the first answer, unlearned alone, keep to the law on every rung that was climbed?"""

    def run(data: Data) -> JudgedPath:
        beta = data.values["beta"]
        return JudgedPath(from_arrays(data.arrays, "single").times(beta or 1.0), beta == 0, data.values["step"])

    runs = [run(data) for data in results.values()]
    judged, rungs = judge_singles(runs, ()), dict.fromkeys(data.values["rung"] for data in results.values())
    reason = f"{judged.reason}, steps of {max(one.step for one in runs):g}: {', '.join(rungs)}"
    return replace(judged, effect=max(map(from_the_law, runs)), reason=reason)


def sets_of_answers(results: Results) -> Judgement:
    """Does the exact remainder put the answers of a set back on the curve?"""

    def run(data: Data) -> JudgedPath:
        return JudgedPath(from_arrays(data.arrays, "set").times(data.values["beta"]), False, data.values["step"])

    sets = [data for data in results.values() if data.values["beta"] and "set" in labels_of(data.arrays)]
    return judge_sets(map(run, sets), ())


def _claim(
    name: str, short: str, statement: str, measure: str, judge: Callable[[Results], Judgement], methods: tuple[str, ...]
) -> Claim:
    return Claim(
        id=f"smollm2-{name}",
        short=short,
        statement=statement,
        source="arXiv:2404.05868, Sec. 5, on SmolLM2-135M; learning rates tuned by hand",
        measure=measure,
        units=tuple(f"smollm2/{method}-s*" for method in methods),
        figure="smollm2_kl",
        judge=judge,
        command=COMMAND,
    )


PLAIN = ("head", "full")
"""Rungs whose plain steps are small for the flow."""


def slow_at_equal_steps(results: Results) -> Judgement:
    """After as many plain steps of one size: GA's drop is its T, to a tenth, NPO's the curve of its own, to a third."""
    off, told = list[tuple[float, float]](), list[str]()
    for rung in PLAIN:
        for data in (one for one in results.values() if one.values["rung"] == rung):
            beta = data.values["beta"]
            time, drop = (data.arrays[f"descent.{name}"][-1] for name in ("clock", "drop"))
            law = curve(beta * time) / beta if beta else time
            off.append((float((drop / law).mean()) - 1, 1 / 3 if beta else 0.1))
            named = f"NPO at β = {beta:g}" if beta else "GA"
            told.append(f"{rung}, {named}: {drop.mean():.3g} ({law.mean():.3g})")
    worst = max((x for x, _ in off), key=abs)
    inside = all(abs(x) < most for x, most in off)
    return Judgement(holds_if(inside), worst, reason=f"nats to win back, and by the law: {'; '.join(told)}")


CLAIMS = (
    _claim(
        "rankable",
        "the test tells finetuned from retrained",
        "SmolLM2-135M, finetuned on eight authors, knows the two to forget; the test tells it from the retrained one.",
        "log₁₀ forget quality of the finetuned against the retrained model (needed ≤ −2)",
        rankable,
        ("GA",),
    ),
    _claim(
        "ga-collapses",
        "gradient ascent destroys the utility",
        "Gradient ascent destroys the utility of SmolLM2-135M.",
        f"model utility at the end as a share of the start (claimed < {LOST})",
        ga_collapses,
        ("GA",),
    ),
    _claim(
        "npo-slower",
        "NPO keeps utility that gradient ascent loses",
        "Without retain rows, NPO keeps utility of SmolLM2-135M that gradient ascent loses in as many steps.",
        "share of its utility that NPO keeps less the share that GA keeps (claimed > 0)",
        npo_keeps_more,
        ("GA", "NPO"),
    ),
    _claim(
        "npo-moves-less",
        "NPO moves less far from the reference than GA",
        "NPO moves SmolLM2-135M less far from the reference than gradient ascent, on forget and on retain rows.",
        "log(KL of GA / KL of NPO) to the reference at the end, on the rows where it is less (claimed > 0)",
        npo_moves_less,
        ("GA", "NPO"),
    ),
    _claim(
        "npo-rt-keeps",
        "NPO+RT keeps the utility",
        "NPO+RT keeps the utility of SmolLM2-135M.",
        f"model utility at the end as a share of the start (claimed ≥ {KEPT})",
        npo_rt_keeps,
        ("NPO+RT",),
    ),
    _claim(
        "npo-rt-forgets",
        "NPO+RT halves the probability of forget answers",
        "NPO+RT halves the probability of forget answers in SmolLM2-135M while that of retain answers does not fall.",
        f"forget probability at the end as a share of the start (claimed < {MOVED})",
        npo_rt_forgets,
        ("NPO+RT",),
    ),
    _claim(
        "refusals-stay",
        "IDK+RT and DPO+RT hardly forget",
        "IDK+RT and DPO+RT leave SmolLM2-135M most of the probability of forget answers.",
        f"forget probability at the end as a share of the start (claimed > {KEPT})",
        refusals_stay,
        ("IDK+RT", "DPO+RT"),
    ),
    _claim(
        "npo-rt-unlearns",
        "NPO+RT can't be told from the retrained model",
        "NPO+RT makes SmolLM2-135M indistinguishable from the retrained model.",
        f"forget quality at the end, median over seeds (claimed > {GOOD})",
        npo_rt_unlearns,
        ("GA", "NPO+RT"),
    ),
    Claim(
        id="smollm2-law",
        short="one answer alone keeps to the curve",
        statement="In SmolLM2-135M one answer alone keeps to the intrinsic-time law, from head to all weights.",
        source="theory/theorems/time/intrinsic_time.py; the step is a tenth of βu",
        measure="largest distance from the law, in βu (for GA as a share of u)",
        units=("smollm2/law/*",),
        figure="smollm2_ladder",
        judge=one_answer,
        command=LAW_COMMAND,
    ),
    Claim(
        id="smollm2-law-sets",
        short="a set leaves the curve by the exact remainder",
        statement="Answers of SmolLM2-135M together leave the law by the exact remainder of weights and couplings.",
        source="theory/theorems/time/intrinsic_time.py",
        measure="largest distance of βF(u) from βT + β · remainder, over 1 + βF (claimed < twice the step)",
        units=("smollm2/law/*",),
        figure="smollm2_ladder",
        judge=sets_of_answers,
        command=LAW_COMMAND,
    ),
    Claim(
        id="recovery-equal-steps-smollm2",
        short="after equal steps NPO is back in log(2βT)/β",
        statement="After equal plain steps of SmolLM2's head or of all its weights, gradient ascent has its whole time "
        "T to win back and NPO, to a third, the logarithm of its own. LoRA and two blocks (large steps) are left out.",
        source="this project: theory/theorems/recovery/relearning.py",
        measure="nats to win back over the law's, less 1, the furthest from 0 (claimed within a third; GA's a tenth)",
        units=("smollm2/law/*",),
        figure="smollm2_ladder",
        judge=slow_at_equal_steps,
        command=LAW_COMMAND,
    ),
)
