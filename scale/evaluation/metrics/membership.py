"""Was a text in the training set? Scores that are small where it was, and how well they tell texts apart.

    Min-K %    −mean of the log-probabilities of the least likely K % of a text's tokens (arXiv:2310.16789)
    AUC        P(member's score < other's) + P(equal) / 2, over all pairs
    PrivLeak   100 (s − r)/r with s = 1 − AUC, r = 1 − AUC of a retrained model (MUSE, arXiv:2407.06460)

An AUC has no right value of its own: texts of the two sets may differ in more than who has seen them, so it is read
beside that of a retrained model, which is not 1/2 in general.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["auc", "min_k", "priv_leak", "relative_difference"]


def min_k(token_logp: ArrayLike, k: float = 0.4, *, least: int = 1) -> float:
    """−mean of the least ⌊k n⌋ of a text's n token log-probabilities, but of `least` of them at the least; in nats.

    Source: arXiv:2310.16789. `least=1` is open-unlearning's; MUSE's is `least=0`, which has no value (NaN) for
    ⌊k n⌋ = 0; from n = 3 on they are the same at k = .4. NaN too for a text of no token.  ValueError where k is not
    between 0 and 1.

    >>> min_k([-1.0, -4.0, -2.0, -0.5, -3.0], 0.4)
    3.5
    >>> min_k([-1.0, -4.0]), min_k([-1.0, -4.0], least=0)
    (4.0, nan)
    """
    if not 0 <= k <= 1:
        raise ValueError(f"k is the share of tokens that are taken, between 0 and 1, not {k}.")
    logp = np.sort(np.asarray(token_logp, dtype=np.float64).ravel())
    count = min(len(logp), max(least, int(k * len(logp))))
    return 0.0 - float(logp[:count].mean()) if count else math.nan


def auc(members: ArrayLike, others: ArrayLike) -> float:
    """P(score of a member < score of another) + P(equal)/2: 1 where all members have the smaller scores.

    Mann and Whitney's U by scipy, over the number of pairs. NaN where a set is empty or a score is NaN.

    MUSE's own AUC (`forget_holdout_…`) is 1 minus this one: there a text to forget counts as no member.

    >>> auc([1.0, 2.0], [3.0, 4.0]), auc([1.0, 3.0], [3.0, 5.0]), auc([2.0], [2.0])
    (1.0, 0.875, 0.5)
    """
    from scipy.stats import mannwhitneyu  # half a second, at the first AUC and not before

    mine, theirs = (np.asarray(scores, dtype=np.float64).ravel() for scores in (members, others))
    if not (mine.size and theirs.size) or np.isnan(mine).any() or np.isnan(theirs).any():
        return math.nan
    larger = mannwhitneyu(theirs, mine, method="asymptotic").statistic  # the statistic is exact; only p is not
    return float(larger) / (mine.size * theirs.size)


def priv_leak(auc: float, auc_retrained: float, *, epsilon: float = 0.0) -> float:
    """PrivLeak = 100 (s − r)/(r + ε) with s = 1 − auc, r = 1 − auc_retrained, both as `auc` gives them; in percent.

    0: what is forgotten is as hard to tell from what was never seen as after retraining; −100: the membership is plain
    (auc = 1), forgotten too little; above 0: less likely than what was never seen, which gives it away too. MUSE's is
    ε = 0, without a value (NaN) for r = 0; open-unlearning's has ε = 1e-10.  Source: arXiv:2407.06460, Sec. 3.

    >>> priv_leak(1.0, 0.5), priv_leak(0.5, 0.5), priv_leak(0.0, 0.5)
    (-100.0, 0.0, 100.0)
    """
    left, retrained = 1 - auc, 1 - auc_retrained
    return relative_difference(left, retrained, epsilon=epsilon)


def relative_difference(auc: float, auc_retrained: float, *, epsilon: float = 0.0) -> float:
    """100 (auc − auc_retrained)/(auc_retrained + ε), in percent; NaN where that divides by 0.

    With ε = 1e-10 open-unlearning's `rel_diff`, which takes the AUC as it is and not, as PrivLeak does, what it lacks
    to 1: another number, and another sign.

    >>> relative_difference(0.75, 0.5)
    50.0
    """
    below = auc_retrained + epsilon
    return 100 * (auc - auc_retrained) / below if below else math.nan
