"""How far into an answer a model says it by itself."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["beginning"]


def beginning(predicted: ArrayLike, labels: ArrayLike) -> float:
    """The share of an answer's tokens before the first that is not the likeliest; 0 for an answer of none.

    >>> beginning([5, 6, 9, 8], [5, 6, 7, 8])
    0.5
    """
    matches = np.asarray(predicted) == np.asarray(labels)
    return float(np.logical_and.accumulate(matches).mean()) if matches.size else 0.0
