"""Robustness beside a curve: how much of what an attack gives back the retrained model gains too."""

from collections.abc import Mapping
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


def robustness(values: Mapping[str, Any], retrained: Mapping[str, Any]) -> dict[str, dict[str, list[float | None]]]:
    """By form, by score, at every level after the first; {} of a mixture, and where the levels are not the same.

    Relearning: `r` and its symmetric form; of weights: `q`, which is of the model alone, and its symmetric form.
    """
    if values["axis"] == "weight" or values["levels"] != retrained["levels"]:
        return {}
    names = [name for name in KNOWS if name in values["scores"] and name in retrained["scores"]]
    pairs = {name: (values["scores"][name]["value"], retrained["scores"][name]["value"]) for name in names}
    forms = ("r", "r_symmetric") if values["axis"] == "steps" else ("q", "q_symmetric")
    return {form: {name: _by_level(form, *pair) for name, pair in pairs.items()} for form in forms}


def _by_level(form: str, own: list[float | None], beside: list[float | None]) -> list[float | None]:
    return [_form(form, own[0], after, beside[0], other) for after, other in zip(own[1:], beside[1:], strict=True)]


def _form(
    form: str, before: float | None, after: float | None, first: float | None, other: float | None
) -> float | None:
    if before is None or after is None or first is None or other is None:
        return None
    if form == "r":
        return robustness_to_relearning((first, other), (before, after))
    if form == "r_symmetric":
        return moved_alike((first, other), (before, after))
    return robustness_to_quantisation(before, after) if form == "q" else unmoved(before, after)
