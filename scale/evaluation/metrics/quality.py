"""Forget quality, the test between an unlearned and a retrained model; can methods be ranked by these models at all?"""

import math
from typing import NamedTuple

import numpy as np

__all__ = ["DIFFERENT", "KNOWN", "UNKNOWN", "ForgetQuality", "forget_quality", "quality_interval", "rankable"]

KNOWN = 0.8
"""A finetuned model knows the forget set from this mean answer probability on."""
UNKNOWN = 0.4
"""A retrained model does not know the forget set up to this mean answer probability."""
DIFFERENT = 0.01
"""The two differ on the forget set up to this forget quality."""


class ForgetQuality(NamedTuple):
    """The KS test between two models: p, log10 p, the statistic D, both sample sizes, log10 of the least p there is."""

    p: float
    log10_p: float
    statistic: float
    n: int
    n_retrained: int
    log10_floor: float


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
    from scipy.stats import ks_2samp  # half a second, at the first test and not before

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


def rankable(*, finetuned: float, retrained: float, p: float | None) -> list[str]:
    """Why methods can't be ranked on these models: reasons as sentences, none if they can.

    `finetuned` and `retrained` are mean answer probabilities on the forget set, `p` their forget quality, None where
    the questions allow no such test.
    """
    checks = {
        f"The finetuned model does not know the forget set: answer probability {finetuned:.3g}, "
        f"{KNOWN} is asked.": finetuned >= KNOWN,
        f"The retrained model knows the forget set: answer probability {retrained:.3g}, "
        f"at most {UNKNOWN} is allowed.": retrained <= UNKNOWN,
    }
    if p is not None:
        checks[
            f"Finetuned and retrained model can't be told apart on the forget set: forget quality {p:.2g}, "
            f"at most {DIFFERENT} is asked."
        ] = p <= DIFFERENT
    return [reason for reason, holds in checks.items() if not holds]
