"""A score of every question, what it comes to over all of them, and how sure that is: a bootstrap over questions.

    mean of n questions    (1/n) Σ_i s_i
    AUC                    P(s_i < t_j) + P(s_i = t_j)/2 over all pairs of a row to forget and a row held out

The interval is the percentile one: questions are drawn anew with replacement, of an AUC both sets. A difference of two
models is taken on the same draws of the same questions, so what makes a question hard for both cancels.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scale.evaluation.metrics.membership import auc

__all__ = ["DRAWS", "Items", "Score", "difference", "drawn", "interval", "score_of", "statistic"]

DRAWS = 1000
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Items:
    """A score by question, (n,); of membership scores those of the rows held out too, (m,).

    NaN: this question has no such score (no paraphrase, no wrong answer, no entity).
    """

    values: np.ndarray
    others: np.ndarray | None = None

    @property
    def n(self) -> int:
        """How many questions have it, rows held out not counted."""
        return int(np.isfinite(self.values).sum())


class Score(NamedTuple):
    """What a score comes to over the questions, and its 95 % interval; NaN where it has no value."""

    value: float
    low: float
    high: float


def statistic(items: Items) -> float:
    """The mean over the questions that have the score, or the AUC; NaN where none has.

    >>> statistic(Items(np.array([0.0, 1.0, np.nan])))
    0.5
    """
    values = items.values[~np.isnan(items.values)]
    if items.others is not None:
        return auc(values, items.others[~np.isnan(items.others)])
    return float(values.mean()) if values.size else float("nan")


def score_of(items: Items, *, draws: int = DRAWS, seed: int = 0) -> Score:
    """The statistic with its percentile bootstrap interval.

    >>> score_of(Items(np.array([1.0, 1.0])))
    Score(value=1.0, low=1.0, high=1.0)
    """
    return interval(statistic(items), drawn(items, draws, seed))


def difference(items: Items, beside: Items, *, draws: int = DRAWS, seed: int = 0) -> Score:
    """The statistic of one model less that of another on the same questions, drawn in pairs.

    ValueError where they were not asked the same questions.
    """
    if _sizes(items) != _sizes(beside):
        raise ValueError(f"{_sizes(items)} and {_sizes(beside)} questions can't be compared one by one.")
    again = drawn(items, draws, seed) - drawn(beside, draws, seed)
    return interval(statistic(items) - statistic(beside), again)


def _sizes(items: Items) -> tuple[int, int | None]:
    return len(items.values), None if items.others is None else len(items.others)


def interval(value: float, again: np.ndarray) -> Score:
    """A value with the 95 % percentile interval of what it comes to on other draws; NaN among these do not count."""
    there = again[~np.isnan(again)]
    low, high = np.quantile(there, _TAILS) if there.size and np.isfinite(value) else (np.nan, np.nan)
    return Score(value, float(low), float(high))


def drawn(items: Items, draws: int, seed: int) -> np.ndarray:
    """The statistic on so many draws, (draws,); what is drawn depends on the number of questions and the seed alone."""
    times = _times(len(items.values), draws, (seed, 0))
    if items.others is None:
        return _means(items.values, times)
    return _aucs(items.values, times, items.others, _times(len(items.others), draws, (seed, 1)))


@lru_cache(maxsize=4)
def _times(n: int, draws: int, seed: tuple[int, int]) -> np.ndarray:
    """How often each of n questions is there in each of so many draws of n, (draws, n)."""
    random = np.random.default_rng(seed)
    return random.multinomial(n, np.full(n, 1 / n), size=draws) if n else np.zeros((draws, 0), dtype=np.int64)


def _means(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    there = ~np.isnan(values)
    weights = times[:, there]
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw without any question that has the score
        return weights @ values[there] / weights.sum(axis=1)


def _aucs(values: np.ndarray, times: np.ndarray, others: np.ndarray, other_times: np.ndarray) -> np.ndarray:
    """AUCs of draws in which a row is there so many times, (draws,): half of those at least as large, half of larger.

    Σ_i a_i (Σ_j b_j 1[t_j > s_i] + Σ_j b_j 1[t_j ≥ s_i]) / (2 Σ_i a_i Σ_j b_j)
    """
    mine, theirs = ~np.isnan(values), ~np.isnan(others)
    order = np.argsort(others[theirs])
    a, b = times[:, mine], other_times[:, theirs][:, order]
    below = np.concatenate([np.zeros((len(b), 1)), np.cumsum(b, axis=1)], axis=1)
    total, ordered = below[:, -1:], others[theirs][order]
    above = [total - below[:, np.searchsorted(ordered, values[mine], side)] for side in ("left", "right")]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * (above[0] + above[1])).sum(axis=1) / (2 * a.sum(axis=1) * total[:, 0])
