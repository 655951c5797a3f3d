"""An audit's scores as they are saved: by question as arrays, over all questions as JSON."""

import math
from collections.abc import Mapping

import numpy as np

from scale.audit.items import Items, Score

__all__ = ["arrays_of", "items_of", "told"]

OTHERS = ".others"


def arrays_of(scores: Mapping[str, Items]) -> dict[str, np.ndarray]:
    """Every score by question: `<score>`, (n,), and of membership scores those of the rows held out, `<score>.others`.

    >>> list(arrays_of({"auc_loss": Items(np.zeros(2), np.ones(3))}))
    ['auc_loss', 'auc_loss.others']
    """
    others = {f"{name}{OTHERS}": items.others for name, items in scores.items() if items.others is not None}
    return {name: items.values for name, items in scores.items()} | others


def items_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Items]:
    """What `arrays_of` has made arrays of."""
    names = [name for name in arrays if not name.endswith(OTHERS)]
    return {name: Items(arrays[name], arrays.get(f"{name}{OTHERS}")) for name in names}


def told(score: Score | None) -> dict[str, float | None] | None:
    """A score with its interval as JSON has it: null for what is not finite, or for the whole where there is none."""
    if score is None or not math.isfinite(score.value):
        return None
    return {name: value if math.isfinite(value) else None for name, value in score._asdict().items()}
