"""The truth ratio R: wrong answers against the paraphrased true one, and the three scores that are made of it.

    R = mean over wrong answers of their probability / probability of the paraphrase, each P = exp(−NLL a token)

It is kept as a logarithm: a model that gradient ascent has destroyed puts it beyond the range of floating-point
numbers.
"""

import math

import numpy as np
from scipy.special import expit, logsumexp

from scale.evaluation.metrics.losses import GUARD, Losses

__all__ = [
    "forget_truth_ratio",
    "log_truth_ratio_arithmetic",
    "log_truth_ratio_geometric",
    "log_truth_ratio_guarded",
    "retain_truth_ratio",
    "truth_share",
    "truth_share_guarded",
]


def log_truth_ratio_arithmetic(losses: Losses) -> np.ndarray:
    """log of (1/k) Σ_j P(perturbed_j) / P(paraphrase), (n,); NaN for k = 0.  Source: arXiv:2401.06121, Sec. 2.2."""
    k = losses.perturbed.shape[1]
    with np.errstate(invalid="ignore"):  # ∞ − ∞ of a destroyed model
        mean = logsumexp(-losses.perturbed, axis=1) - math.log(k) if k else np.full(len(losses.paraphrase), np.nan)
        return mean + losses.paraphrase


def log_truth_ratio_geometric(losses: Losses) -> np.ndarray:
    """log of (Π_j P(perturbed_j))^(1/k) / P(paraphrase), (n,): the ratio of the TOFU leaderboard; NaN for k = 0."""
    k = losses.perturbed.shape[1]
    with np.errstate(invalid="ignore"):  # ∞ − ∞ of a destroyed model
        return losses.paraphrase - (losses.perturbed.mean(axis=1) if k else np.nan)


def log_truth_ratio_guarded(losses: Losses) -> np.ndarray:
    """log of (Π_j P(perturbed_j))^(1/k) / (P(paraphrase) + 10⁻¹⁰), (n,): open-unlearning's ratio; NaN for k = 0.

    Of a destroyed model, to which no answer is as likely as 10⁻¹⁰, it is next to 0 whatever the answers.
    """
    k = losses.perturbed.shape[1]
    with np.errstate(invalid="ignore"):  # ∞ − ∞ of a destroyed model
        wrong = -losses.perturbed.mean(axis=1) if k else np.full(len(losses.paraphrase), np.nan)
        return wrong - np.logaddexp(-losses.paraphrase, math.log(GUARD))


def retain_truth_ratio(log_ratio: np.ndarray) -> np.ndarray:
    """max(0, 1 − R), (n,): 1 where the model holds the paraphrase for far likelier than the wrong answers.

    `true_better` of open-unlearning.
    """
    return 0.0 - np.expm1(np.minimum(log_ratio, 0.0))  # not −0 for R = 1


def forget_truth_ratio(log_ratio: np.ndarray) -> np.ndarray:
    """min(R, 1/R), (n,): 1 where the model can't tell the paraphrase from the wrong answers.

    `closer_to_1` of open-unlearning.
    """
    return np.exp(-np.abs(log_ratio))


def truth_share(log_ratio: np.ndarray) -> np.ndarray:
    """P(paraphrase) / (P(paraphrase) + mean P(perturbed)) = 1 / (1 + R), (n,): ½ where the two are as likely.

    `prob_mean` of open-unlearning, with its geometric mean of wrong answers (arXiv:2506.12618).

    >>> truth_share(np.log([1.0, 3.0]))
    array([0.5 , 0.25])
    """
    return expit(-log_ratio)


def truth_share_guarded(losses: Losses) -> np.ndarray:
    """P(paraphrase) / (P(paraphrase) + mean P(perturbed) + 10⁻¹⁰), (n,): `prob_mean` as open-unlearning computes it.

    The mean is geometric; a question without wrong answers has none (NaN).
    """
    k = losses.perturbed.shape[1]
    wrong = np.exp(-losses.perturbed.mean(axis=1)) if k else np.full(len(losses.paraphrase), np.nan)
    truth = np.exp(-losses.paraphrase)
    return truth / (truth + wrong + GUARD)
