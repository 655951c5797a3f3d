"""The numbers of one task of an evaluation log in TOFU's format, checked; every mistake is told with its place."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.shown import first_lines, named, shown

__all__ = ["METRICS", "columns_of"]

METRICS = ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss", "rougeL_recall")
"""The metrics that are needed; all else in a log is ignored."""

ROUNDING = 1e-3
"""How far below 0 a mean of −log π may be by rounding: log_softmax in half precision."""
LARGEST = float(np.finfo(np.float32).max)
"""No model's loss is larger."""
_INDEX = re.compile("0|[1-9][0-9]{0,8}")


def columns_of(path: Path, task: str, found: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
    """The columns of `METRICS` in the order of the questions' numbers; UserError with all that is wrong."""
    if missing := [metric for metric in METRICS if not isinstance(found.get(metric), dict) or not found[metric]]:
        raise UserError(f"{path}, {task}: no {', '.join(missing)}. Evaluate again with these metrics.")
    indices = _indices(path, task, found)
    wrong = [problem for metric in METRICS for problem in _wrong(metric, found[metric], indices)]
    if not wrong:
        wrong = _unequal(found["average_perturb_loss"], indices)
    if wrong:
        lines = [f"{path}, {task}:", *first_lines(wrong), "Evaluate again."]
        raise UserError("\n".join(lines))
    return tuple(np.array([found[metric][i] for i in indices], dtype=np.float64) for metric in METRICS)


def _indices(path: Path, task: str, found: Mapping[str, Any]) -> list[str]:
    """The numbers of the questions, in order; the same for every metric."""
    first = METRICS[0]
    if strange := [key for metric in METRICS for key in found[metric] if not _INDEX.fullmatch(key)]:
        raise UserError(
            f"{path}, {task}: questions are numbered 0, 1, 2, …; these keys are no such numbers: "
            f"{named(map(repr, dict.fromkeys(strange)))}. Evaluate again."
        )
    for metric in METRICS:
        if set(found[metric]) != set(found[first]):
            raise UserError(
                f"{path}, {task}: {metric} has {len(found[metric])} questions, {first} has {len(found[first])}, or "
                "others. Evaluate again, so that every metric has the same questions."
            )
    return sorted(found[first], key=int)


def _wrong(metric: str, column: Mapping[str, Any], indices: Sequence[str]) -> list[str]:
    reason: Callable[[Any], str] = {"average_perturb_loss": _not_losses, "rougeL_recall": _no_share}.get(
        metric, _no_loss
    )
    reasons = ((i, reason(column[i])) for i in indices)
    return [f"{metric} of question {i}: {why}." for i, why in reasons if why]


def _no_number(value: Any) -> str:
    """Why it is no finite number; empty if it is one."""
    if value is None:
        return "it is null, which is written where a loss was not finite: such a model can't be scored"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"a number was expected, got {shown(value)}"
    return "" if abs(value) <= LARGEST else f"{shown(value)} is larger than any model's loss"


def _no_loss(value: Any) -> str:
    if why := _no_number(value):
        return why
    return "" if value >= -ROUNDING else f"{value} is negative, and −log π never is"


def _not_losses(value: Any) -> str:
    if not isinstance(value, list):
        return f"a list of losses was expected, got {shown(value)}"
    if not value:
        return "it has no perturbed answers"
    return next(filter(None, map(_no_loss, value)), "")


def _no_share(value: Any) -> str:
    if why := _no_number(value):
        return why
    return "" if 0 <= value <= 1 or math.isclose(value, 1) else f"{value} is no recall: that is from 0 to 1"


def _unequal(column: Mapping[str, Sequence[float]], indices: Sequence[str]) -> list[str]:
    first = len(column[indices[0]])
    told = f"perturbed answers, question {indices[0]} has {first}; all must have as many"
    return [f"question {i} has {len(column[i])} {told}." for i in indices if len(column[i]) != first]
