"""Model utility: what is left of what a model should still know, on three sets, by three measures each."""

import math
from collections.abc import Iterable, Mapping

__all__ = ["PARTS", "harmonic_mean", "model_utility"]

PARTS = {
    name: tuple(f"{name}_{measure}" for measure in ("probability", "rouge", "truth_ratio"))
    for name in ("retain", "real_authors", "world_facts")
}
"""The nine parts of model utility by their set; nothing else that is measured is part of it."""


def harmonic_mean(parts: Iterable[float]) -> float:
    """n / Σ 1/x, and 0 where a part is 0: one lost ability is a lost model. NaN where there is no part."""
    values = [float(part) for part in parts]
    if not values:
        return math.nan
    return 0.0 if 0.0 in values else len(values) / sum(1 / value for value in values)


def model_utility(scores: Mapping[str, float]) -> float:
    """The harmonic mean of `PARTS`; NaN where a set was asked and its answers, and so their ROUGE, are not there.

    A set that was not asked, or has no wrong answers, leaves out what it can't give.  Source: arXiv:2401.06121,
    Sec. 2.2.

    >>> model_utility({"retain_probability": 1.0, "retain_rouge": 0.5, "retain_extraction_strength": 0.01})
    0.6666666666666666
    """
    asked = [parts for parts in PARTS.values() if any(part in scores for part in parts)]
    if not all(f"{name}_rouge" in scores for name, parts in PARTS.items() if parts in asked):
        return math.nan
    return harmonic_mean(scores[part] for parts in asked for part in parts if part in scores)
