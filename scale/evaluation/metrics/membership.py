"""Was a text in the training set? Scores that are small where it was, and how well they tell texts apart.

    LOSS       mean of −log p over all tokens of an answer, its end token among them (Yeom et al., arXiv:1709.01604)
    zlib       LOSS / bytes of the answer's text compressed by zlib (Carlini et al., arXiv:2012.07805)
    reference  LOSS − LOSS of the same answer under a model that has not seen it
    Min-K %    −mean of the log-probabilities of the least likely K % of a text's tokens (arXiv:2310.16789)
    Min-K++ %  the same of (log p − μ)/σ, their place among the log-probabilities of all tokens (arXiv:2404.02936)
    gradient   mean over a model's parameters of ‖∂ LOSS/∂ parameter‖₂, the end token left out
    AUC        P(member's score < other's) + P(equal) / 2, over all pairs
    PrivLeak   100 (s − r)/r with s = 1 − AUC, r = 1 − AUC of a retrained model (MUSE, arXiv:2407.06460)

LOSS, zlib and reference count the end token, the others do not: so does open-unlearning (arXiv:2506.12618), and so do
its published numbers. An AUC has no right value of its own: texts of the two sets may differ in more than who has seen
them, so it is read beside that of a retrained model, which is not 1/2 in general.
"""

import math
from zlib import compress

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "FLOOR",
    "auc",
    "gradient_norm",
    "loss",
    "min_k",
    "min_k_plus_plus",
    "priv_leak",
    "reference",
    "relative_difference",
    "zlib",
]

FLOOR = 1e-6
"""The least variance (nats²) that Min-K++ divides by the root of, as open-unlearning has it."""


def loss(token_logp: ArrayLike) -> float:
    """LOSS: −(1/n) Σ_t log p_t, in nats a token, of all an answer's tokens: its end token belongs among them.

    What members have less of.  Source: arXiv:1709.01604; open-unlearning's `mia_loss`. NaN for no token.

    >>> loss([-1.0, -0.5, -0.75])
    0.75
    """
    logp = np.asarray(token_logp, dtype=np.float64).ravel()
    return 0.0 - float(logp.mean()) if logp.size else math.nan


def zlib(loss: float, text: str) -> float:
    """`loss` (nats a token) over the bytes of `text` compressed by zlib: repetitive texts are likely unseen too.

    The text is the answer's, in UTF-8.  Source: arXiv:2012.07805, Sec. 4.2; open-unlearning's `mia_zlib`, whose text is
    what the answer's tokens are decoded to.

    >>> zlib(0.75, "Basil Al-Kuwaiti was born in Kuwait.") * 40
    0.75
    """
    return loss / len(compress(text.encode("utf-8")))


def reference(loss: float, loss_of_reference: float) -> float:
    """`loss` − `loss_of_reference`, nats a token: what is easy for a model that never saw the text tells nothing.

    Source: arXiv:2012.07805, Sec. 4.2 (there a ratio); open-unlearning's `mia_reference`.

    >>> reference(0.75, 2.5)
    -1.75
    """
    return loss - loss_of_reference


def gradient_norm(norms: ArrayLike) -> float:
    """The mean of ‖∂ LOSS/∂ parameter‖₂ over a model's parameters, `norms` (parameters,); small for members.

    Open-unlearning's `mia_gradnorm` is this positive number, though its text says that it is the negative one: with
    that the AUC would be 1 minus what it is. Its means go over tensors, so one split in two counts twice.
    `scale.audit.gradients` measures the norms.  Source: arXiv:2402.17012. NaN for none.

    >>> gradient_norm([0.5, 1.5])
    1.0
    """
    found = np.asarray(norms, dtype=np.float64).ravel()
    return float(found.mean()) if found.size else math.nan


def min_k(token_logp: ArrayLike, k: float = 0.4, *, least: int = 1) -> float:
    """−mean of the least ⌊k n⌋ of a text's n token log-probabilities, but of `least` of them at the least; in nats.

    The end token is left out of them.

    Source: arXiv:2310.16789. `least=1` is open-unlearning's; MUSE's is `least=0`, which has no value (NaN) for
    ⌊k n⌋ = 0; from n = 3 on they are the same at k = .4. NaN too for a text of no token.  ValueError where k is not
    between 0 and 1.

    >>> min_k([-1.0, -4.0, -2.0, -0.5, -3.0], 0.4)
    3.5
    >>> min_k([-1.0, -4.0]), min_k([-1.0, -4.0], least=0)
    (4.0, nan)
    """
    return _least(np.asarray(token_logp, dtype=np.float64).ravel(), k, least)


def min_k_plus_plus(
    token_logp: ArrayLike, mean: ArrayLike, variance: ArrayLike, k: float = 0.4, *, least: int = 1
) -> float:
    """−mean of the least ⌊k n⌋ of z_t = (log p_t − μ_t)/√max(σ²_t, 10⁻⁶) of an answer's n tokens, its end left out.

    `mean` and `variance` (n,) are those of log p(v) under p over the vocabulary in a token's place: μ = Σ_v p log p
    (nats) and σ² (nats²). The floor of σ² decides where a model is certain: a token of which it is sure to 10⁻⁸ has
    μ = log p and z = 0, and another one there z = −10³ (log p_t − μ_t)/nat.  Source: arXiv:2404.02936, Sec. 4; the
    floor is open-unlearning's.  ValueError where k is not between 0 and 1, or shapes differ.

    >>> min_k_plus_plus([-1.0, -3.0], [-1.0, -1.0], [1.0, 4.0], 0.5)
    1.0
    """
    logp, mu, square = (np.asarray(one, dtype=np.float64).ravel() for one in (token_logp, mean, variance))
    if not logp.shape == mu.shape == square.shape:
        shapes = ", ".join(str(one.size) for one in (logp, mu, square))
        raise ValueError(f"token_logp, mean and variance are of the same tokens, not of {shapes}.")
    return _least((logp - mu) / np.sqrt(np.maximum(square, FLOOR)), k, least)


def _least(values: np.ndarray, k: float, least: int) -> float:
    """−mean of the least ⌊k n⌋ of n values, but of `least` of them at the least; NaN where that is of none."""
    if not 0 <= k <= 1:
        raise ValueError(f"k is the share of tokens that are taken, between 0 and 1, not {k}.")
    count = min(len(values), max(least, int(k * len(values))))
    return 0.0 - float(np.sort(values)[:count].mean()) if count else math.nan


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
