"""What is made of an audit's scores and of those of the models beside it: PrivLeak, and open-unlearning's aggregates.

    priv_leak_<attack>            100 (s − r)/r, s = 1 − AUC, r that of the retrained model
    auc_over_retrained_<attack>   100 (AUC − AUC_r)/AUC_r, percent
    memorisation                  HM(1 − ES, 1 − EM, 1 − paraphrase probability, 1 − truth share)
    memorisation_scaled           each over the finetuned model's own first
    privacy_<form>                HM over LOSS, zlib, Min-K, Min-K++ of how close their AUC is to the retrained model's
    utility                       TOFU's model utility over the finetuned model's, where it is known of both; HM with
                                  fluency over the finetuned model's, where a classifier was named (`audit.fluency`)
    utility_on_retain             HM of probability and truth ratio of rows to retain, each over the finetuned model's
    all_<form>                    HM(memorisation_scaled, privacy_<form>, utility or else utility_on_retain)

Without a classifier of clean text, which open-unlearning's utility has beside model utility, that stands alone.
Extraction strength is its floored one here. Source: arXiv:2506.12618; `scale.evaluation.metrics.aggregate`.
"""

import math
from collections.abc import Mapping

import numpy as np

from scale.audit.items import Items, Score, drawn, interval, statistic
from scale.evaluation.metrics import aggregate
from scale.evaluation.metrics.membership import priv_leak, relative_difference

__all__ = ["PRIVACY_ATTACKS", "UTILITY", "derived", "derived_scores"]

Values = Mapping[str, float]
_BY_HEART = ("extraction_strength_floored", "exact_memorization", "paraphrase_probability", "truth_ratio_prob_mean")
_KEPT = ("retain_probability", "retain_truth_ratio")
PRIVACY_ATTACKS = ("auc_loss", "auc_zlib", "auc_min_k", "auc_min_k_plus_plus")
FLUENCY = "fluency"
UTILITY = "model_utility"
"""The name under which a model's utility is given, where an examination has found it."""


def derived(model: Values, retrained: Values | None = None, finetuned: Values | None = None) -> dict[str, float]:
    """By name what can be made of a model's scores and those beside; what lacks an input is left out.

    >>> derived({"auc_loss": 1.0}, {"auc_loss": 0.5})
    {'priv_leak_loss': -100.0, 'auc_over_retrained_loss': 100.0}
    """
    found = _memorised(model, finetuned)
    found |= _private(model, retrained, finetuned) if retrained else {}
    found |= _useful(model, finetuned) if finetuned else {}
    useful = found.get("utility", found.get("utility_on_retain"))
    if useful is not None and "memorisation_scaled" in found:
        for form in aggregate.CLOSENESS:
            if f"privacy_{form}" in found:
                parts = found["memorisation_scaled"], found[f"privacy_{form}"], useful
                found[f"all_{form}"] = aggregate.all_of(*parts)
    return found | (_leaks(model, retrained) if retrained else {})


def _leaks(model: Values, retrained: Values) -> dict[str, float]:
    found = {}
    for name in model:
        if name.startswith("auc_") and name in retrained:
            attack = name.removeprefix("auc_")
            found[f"priv_leak_{attack}"] = priv_leak(model[name], retrained[name])
            found[f"auc_over_retrained_{attack}"] = relative_difference(model[name], retrained[name])
    return found


def _memorised(model: Values, finetuned: Values | None) -> dict[str, float]:
    if not set(_BY_HEART) <= model.keys():
        return {}
    mine = [model[name] for name in _BY_HEART]
    found = {"memorisation": aggregate.memorisation(mine)}
    if finetuned and set(_BY_HEART) <= finetuned.keys():
        found["memorisation_scaled"] = aggregate.memorisation(mine, [finetuned[name] for name in _BY_HEART])
    return found


def _private(model: Values, retrained: Values, finetuned: Values | None) -> dict[str, float]:
    if not set(PRIVACY_ATTACKS) <= model.keys() & retrained.keys():
        return {}
    aucs = {name: model[name] for name in PRIVACY_ATTACKS}
    forms = [form for form in aggregate.CLOSENESS if form != "scaled" or finetuned]
    return {f"privacy_{form}": aggregate.privacy(form, aucs, retrained, finetuned) for form in forms}


def _useful(model: Values, finetuned: Values) -> dict[str, float]:
    both = model.keys() & finetuned.keys()
    names = [UTILITY, *({FLUENCY} & both)]
    sides = ([of[name] for name in names] for of in (model, finetuned)) if UTILITY in both else None
    found = {"utility": aggregate.utility(*sides)} if sides else {}
    kept = [name for name in _KEPT if name in both]
    if kept:
        found["utility_on_retain"] = aggregate.utility(*([of[name] for name in kept] for of in (model, finetuned)))
    return found


def derived_scores(
    models: Mapping[str, Mapping[str, Items]],
    given: Mapping[str, Values],
    of: str,
    *,
    draws: int,
    seed: int,
) -> dict[str, Score]:
    """`derived` of the model `of` among `models`, with intervals: all models are drawn on the same questions.

    `given` are numbers that are known of models besides, by model and name: they are taken as they are.
    """
    numbers = {who: {name: statistic(x) for name, x in items.items()} for who, items in models.items()}
    values = derived(*(_with(numbers, given, who) for who in (of, "retrained", "finetuned")))
    columns = {who: {name: drawn(x, draws, seed) for name, x in items.items()} for who, items in models.items()}
    again = {name: np.full(draws, math.nan) for name in values}
    for i in range(draws):
        numbers = {who: {name: float(column[i]) for name, column in found.items()} for who, found in columns.items()}
        for name, value in derived(*(_with(numbers, given, who) for who in (of, "retrained", "finetuned"))).items():
            again[name][i] = value
    return {name: interval(value, again[name]) for name, value in values.items()}


def _with(numbers: Mapping[str, Values], given: Mapping[str, Values], who: str) -> dict[str, float]:
    return {**numbers.get(who, {}), **given.get(who, {})}
