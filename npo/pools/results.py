"""What the readings of the pools come to: of every metric its AUC in each state, R, Q, robustness and worth."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

import numpy as np

from npo.pools.members import KNOW, UNKNOWING
from npo.pools.worth import OverModels, faithfulness, mean_with_bootstrap
from scale.attacks.robustness import (
    moved_alike,
    robustness_to_quantisation,
    robustness_to_relearning,
    unmoved,
)
from scale.evaluation.metrics.utility import harmonic_mean as harmonic

__all__ = ["KEEPS", "TURNS", "results", "turn_of"]

AS_IT_IS, RELEARNED, FOUR_BITS = "as it is", "relearned", "four bits"
TURNS: Mapping[str, int] = {
    **dict.fromkeys(("retain_*", "drawn_degenerate", "drawn_refused", "lens_block_*"), 0),
    **dict.fromkeys(("truth_ratio_closer_to_1", "unlearning_depth", "lens_erasure", "cka_erasure"), -1),
    **dict.fromkeys(("extraction_strength*", "exact_memorization", "probability*", "paraphrase_probability"), 1),
    **dict.fromkeys(("truth_ratio_*", "auc_*", "leak_*", "drawn_rouge*", "rouge_*"), 1),
}
"""Patterns of scores, the first that fits: 1 rises with knowledge, −1 falls, 0 says nothing of the forget set."""
BESIDE = ("auc_reference", "unlearning_depth", "lens_erasure", "cka_erasure")
"""Scores read beside the finetuned and the retrained model, which are of the pools for all others alone."""
KEEPS = 0.8
"""The share of the finetuned model's retain probability that an unlearned model keeps, or it is left out of R and Q."""
FORMS = ("one-sided", "symmetric")

Model = Mapping[str, Any]
"""`pool`, `name`, and `states`: scores by state and name."""


def turn_of(score: str) -> int:
    """Which way a score goes with knowledge; 0 where nothing is said of it.

    >>> turn_of("auc_loss"), turn_of("truth_ratio_closer_to_1"), turn_of("retain_probability")
    (1, -1, 0)
    """
    return next((turn for pattern, turn in TURNS.items() if fnmatch(score, pattern)), 0)


def results(models: Sequence[Model]) -> dict[str, Any]:
    """Of every metric that all models have: `auc` by state and by what the models of a pool were taught, `R`, `Q`.

    A metric may have been read in some states only, of all models alike; R and Q need all three.
    An unlearned model that keeps less than `KEEPS` of the finetuned one's retain probability is left out of R and Q, as
    arXiv:2506.12618 does with less than 80 % of the utility.
    """
    first = models[0]["states"]
    names = [name for name in first[AS_IT_IS] if turn_of(name) and _everywhere(models, name)]
    return {name: _result(models, name) for name in names}


def _states(models: Iterable[Model], name: str) -> list[str]:
    """Those in which a model has the metric at all."""
    found = {s: None for model in models for s, scores in model["states"].items() if scores.get(name) is not None}
    return list(found)


def _everywhere(models: Sequence[Model], name: str) -> bool:
    states = _states(models, name)
    return all(model["states"][state].get(name) is not None for model in models for state in states)


def _result(models: Sequence[Model], name: str) -> dict[str, Any]:
    turn, states = turn_of(name), _states(models, name)
    found: dict[str, Any] = {"turn": turn, "auc": {state: _auc(models, name, state) for state in states}}
    found["auc_by_taught"] = {
        taught: _auc([m for m in models if not _of_pool_of(taught, m, name) or _taught(m) == taught], name, AS_IT_IS)
        for taught in (*KNOW, *UNKNOWING)
    }
    kept = [model for model in models if model["pool"] == "unlearned" and keeps(model, models)]
    retrained = next(model for model in models if model["pool"] == "retrained")
    if kept and {RELEARNED, FOUR_BITS} <= set(states):
        found |= _robust([_levels(one, name) for one in kept], _levels(retrained, name))
        found["worth"] = {form: harmonic((found["auc"][AS_IT_IS][0], found["robustness"][form])) for form in FORMS}
    return found


def _of_pool_of(taught: str, model: Model, name: str) -> bool:
    return _in_pool(model, "know" if taught in KNOW else "don't know", name)


def _taught(model: Model) -> str:
    """What a model of the pools was taught of the forget set; the two beside them are the first members."""
    first = {"finetuned": KNOW[0], "retrained": UNKNOWING[0]}
    return first.get(model["pool"]) or next((x for x in (*KNOW, *UNKNOWING) if model["name"].startswith(x)), "")


def keeps(model: Model, models: Sequence[Model]) -> bool:
    """Does it keep enough of what it should still know?"""
    finetuned = next(one for one in models if one["pool"] == "finetuned")
    mine, theirs = (one["states"][AS_IT_IS]["retain_probability"] for one in (model, finetuned))
    return bool(mine >= KEEPS * theirs)


def _levels(model: Model, name: str) -> dict[str, float]:
    """The score in every state, turned so that it rises with knowledge and is not negative: 1 − m where it falls."""
    turn = turn_of(name)
    return {state: scores[name] if turn > 0 else 1 - scores[name] for state, scores in model["states"].items()}


def _robust(unlearned: Sequence[Mapping[str, float]], retrained: Mapping[str, float]) -> dict[str, Any]:
    """R and Q in both forms, means over unlearned models; their harmonic means."""
    again = [(one[AS_IT_IS], one[RELEARNED]) for one in unlearned]
    rounded = [(one[AS_IT_IS], one[FOUR_BITS]) for one in unlearned]
    usual = retrained[AS_IT_IS], retrained[RELEARNED]
    r = {
        FORMS[0]: [robustness_to_relearning(usual, one) for one in again],
        FORMS[1]: [moved_alike(usual, one) for one in again],
    }
    q = {
        FORMS[0]: [robustness_to_quantisation(*one) for one in rounded],
        FORMS[1]: [unmoved(*one) for one in rounded],
    }
    told = {"R": {form: mean_with_bootstrap(x) for form, x in r.items()}}
    told["Q"] = {form: mean_with_bootstrap(x) for form, x in q.items()}
    return {**told, "robustness": {form: harmonic((told["R"][form][0], told["Q"][form][0])) for form in FORMS}}


def _auc(models: Sequence[Model], name: str, state: str) -> OverModels:
    know, unknowing = (
        [turn_of(name) * m["states"][state][name] for m in models if _in_pool(m, pool, name)]
        for pool in ("know", "don't know")
    )
    return faithfulness(np.array(know), np.array(unknowing))


def _in_pool(model: Model, pool: str, name: str) -> bool:
    """Is a model of this pool, where a score is to tell pools apart?"""
    stands_beside = {"know": "finetuned", "don't know": "retrained"}[pool]
    return bool(model["pool"] == pool or (model["pool"] == stands_beside and name not in BESIDE))
