"""Claims on what a metric is worth: pools of models that know the forget set and that don't, two attacks.

Judged on `figures/data/pools-<recipe>.json`: what its `metrics` has of each is told in `npo.pools.results`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if

__all__ = ["CLAIMS", "PLACE"]

PLACE = "llm/pools/"
MEMORISATION = (
    "extraction_strength_floored",
    "exact_memorization",
    "probability",
    "paraphrase_probability",
    "truth_ratio_prob_mean",
)
MEMBERSHIP = ("auc_loss", "auc_zlib", "auc_min_k", "auc_min_k_plus_plus")
NOW, RELEARNED, ROUNDED = "as it is", "relearned", "four bits"
MOVES = 0.1  # of an AUC, from which it counts as moved
FEWEST = 2  # models taught in one way, that a sentence on that way needs
CEILING = 1.0
FOOLS = 0.2  # of an AUC, by which wrong answers look like knowledge
TINY, SMOLLM2 = "tofu-mini", "tofu-smollm2-mini"
Metrics = Mapping[str, Mapping[str, Any]]


def _metrics(results: Results) -> Metrics:
    found: Metrics = next(data.values["metrics"] for name, data in results.items() if name.startswith(PLACE))
    return found


def _auc(metrics: Metrics, name: str, state: str = NOW) -> float:
    return float(metrics[name]["auc"][state][0])


def _told(metrics: Metrics, names: Sequence[str], state: str = NOW) -> str:
    told = {name: metrics[name]["auc"][state] for name in names if name in metrics}
    return "AUC: " + ", ".join(f"{name} {x[0]:.3f} ({x[1]:.2f}–{x[2]:.2f})" for name, x in told.items())


def ahead(best: str, others: Sequence[str], results: Results) -> Judgement:
    """The AUC of one metric less the largest of others, claimed to be positive."""
    found = unbeaten(best, others, results)
    if found.effect is None or found.verdict == NOT_TESTABLE:
        return found
    return replace(found, verdict=holds_if(found.effect > 0))


def unbeaten(best: str, others: Sequence[str], results: Results) -> Judgement:
    """The same, claimed not to be negative: few models are told apart by several metrics alike."""
    metrics = _metrics(results)
    there = [name for name in others if name in metrics and name != best]
    if best not in metrics or not there:
        return Judgement(NOT_TESTABLE, None, reason=f"{best} was not measured, or nothing beside it")
    mine, theirs, told = _auc(metrics, best), max(_auc(metrics, name) for name in there), _told(metrics, (best, *there))
    if mine == theirs == CEILING:
        return Judgement(NOT_TESTABLE, 0.0, reason=f"several tell all models apart; {told}")
    return Judgement(holds_if(mine >= theirs), mine - theirs, reason=told)


def unmoved(state: str, names: Sequence[str], results: Results) -> Judgement:
    """The AUC that a metric loses at most by what is done to every model of the pools."""
    metrics = _metrics(results)
    there = [name for name in names or metrics if name in metrics and state in metrics[name]["auc"]]
    if not there:
        return Judgement(NOT_TESTABLE, None, reason=f"not read: {state}")
    lost = {name: _auc(metrics, name) - _auc(metrics, name, state) for name in there}
    worst = max(lost, key=lambda name: lost[name])
    return Judgement(holds_if(lost[worst] < MOVES), lost[worst], reason=f"{worst}; {_told(metrics, there, state)}")


def moved(name: str, part: str, most: float, results: Results) -> Judgement:
    """R or Q of a metric in the symmetric form, claimed to be small."""
    metrics = _metrics(results)
    if part not in metrics.get(name, {}):
        return Judgement(NOT_TESTABLE, None, reason=f"{name} was not measured of unlearned models")
    value, low, high = metrics[name][part]["symmetric"]
    interval = None if low is None or high is None else (low, high)
    return Judgement(
        holds_if(value < most), value, interval, reason=f"one-sided {metrics[name][part]['one-sided'][0]:.3g}"
    )


def _states(results: Results, taught: str) -> list[Mapping[str, float]]:
    """The scores, as they are, of the models that were taught in one way; the retrained one was taught nothing."""
    models = next(data.values["models"] for unit, data in results.items() if unit.startswith(PLACE)).values()

    def fits(model: Mapping[str, Any]) -> bool:
        return str(model["name"]).startswith(taught) or (taught == "nothing" and model["pool"] == "retrained")

    return [model["states"][NOW] for model in models if fits(model)]


def unseen(name: str, taught: str, most: float, results: Results) -> Judgement:
    """The AUC of a metric where those that know were taught in one way alone."""
    told = _metrics(results)[name]["auc_by_taught"]
    value, low, high = told[taught]
    reason = "AUC by what was taught: " + ", ".join(f"{way} {x[0]:.3f}" for way, x in told.items() if x[0] is not None)
    if len(_states(results, taught)) < FEWEST:
        return Judgement(NOT_TESTABLE, value, (low, high), reason=f"{reason}; fewer than {FEWEST} were taught so")
    return Judgement(holds_if(value < most), value, (low, high), reason=reason)


def fooled(name: str, results: Results) -> Judgement:
    """A membership AUC of models that were taught wrong answers less that of models taught nothing, in the mean."""
    found = {taught: [one[name] for one in _states(results, taught)] for taught in ("wrong-answers", "nothing")}
    mean = {taught: sum(x) / len(x) for taught, x in found.items()}
    more = mean["wrong-answers"] - mean["nothing"]
    told = ", ".join(f"{taught} {x:.3f}" for taught, x in mean.items())
    reason = f"mean AUC of {name}: {told}"
    if min(map(len, found.values())) < FEWEST:
        return Judgement(NOT_TESTABLE, more, reason=f"{reason}; fewer than {FEWEST} of a kind")
    return Judgement(holds_if(more > FOOLS), more, reason=reason)


def _claim(
    name: str,
    short: str,
    statement: str,
    measure: str,
    judge: Callable[[Results], Judgement],
    source: str = "arXiv:2605.24614, Tab. 2",
    recipe: str = TINY,
) -> Claim:
    return Claim(
        id=f"metric-{name}",
        short=short,
        statement=statement,
        source=source,
        measure=measure,
        units=(f"{PLACE}{recipe}",),
        figure="metaevaluation",
        judge=judge,
        command=f'the commands in the "made" line of figures/data/pools-{recipe}.json',
    )


_LEAD = "AUC over models less the largest of the others' (claimed > 0; published"
CLAIMS = (
    _claim(
        "extraction",
        "extraction strength beats EM and probability",
        "Extraction strength tells models that know the forget set from those that don't better than exact "
        "memorization and probability do.",
        f"{_LEAD} .891 against .817 and .816)",
        partial(ahead, "extraction_strength_floored", ("exact_memorization", "probability")),
        "arXiv:2506.12618, Sec. 5; arXiv:2605.24614, Tab. 2",
    ),
    _claim(
        "truth-ratio",
        "the truth ratio tells best who knows",
        "Of the measures of memorisation and membership, the truth ratio tells best who knows the forget set.",
        f"{_LEAD} .947 against .907)",
        partial(ahead, "truth_ratio_prob_mean", (*MEMORISATION, *MEMBERSHIP)),
    ),
    _claim(
        "min-k-plus-plus",
        "Min-K++ is no better than plain loss",
        "Min-K++, the attack that normalises by the vocabulary, tells worse who knows than the plain loss does.",
        f"{_LEAD} .902 against .816)",
        partial(ahead, "auc_loss", ("auc_min_k_plus_plus",)),
    ),
    _claim(
        "four-bits",
        "four bits change no metric's judgement",
        "In four bits every metric tells who knows as well as before.",
        f"the most AUC that a metric loses (claimed < {MOVES})",
        partial(unmoved, ROUNDED, ()),
    ),
    _claim(
        "membership-relearned",
        "membership attacks survive relearning",
        "After an epoch of relearning membership attacks still tell who knew the forget set before.",
        f"the most AUC that an attack loses (claimed < {MOVES})",
        partial(unmoved, RELEARNED, MEMBERSHIP),
        "arXiv:2506.12618, Sec. 5",
    ),
    _claim(
        "truth-ratio-relearned",
        "relearning moves the truth ratio",
        "Relearning moves the truth ratio of unlearned models otherwise than the retrained one's, so it is not robust.",
        "R, symmetric, mean over unlearned models (claimed < .5; published .234)",
        partial(moved, "truth_ratio_prob_mean", "R", 0.5),
    ),
    _claim(
        "other-words",
        "extraction misses knowledge in other words",
        "Extraction strength does not see that a model knows the forget set where it was taught it in other words.",
        "AUC of models taught in other words (claimed < .75)",
        partial(unseen, "extraction_strength", "other-words", 0.75),
        "own question, on the pools of arXiv:2506.12618",
    ),
    _claim(
        "wrong-answers",
        "wrong answers look like members",
        "Models that were taught wrong answers to the forget questions look to membership attacks as if they knew.",
        f"AUC of the loss attack less that of models taught nothing (claimed > {FOOLS})",
        partial(fooled, "auc_loss"),
        "own question, on the pools of arXiv:2506.12618",
    ),
    _claim(
        "smollm2-wrong-answers",
        "SmolLM2: wrong answers look like members",
        "Of SmolLM2-135M, models that were taught wrong answers look to the loss attack as if they knew.",
        f"AUC of the loss attack less that of models taught nothing (claimed > {FOOLS})",
        partial(fooled, "auc_loss"),
        "own question, on the pools of arXiv:2506.12618",
        SMOLLM2,
    ),
    _claim(
        "smollm2-truth-ratio",
        "SmolLM2: the truth ratio tells best who knows",
        "Of SmolLM2-135M, no measure of memorisation or membership tells better who knows than the truth ratio does.",
        f"AUC over models less the largest of the others' (claimed ≥ 0; not testable where both are {CEILING:g})",
        partial(unbeaten, "truth_ratio_prob_mean", (*MEMORISATION, *MEMBERSHIP)),
        recipe=SMOLLM2,
    ),
    _claim(
        "smollm2-other-words",
        "SmolLM2: extraction misses other words",
        "Of SmolLM2-135M, extraction strength does not see that a model was taught the forget set in other words.",
        "AUC of models taught in other words (claimed < .75)",
        partial(unseen, "extraction_strength", "other-words", 0.75),
        "own question, on the pools of arXiv:2506.12618",
        SMOLLM2,
    ),
    _claim(
        "smollm2-four-bits",
        "SmolLM2: four bits change no judgement",
        "Of SmolLM2-135M in four bits, every metric tells who knows as well as before.",
        f"the most AUC that a metric loses (claimed < {MOVES})",
        partial(unmoved, ROUNDED, ()),
        recipe=SMOLLM2,
    ),
)
