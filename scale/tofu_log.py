"""Score an evaluation log in TOFU's format: model utility with its nine parts, and forget quality.

A log is {task: {metric: {index: value}}}. Of its metrics four are read: `avg_gt_loss`, `avg_paraphrased_loss` and
`average_perturb_loss` (per-token mean NLL of the answer, its paraphrase and the perturbed answers, in nats) and
`rougeL_recall`. Which truth ratio is meant says the function that is passed: `log_truth_ratio_arithmetic` (the TOFU
paper) or `log_truth_ratio_geometric` (the leaderboard).  Source: arXiv:2401.06121, Sec. 2.2.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from records.errors import UserError
from scale.metrics import (
    Losses,
    forget_quality,
    harmonic_mean,
    probability,
    probability_among,
    retain_truth_ratio,
)

__all__ = ["Log", "Part", "model_utility", "read_log", "score"]

LogTruthRatio = Callable[[Losses], np.ndarray]

_TASKS = {
    "retain": "eval_log.json",
    "real_authors": "eval_real_author_wo_options.json",
    "world_facts": "eval_real_world_wo_options.json",
    "forget": "eval_log_forget.json",
}
_METRICS = ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss", "rougeL_recall")


class Part(NamedTuple):
    """One set of questions: their losses and the ROUGE-L recall of the generated answers, (n,)."""

    losses: Losses
    rouge: np.ndarray


class Log(NamedTuple):
    """The four sets of TOFU."""

    retain: Part
    real_authors: Part
    world_facts: Part
    forget: Part


def read_log(path: Path) -> Log:
    """Read a log; UserError where the file is absent or broken, or lacks a task, a metric or a question."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError:
        raise UserError(f"There is no file {path}. Name an evaluation log in TOFU's format.") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}). Write the log again, or name another.") from None
    return Log(*(_part(path, content, task) for task in _TASKS.values()))


def _part(path: Path, content: Any, task: str) -> Part:
    found = content.get(task) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise UserError(f"{path} has no task {task}. An evaluation log of TOFU has {', '.join(_TASKS.values())}.")
    if missing := [metric for metric in _METRICS if not found.get(metric)]:
        raise UserError(f"{path}, {task}: no {', '.join(missing)}. Evaluate again with these metrics.")
    indices = sorted(found[_METRICS[0]], key=int)
    for metric in _METRICS:
        if set(found[metric]) != set(indices):
            raise UserError(
                f"{path}, {task}: {metric} has {len(found[metric])} questions, {_METRICS[0]} has {len(indices)}, or "
                "others. Evaluate again, so that every metric has the same questions."
            )
    answer, paraphrase, perturbed, rouge = (
        np.array([found[metric][index] for index in indices], dtype=np.float64) for metric in _METRICS
    )
    return Part(Losses(answer, paraphrase, perturbed), rouge)


def model_utility(log: Log, log_truth_ratio: LogTruthRatio) -> dict[str, float]:
    """The harmonic mean of nine parts, and the parts: probability, ROUGE-L recall and truth ratio of three sets.

    Probability is exp(−NLL) on the retain set, and that among the answers offered on the other two. Truth ratio is
    the mean of max(0, 1 − R).
    """
    parts: dict[str, float] = {}
    sets = (("retain", probability), ("real_authors", probability_among), ("world_facts", probability_among))
    for name, probability_of in sets:
        part: Part = getattr(log, name)
        parts[f"{name}_probability"] = float(probability_of(part.losses).mean())
        parts[f"{name}_rouge"] = float(part.rouge.mean())
        parts[f"{name}_truth_ratio"] = float(retain_truth_ratio(log_truth_ratio(part.losses)).mean())
    return {"model_utility": harmonic_mean(parts.values()), **parts}


def score(log: Log, retrained: Log, log_truth_ratio: LogTruthRatio) -> dict[str, float | int]:
    """Model utility, its parts, and forget quality against the log of a retrained model."""
    found = forget_quality(log_truth_ratio(log.forget.losses), log_truth_ratio(retrained.forget.losses))
    return {
        **model_utility(log, log_truth_ratio),
        "forget_quality": found.p,
        "log10_forget_quality": found.log10_p,
        "ks_statistic": found.statistic,
        "n": found.n,
    }
