"""Robustness beside a curve: how much of what an attack gives back the retrained model gains too."""

from collections.abc import Callable, Mapping
from typing import Any

from scale.attacks.robustness import moved_alike, robustness_to_quantisation, robustness_to_relearning, unmoved

__all__ = ["KNOWS", "robustness"]

KNOWS = (
    "extraction_strength",
    "exact_memorization",
    "probability",
    "paraphrase_probability",
    "truth_ratio_prob_mean",
    "auc_loss",
    "auc_min_k",
    "auc_min_k_plus_plus",
    "auc_zlib",
)
"""Scores that are higher the more is known of the rows to forget."""


Values = Mapping[str, Any]
ByLevel = list[float | None]
_OF_TWO = {"r": robustness_to_relearning, "r_symmetric": moved_alike}
_OF_ONE = {"q": robustness_to_quantisation, "q_symmetric": unmoved}


def robustness(values: Values, retrained: Values | None) -> dict[str, dict[str, ByLevel]]:
    """By form, by score, at every level after the first; {} of a mixture.

    Relearning: `r` and its symmetric form, {} without a retrained model that was attacked through the same levels; of
    weights: `q` and its symmetric form, which are of the model alone.
    """
    own = {name: values["scores"][name]["value"] for name in KNOWS if name in values["scores"]}
    if values["axis"] in ("bits", "share"):
        return {form: {name: _alone(how, x) for name, x in own.items()} for form, how in _OF_ONE.items()}
    if values["axis"] == "weight" or not retrained or values["levels"] != retrained["levels"]:
        return {}
    beside = {name: retrained["scores"][name]["value"] for name in own if name in retrained["scores"]}
    return {form: {name: _beside(how, own[name], x) for name, x in beside.items()} for form, how in _OF_TWO.items()}


def _alone(how: Callable[[float, float], float], own: ByLevel) -> ByLevel:
    before, *later = own
    return [None if before is None or after is None else how(before, after) for after in later]


def _beside(how: Callable[[tuple[float, float], tuple[float, float]], float], own: ByLevel, beside: ByLevel) -> ByLevel:
    (before, *later), (first, *others) = own, beside
    return [
        None
        if before is None or after is None or first is None or other is None
        else how((first, other), (before, after))
        for after, other in zip(later, others, strict=True)
    ]
