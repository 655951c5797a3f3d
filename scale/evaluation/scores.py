"""What an examination adds up to: means over the questions of every set, and what is of all sets, or of two models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scale.evaluation.asked import TOFU_METRICS
from scale.evaluation.catalogue import METRICS, Metric, is_own
from scale.evaluation.metrics.losses import Losses
from scale.evaluation.metrics.quality import forget_quality
from scale.evaluation.metrics.utility import model_utility
from scale.evaluation.protocols import Protocol
from scale.evaluation.results import NOTHING, SetResult, finite, of_one_shape
from scale.evaluation.values import NONE, own_column

__all__ = ["TOFU_WHOLE", "WHOLE", "Whole", "log_ratio_of", "over_set", "scores"]

Found = Mapping[str, SetResult]
Whole = Callable[[Mapping[str, float], Found, Found | None, Protocol], Mapping[str, float]]
"""From the scores of sets so far, what was found, the same of a retrained model (None where there is none) and the
protocol to scores of the whole examination, by name."""


def _model_utility(
    values: Mapping[str, float], found: Found, retrained: Found | None, protocol: Protocol
) -> dict[str, float]:
    """The harmonic mean of TOFU's nine parts; NaN where an answer was not generated, so that ROUGE is missing."""
    del found, retrained, protocol
    return {"model_utility": model_utility(values)}


def _forget_quality(
    values: Mapping[str, float], found: Found, retrained: Found | None, protocol: Protocol
) -> dict[str, float]:
    """The test between the truth ratios of this and of a retrained model on the forget set; nothing without one."""
    del values
    if retrained is None:
        return {}
    quality = forget_quality(*(log_ratio_of(of["forget"], protocol) for of in (found, retrained)))
    return {
        "forget_quality": quality.p,
        "log10_forget_quality": quality.log10_p,
        "ks_statistic": quality.statistic,
    }


WHOLE: Mapping[str, Whole] = {"model_utility": _model_utility, "forget_quality": _forget_quality}
"""What is made of all sets, or of two models, by the name that a task asks for it."""
TOFU_WHOLE = ("model_utility", "forget_quality")


def scores(
    found: Found,
    protocol: Protocol,
    retrained: Found | Losses | None = None,
    *,
    asked: Mapping[str, Mapping[str, str]] = TOFU_METRICS,
    whole: Sequence[str | Whole] = TOFU_WHOLE,
) -> dict[str, float | None]:
    """Means over the questions of every set, by `<set>_<score>`, and before them what `whole` makes of it all.

    `asked` names the metrics of each set; of what else was measured the mean is taken too. `whole` names some of
    `WHOLE`, or has a task's own. `retrained` is what was found of a retrained model, or its losses on the forget set.
    None stands where a number is not finite.
    """
    values: dict[str, float] = {}
    for name, part in found.items():
        values |= {f"{name}_{score}": value for score, value in _of_set(part, asked.get(name, {}), protocol).items()}
    judge = {"forget": SetResult(retrained, NOTHING, {})} if isinstance(retrained, Losses) else retrained
    every = (WHOLE[one] if isinstance(one, str) else one for one in whole)
    above = [one(values, found, judge, protocol) for one in every]
    return {key: finite(value) for one in (*above, values) for key, value in one.items()}


def _of_set(part: SetResult, metrics: Mapping[str, str], protocol: Protocol) -> dict[str, float]:
    """The mean of every metric that can be had."""
    found = {}
    for score in dict.fromkeys((*metrics, *part.values)):
        metric = METRICS.get(protocol.form(metrics.get(score, "")))
        again = metric is not None and metric.of_a_set  # computed from the losses, and so under any protocol
        column = over_set(metric, part, protocol) if metric and again else part.values.get(score, NONE)
        if column.size:
            found[score] = float(column.mean())
    return found


def over_set(metric: Metric, part: SetResult, protocol: Protocol) -> np.ndarray:
    """A metric of a whole set, question by question; empty where it is none, or what it needs is not there."""
    if not (metric.of_a_set and part.losses.answer.size):
        return NONE
    found = np.full(len(part.losses.answer), np.nan)
    known = np.zeros(len(found), dtype=bool)
    for where, losses in of_one_shape(part):
        given: dict[str, Any] = {"losses": losses}
        if "log_ratio" in metric.needs:
            if not losses.perturbed.shape[1]:
                continue
            given["log_ratio"] = protocol.log_truth_ratio(losses)
        needed = {name: given[name] for name in metric.needs}
        found[where] = own_column(metric, needed, len(where)) if is_own(metric.name) else metric.of(needed)
        known[where] = True
    return found[known]


def log_ratio_of(part: SetResult, protocol: Protocol) -> np.ndarray:
    """The log truth ratio of every question that has wrong answers."""
    return over_set(_LOG_RATIO, part, protocol)


_LOG_RATIO = Metric("log_ratio", lambda log_ratio: log_ratio)
