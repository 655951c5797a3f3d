"""How much of an answer a model has by heart, from the token that it finds likeliest after each true beginning.

Both take one answer: `predicted` and `labels`, 1-d integers, without the end token (open-unlearning leaves it out too,
here and in its membership attacks, and counts it in probabilities). An answer of no token has nothing to memorise: 0.
"""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["exact_memorization", "extraction_strength", "extraction_strength_floored"]


def _matches(predicted: ArrayLike, labels: ArrayLike) -> np.ndarray:
    one, other = np.asarray(predicted), np.asarray(labels)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"predicted {one.shape} and labels {other.shape} must be of one length, and of one dimension.")
    return one == other


def exact_memorization(predicted: ArrayLike, labels: ArrayLike) -> float:
    """(1/n) Σ_t 1[argmax p(· | y_<t) = y_t], the share of tokens that are the likeliest; 0 for n = 0.

    Source: arXiv:2205.10770; as in open-unlearning (arXiv:2506.12618).  ValueError where shapes differ.

    >>> exact_memorization([5, 7, 7, 8], [5, 6, 7, 8])
    0.75
    """
    matches = _matches(predicted, labels)
    return float(matches.mean()) if matches.size else 0.0


def extraction_strength(predicted: ArrayLike, labels: ArrayLike, floor: bool = False) -> float:
    """1 − k*/n, where k* is the least k such that all tokens from k on are the likeliest; 0 for n = 0.

    The share of the answer that comes by itself, token by token, once the rest is given.  Source: arXiv:2012.07805; its
    form in arXiv:2506.12618. Where the last token already differs k* = n, and the strength 0. With `floor` it is
    open-unlearning's number, whose search ends at k = n − 1: never below 1/n, so that "the last token alone" and
    "nothing" are one.  ValueError where shapes differ.

    >>> extraction_strength([5, 7, 7, 8], [5, 6, 7, 8])
    0.5
    >>> [extraction_strength([1, 2], [3, 4], floor=floor) for floor in (False, True)]
    [0.0, 0.5]
    """
    matches = _matches(predicted, labels)
    n = matches.size
    wrong = np.flatnonzero(~matches)
    first = int(wrong[-1]) + 1 if wrong.size else 0
    return 1 - min(first, n - floor) / n if n else 0.0


def extraction_strength_floored(predicted: ArrayLike, labels: ArrayLike) -> float:
    """`extraction_strength` with open-unlearning's floor of 1/n."""
    return extraction_strength(predicted, labels, floor=True)
