"""Metrics, one file a family: pure functions of arrays, whose parameters name what they need.

    probability    P = exp(−NLL(answer))
    truth ratio    R = mean over perturbed answers of their probability / probability of the paraphrased answer;
                   the mean is arithmetic (arXiv:2401.06121, protocol `tofu-paper`) or geometric (leaderboard, `tofu`)
    forget quality p of the exact two-sided Kolmogorov–Smirnov test between the truth ratios of two models
    utility        harmonic mean of its parts

Every NLL is a mean over the tokens of one answer, its end token included, in nats. What there is to be named says
`scale.evaluation.measurable`, by which names metrics are asked for `scale.evaluation.catalogue`.
"""

from scale.evaluation.metrics.losses import Losses
from scale.evaluation.metrics.memorization import exact_memorization, extraction_strength
from scale.evaluation.metrics.probability import (
    paraphrase_probability,
    probability,
    probability_among,
    probability_among_guarded,
)
from scale.evaluation.metrics.quality import (
    DIFFERENT,
    KNOWN,
    UNKNOWN,
    ForgetQuality,
    forget_quality,
    quality_interval,
    rankable,
)
from scale.evaluation.metrics.truth_ratio import (
    forget_truth_ratio,
    log_truth_ratio_arithmetic,
    log_truth_ratio_geometric,
    log_truth_ratio_guarded,
    retain_truth_ratio,
    truth_share,
    truth_share_guarded,
)
from scale.evaluation.metrics.utility import harmonic_mean, model_utility

__all__ = [
    "DIFFERENT",
    "KNOWN",
    "UNKNOWN",
    "ForgetQuality",
    "Losses",
    "exact_memorization",
    "extraction_strength",
    "forget_quality",
    "forget_truth_ratio",
    "harmonic_mean",
    "log_truth_ratio_arithmetic",
    "log_truth_ratio_geometric",
    "log_truth_ratio_guarded",
    "model_utility",
    "paraphrase_probability",
    "probability",
    "probability_among",
    "probability_among_guarded",
    "quality_interval",
    "rankable",
    "retain_truth_ratio",
    "truth_share",
    "truth_share_guarded",
]
