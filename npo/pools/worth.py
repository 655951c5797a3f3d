"""What a metric is worth: does it tell models that know from models that don't, and does it still after an attack?

    faithfulness   AUC over models: P(m of one that knows > m of one that doesn't) + P(equal)/2
    robustness     harmonic mean of R and Q, each in a form of `scale.attacks.robustness`
    worth          harmonic mean of both

m is a metric turned so that it rises with knowledge. All are 1 at best. Source: arXiv:2506.12618, Sec. 5.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["OverModels", "faithfulness", "mean_with_bootstrap"]

DRAWS = 2000


class OverModels(NamedTuple):
    """A number over models, with the ends of its 95 % percentile bootstrap interval."""

    value: float
    low: float
    high: float


def faithfulness(knowing: ArrayLike, unknowing: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> OverModels:
    """AUC of a metric that rises with knowledge; models are drawn again within each pool for the interval.

    NaN where a pool is empty or a score is.

    >>> faithfulness([0.9, 0.4], [0.1, 0.4]).value, faithfulness([0.1], [0.9]).value
    (0.875, 0.0)
    """
    know, not_know = (np.asarray(x, dtype=np.float64).ravel() for x in (knowing, unknowing))
    if not (know.size and not_know.size) or np.isnan(know).any() or np.isnan(not_know).any():
        return OverModels(np.nan, np.nan, np.nan)
    wins = np.sign(know[:, None] - not_know[None, :]) / 2 + 0.5
    rng = np.random.default_rng(seed)
    rows, columns = (rng.integers(n, size=(draws, n)) for n in wins.shape)
    drawn = np.array([wins[np.ix_(r, c)].mean() for r, c in zip(rows, columns, strict=True)])
    return OverModels(float(wins.mean()), *_ends(drawn))


def mean_with_bootstrap(values: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> OverModels:
    """The mean over models, and its interval where there are at least two; NaN of none.

    >>> mean_with_bootstrap([0.5, 0.5])
    OverModels(value=0.5, low=0.5, high=0.5)
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if not x.size or np.isnan(x).any():
        return OverModels(np.nan, np.nan, np.nan)
    drawn = x[np.random.default_rng(seed).integers(x.size, size=(draws, x.size))].mean(axis=1)
    return OverModels(float(x.mean()), *(_ends(drawn) if x.size > 1 else (np.nan, np.nan)))


def _ends(drawn: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
