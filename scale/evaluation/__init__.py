"""Examinations: metrics, protocols, TOFU's log format, drift from the reference. The metrics are imported from here."""

from scale.evaluation.metrics import (
    DIFFERENT,
    KNOWN,
    UNKNOWN,
    ForgetQuality,
    Losses,
    forget_quality,
    forget_truth_ratio,
    harmonic_mean,
    log_truth_ratio_arithmetic,
    log_truth_ratio_geometric,
    probability,
    probability_among,
    quality_interval,
    rankable,
    retain_truth_ratio,
)

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
