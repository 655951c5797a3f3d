"""Claims of Section 5 of arXiv:2404.05868 on all rows of the real TOFU: what is forgotten, and what is left.

A small Llama from scratch learns all 200 authors and forgets 1, 5 or 10 % of them (`tofu-scratch`), three seeds.
Judged at the end of unlearning on the runs that are kept in `figures/data/`; NPO+RT both at the paper's β, which was
chosen for a model of 7 billion parameters, and at the β that the rule chooses. Answers and KL: `tofu_answers`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if, mean_with_interval
from npo.ledger.language_model.few_authors import GOOD, KEPT, LOST
from npo.ledger.language_model.forget_sets import (
    MAIN,
    PLACE,
    RULE,
    by_set,
    end,
    judged,
    of_methods,
    only_rankable,
    runs_of,
    share,
)
from records.examined import moments_of
from records.store import Data

__all__ = ["CLAIMS", "tofu_claim"]

WEIGHTS = f"{PLACE}weights-"
WRECKED = 0.5  # share of degenerate forget answers from which a model counts as wrecked
FLOOR = 1e-300  # a p-value below it has no logarithm in a double


def _log_quality(data: Data) -> float:
    return float(np.log10(max(end(data, "forget_quality"), FLOOR)))


def _unlearned(data: Data) -> bool:
    """Forget quality above GOOD with KEPT of the utility?"""
    return end(data, "forget_quality") > GOOD and share(data) >= KEPT


def rankable(results: Results) -> Judgement:
    """Does the forget quality tell the finetuned from the retrained model, on every forget set?"""
    found, reasons = {}, []
    for name in MAIN:
        for data in runs_of(results, "GA", name).values():
            found[name] = float(moments_of(data.values)[0].scores["log10_forget_quality"] or 0.0)
            reasons += [f"{name}: {reason}" for reason in data.values["not_rankable"]]
    told = [f"{name} {x:.3g}" for name, x in found.items()]
    reason = "; ".join([*told, *dict.fromkeys(reasons)])
    return Judgement(FAILS if reasons else HOLDS, max(found.values()), reason=reason)


def ga_collapses(results: Results) -> Judgement:
    """GA ends with less than LOST of its utility."""
    return judged(by_set(results, "GA", share), lambda x: x < LOST, high=True)


def npo_keeps_more(results: Results) -> Judgement:
    """NPO's share of its utility less GA's, seed by seed."""
    ga = by_set(results, "GA", share)
    npo = by_set(results, "NPO", share)
    less = {
        s: {seed: x - ga[s][seed] for seed, x in values.items() if seed in ga.get(s, {})} for s, values in npo.items()
    }
    return judged(less, lambda x: x > 0, high=False)


def _beside(results: Results, of: Callable[[Data], float], sets: Sequence[str] = MAIN) -> str:
    """The means of NPO+RT at the paper's β, set by set."""
    paper = by_set(results, "NPO+RT", of, sets)
    told = ", ".join(f"{name} {np.mean(list(values.values())):.2g}" for name, values in paper.items())
    return f"at the paper's β: {told}" if paper else ""


def _rule_or_paper(results: Results) -> str:
    """NPO+RT at the rule's β where it was run so, else at the paper's."""
    return RULE if any(RULE in of_methods(results, name) for name in MAIN) else "NPO+RT"


def npo_rt_keeps(results: Results) -> Judgement:
    """NPO+RT ends with KEPT of its utility."""
    numbers = by_set(results, _rule_or_paper(results), share)
    return judged(numbers, lambda x: x >= KEPT, high=False, more=_beside(results, share))


def npo_rt_unlearns(sets: Sequence[str], results: Results) -> Judgement:
    """The forget quality at the end is above GOOD, in the geometric mean over seeds."""
    numbers = by_set(results, _rule_or_paper(results), _log_quality, sets)
    found = judged(numbers, lambda x: x > np.log10(GOOD), high=False, more=_beside(results, _log_quality, sets))
    effect, ends = 10.0 ** (found.effect or 0.0), found.interval
    interval = (10.0 ** ends[0], min(1.0, 10.0 ** min(ends[1], 0.0))) if ends else None
    return Judgement(found.verdict, effect, interval, found.seeds, f"log₁₀ p: {found.reason}")


def npo_rt_alone(results: Results) -> Judgement:
    """How many other methods unlearn and keep the utility, in most of their seeds, on some forget set?"""
    ours, told, most = False, [], 0
    for name in (name for name in MAIN if runs_of(results, "GA", name)):
        good = []
        for label in of_methods(results, name):
            runs = runs_of(results, label, name)
            if np.mean([_unlearned(data) for data in runs.values()]) > 0.5:
                wrecked = np.mean([end(data, "forget_degenerate") for data in runs.values()])
                good.append((label, f"{label} ({wrecked:.0%} degenerate)"))
        others = [label for label, _ in good if not label.startswith("NPO+RT")]
        ours, most = ours or len(good) > len(others), max(most, len(others))
        told.append(f"{name}: {', '.join(words for _, words in good) or 'none'}")
    return Judgement(holds_if(ours and not most), float(most), reason="; ".join(told))


def quality_of_wrecks(results: Results) -> Judgement:
    """The best forget quality of a wrecked model, at any epoch."""
    best: dict[int, tuple[float, str]] = {}
    for name in MAIN:
        for label in of_methods(results, name):
            for seed, data in runs_of(results, label, name).items():
                moments = moments_of(data.values)
                for moment in (m for m in moments[1:] if _wrecked(m.scores, moments[0].scores)):
                    quality = float(np.log10(max(moment.scores["forget_quality"] or 0.0, FLOOR)))
                    best[seed] = max(
                        best.get(seed, (-np.inf, "")), (quality, f"{label} on {name}, epoch {moment.epoch}")
                    )
    if not best:
        return Judgement(NOT_TESTABLE, None, reason="no model was wrecked")
    mean, interval = mean_with_interval([best[seed][0] for seed in sorted(best)])
    verdict = holds_if(all(quality > np.log10(GOOD) for quality, _ in best.values()))
    reason = "; ".join(f"seed {seed}: {best[seed][0]:.2g}, {best[seed][1]}" for seed in sorted(best))
    return Judgement(verdict, mean, interval, tuple(sorted(best)), reason)


def _wrecked(scores: Mapping[str, float | None], start: Mapping[str, float | None]) -> bool:
    """Retain answers below LOST of their probability, or WRECKED of the forget answers degenerate?"""
    kept = (scores.get("retain_probability") or 0.0) / (start["retain_probability"] or np.nan)
    return kept < LOST or (scores.get("forget_degenerate") or 0.0) >= WRECKED


def weight_helps(results: Results) -> Judgement:
    """The most utility that a larger retain weight leaves NPO+RT, less that at weight 1, at one rule for β."""
    numbers, told = {}, []
    for (name, beta), by_weight in _by_weight(results).items():
        if len(by_weight) > 1 and 1.0 in by_weight:
            shares = {w: {seed: share(d) for seed, d in runs.items()} for w, runs in by_weight.items()}
            best = max((w for w in shares if w != 1), key=lambda w: float(np.mean(list(shares[w].values()))))
            less = {seed: x - shares[1.0][seed] for seed, x in shares[best].items() if seed in shares[1.0]}
            good = [w for w, runs in by_weight.items() if all(_unlearned(d) for d in runs.values())]
            reach = ", ".join(f"{w:g}" for w in sorted(good)) or "none"
            where = f"{name.removeprefix('weights-')}{beta}"
            numbers[where] = less
            told.append(f"{where}: most at weight {best:g}; weights that unlearn and keep: {reach}")
    return judged(numbers, lambda x: x > 0, high=False, more="; ".join(told))


def _by_weight(results: Results) -> dict[tuple[str, str], dict[float, dict[int, Data]]]:
    """Runs of NPO+RT by forget set and what their labels say of β, then by retain weight and seed."""
    found: dict[tuple[str, str], dict[float, dict[int, Data]]] = {}
    for name in dict.fromkeys(unit.split("/")[1] for unit in results if unit.startswith(WEIGHTS)):
        for label in of_methods(results, name):
            for seed, data in runs_of(results, label, name).items():
                if data.values["method"] == "NPO+RT":
                    beta = " at the rule's β" if "beta=" in data.values["label"] else ""
                    by_weight = found.setdefault((name, beta), {})
                    by_weight.setdefault(float(data.values["weights"][1]), {})[seed] = data
    return found


COMMAND = 'the commands in the "made" line of each figures/data/tofu-scratch-*.json'


def tofu_claim(
    name: str,
    *,
    short: str,
    statement: str,
    measure: str,
    judge: Callable[[Results], Judgement],
    methods: tuple[str, ...],
    figure: str = "tofu_forget_sets",
) -> Claim:
    """A claim on kept runs of the real TOFU, by these methods on the main forget sets."""
    return Claim(
        id=f"tofu-{name}",
        short=short,
        statement=statement,
        source="arXiv:2404.05868, Sec. 5, on a small Llama from scratch; rates tuned on seed 0",
        measure=measure,
        units=tuple(f"{PLACE}forget[01][0-9]/{method}-s*" for method in methods),
        figure=figure,
        judge=judge,
        command=COMMAND,
    )


CLAIMS = (
    tofu_claim(
        "rankable",
        short="the test tells finetuned from retrained",
        statement="On all rows of TOFU the finetuned model knows each forget set, the retrained one does not; the test "
        "tells them apart.",
        measure="log₁₀ forget quality of the finetuned against the retrained model, the largest (needed ≤ −2)",
        judge=rankable,
        methods=("GA",),
    ),
    tofu_claim(
        "ga-collapses",
        short="gradient ascent destroys the utility",
        statement="Gradient ascent destroys the utility on each forget set.",
        measure=f"model utility at the end as a share of the start, the largest (claimed < {LOST})",
        judge=only_rankable(ga_collapses),
        methods=("GA",),
    ),
    tofu_claim(
        "npo-slower",
        short="NPO keeps utility that gradient ascent loses",
        statement="Without retain rows, NPO keeps utility that gradient ascent loses in as many steps.",
        measure="share of its utility that NPO keeps less the share that GA keeps, the least (claimed > 0)",
        judge=only_rankable(npo_keeps_more),
        methods=("GA", "NPO"),
    ),
    tofu_claim(
        "npo-rt-keeps",
        short="NPO+RT keeps the utility",
        statement="NPO+RT, at the β that the rule chooses, keeps the utility on each forget set.",
        measure=f"model utility at the end as a share of the start, the least (claimed ≥ {KEPT})",
        judge=only_rankable(npo_rt_keeps),
        methods=("NPO+RT*",),
    ),
    tofu_claim(
        "npo-rt-unlearns",
        short="NPO+RT can't be told from the retrained model",
        statement="NPO+RT, at the β that the rule chooses, can't be told from the retrained model on each forget set.",
        measure=f"forget quality (a p-value) at the end, geometric mean over seeds, the least (claimed > {GOOD})",
        judge=only_rankable(partial(npo_rt_unlearns, MAIN)),
        methods=("NPO+RT*",),
    ),
    *(
        tofu_claim(
            f"npo-rt-unlearns-{name}",
            short=f"NPO+RT is as the retrained model on {name}",
            statement=f"NPO+RT, at the β that the rule chooses, can't be told from the retrained model on {name}.",
            measure=f"forget quality (a p-value) at the end, geometric mean over seeds (claimed > {GOOD})",
            judge=only_rankable(partial(npo_rt_unlearns, (name,))),
            methods=("NPO+RT*",),
        )
        for name in MAIN
    ),
    tofu_claim(
        "npo-rt-alone",
        short="only NPO+RT unlearns and keeps the utility",
        statement=f"Where any method ends with a forget quality above {GOOD} and the utility kept, it is NPO+RT.",
        measure=f"most other methods that end above {GOOD} with {KEPT:.0%} of the utility (claimed 0)",
        judge=only_rankable(npo_rt_alone),
        methods=("GA", "GA+RT", "IDK+RT", "DPO+RT", "NPO", "NPO+RT*"),
    ),
    tofu_claim(
        "wrecks-score",
        short="wrecked models reach a good forget quality",
        statement="The forget quality of a wrecked model means nothing: it can be as good as an unlearned one's.",
        measure=f"best log₁₀ forget quality at any epoch of models with less than {LOST} of the probability of retain "
        f"answers, or {WRECKED:.0%} degenerate forget answers (claimed > {np.log10(GOOD):.2g})",
        judge=only_rankable(quality_of_wrecks),
        methods=("GA", "GA+RT", "NPO"),
    ),
    Claim(
        id="tofu-retain-weight",
        short="a larger retain weight keeps more",
        statement="A larger retain weight keeps utility that NPO+RT loses at weight 1.",
        source="arXiv:2404.05868, Sec. 5, Fig. 11; on a small Llama from scratch",
        measure="share of the utility at the best larger weight less that at weight 1, the least (claimed > 0)",
        units=(f"{WEIGHTS}*/NPO+RT*-s*",),
        figure="tofu_retain_weight",
        judge=weight_helps,
        command=COMMAND,
    ),
)
