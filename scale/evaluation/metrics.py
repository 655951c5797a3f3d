"""The measures of TOFU, from per-token mean losses: probability, truth ratio, forget quality, utility.

    probability    P = exp(−NLL(answer))
    truth ratio    R = mean over perturbed answers of their probability / probability of the paraphrased answer;
                   the mean is arithmetic (arXiv:2401.06121, protocol `tofu-paper`) or geometric (leaderboard, `tofu`)
    forget quality p of the exact two-sided Kolmogorov–Smirnov test between the truth ratios of two models
    utility        harmonic mean of its parts

Every NLL is a mean over the tokens of one answer, its end token included, in nats. Truth ratios are kept as logarithms:
a model that gradient ascent has destroyed puts them beyond the range of floating-point numbers.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import ks_2samp

__all__ = [
    "DIFFERENT",
    "KNOWN",
    "UNKNOWN",
    "ForgetQuality",
    "Losses",
    "forget_quality",
    "forget_truth_ratio",
    "harmonic_mean",
    "log_truth_ratio_arithmetic",
    "log_truth_ratio_geometric",
    "probability",
    "probability_among",
    "quality_interval",
    "rankable",
    "retain_truth_ratio",
]

KNOWN = 0.8
"""A finetuned model knows the forget set from this mean answer probability on."""
UNKNOWN = 0.4
"""A retrained model does not know the forget set up to this mean answer probability."""
DIFFERENT = 0.01
"""The two differ on the forget set up to this forget quality."""


class Losses(NamedTuple):
    """Per-token mean NLL of n questions, in nats: answer (n,), paraphrase (n,), k perturbed answers (n, k)."""

    answer: np.ndarray
    paraphrase: np.ndarray
    perturbed: np.ndarray


class ForgetQuality(NamedTuple):
    """The KS test between two models: p, log10 p, the statistic D, both sample sizes, log10 of the least p there is."""

    p: float
    log10_p: float
    statistic: float
    n: int
    n_retrained: int
    log10_floor: float


def probability(losses: Losses) -> np.ndarray:
    """exp(−NLL(answer)), (n,): the geometric mean of the probabilities of an answer's tokens."""
    return np.exp(-losses.answer)


def probability_among(losses: Losses) -> np.ndarray:
    """The answer's probability among itself and the perturbed ones, (n,); TOFU's for real authors and world facts.

    P(answer) / (P(answer) + Σ_j P(perturbed_j)), each P = exp(−NLL).  Source: arXiv:2401.06121, Sec. 2.2.
    """
    every = np.concatenate([losses.answer[:, None], losses.perturbed], axis=1)
    with np.errstate(invalid="ignore"):  # none of them has a probability
        return np.exp(-losses.answer - logsumexp(-every, axis=1))


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


def retain_truth_ratio(log_ratio: np.ndarray) -> np.ndarray:
    """max(0, 1 − R), (n,): 1 where the model holds the paraphrase for far likelier than the wrong answers."""
    return 0.0 - np.expm1(np.minimum(log_ratio, 0.0))  # not −0 for R = 1


def forget_truth_ratio(log_ratio: np.ndarray) -> np.ndarray:
    """min(R, 1/R), (n,): 1 where the model can't tell the paraphrase from the wrong answers."""
    return np.exp(-np.abs(log_ratio))


def forget_quality(log_ratio: np.ndarray, log_ratio_retrained: np.ndarray) -> ForgetQuality:
    """Exact two-sided KS test between the truth ratios of an unlearned and of the retrained model.

    A large p: the two can't be told apart. The least p, at D = 1, is 2 / C(n + m, n). The logarithm changes no rank,
    so log ratios give the test of the ratios. Where a ratio is not finite, or a model answered no question, there is no
    test: p and D are NaN.
    """
    n, m = len(log_ratio), len(log_ratio_retrained)
    log_floor = math.log(2) + math.lgamma(n + 1) + math.lgamma(m + 1) - math.lgamma(n + m + 1)
    floor = log_floor / math.log(10)
    if not _comparable(log_ratio, log_ratio_retrained):
        return ForgetQuality(math.nan, math.nan, math.nan, n, m, floor)
    found = ks_2samp(log_ratio, log_ratio_retrained, method="exact")
    p = float(found.pvalue)
    return ForgetQuality(p, math.log10(p) if p > 0 else floor, float(found.statistic), n, m, floor)


def _comparable(*samples: np.ndarray) -> bool:
    return all(len(sample) > 0 and np.isfinite(sample).all() for sample in samples)


def quality_interval(
    log_ratio: np.ndarray, log_ratio_retrained: np.ndarray, *, draws: int = 200, seed: int = 0
) -> tuple[float | None, float | None]:
    """A 95 % bootstrap interval of log10 forget quality over the questions; (None, None) where there is no test.

    Both models answer the same questions, so questions are drawn in pairs where there are equally many of them.
    """
    if not _comparable(log_ratio, log_ratio_retrained):
        return None, None
    random, n, m = np.random.default_rng(seed), len(log_ratio), len(log_ratio_retrained)
    found = []
    for _ in range(draws):
        own = random.integers(n, size=n)
        other = own if n == m else random.integers(m, size=m)
        found.append(forget_quality(log_ratio[own], log_ratio_retrained[other]).log10_p)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def harmonic_mean(parts: Iterable[float]) -> float:
    """n / Σ 1/x, and 0 where a part is 0: one lost ability is a lost model. NaN where there is no part."""
    values = [float(part) for part in parts]
    if not values:
        return math.nan
    return 0.0 if 0.0 in values else len(values) / sum(1 / value for value in values)


def rankable(*, finetuned: float, retrained: float, p: float) -> list[str]:
    """Why methods can't be ranked on these models: reasons as sentences, none if they can.

    `finetuned` and `retrained` are mean answer probabilities on the forget set, `p` their forget quality.
    """
    checks: Mapping[str, bool] = {
        f"The finetuned model does not know the forget set: answer probability {finetuned:.3g}, "
        f"{KNOWN} is asked.": finetuned >= KNOWN,
        f"The retrained model knows the forget set: answer probability {retrained:.3g}, "
        f"at most {UNKNOWN} is allowed.": retrained <= UNKNOWN,
        f"Finetuned and retrained model can't be told apart on the forget set: forget quality {p:.2g}, "
        f"at most {DIFFERENT} is asked.": p <= DIFFERENT,
    }
    return [reason for reason, holds in checks.items() if not holds]
