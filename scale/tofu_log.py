"""Evaluation logs in TOFU's format: read, written, scored under a protocol.

A log is {task: {metric: {index: value}}}. Of its metrics four are needed: `avg_gt_loss`, `avg_paraphrased_loss` and
`average_perturb_loss` (per-token mean NLL of the answer, its paraphrase and the perturbed answers, in nats) and
`rougeL_recall`.  Source: arXiv:2401.06121, Sec. 2.2.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from scale.evaluate import Exam, Part, scores
from scale.metrics import Losses, forget_quality, quality_interval
from scale.protocols import Protocol

__all__ = ["as_log", "read_log", "score"]

_TASKS = {
    "retain": "eval_log.json",
    "real_authors": "eval_real_author_wo_options.json",
    "world_facts": "eval_real_world_wo_options.json",
    "forget": "eval_log_forget.json",
}
_METRICS = ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss", "rougeL_recall")
_USUAL = {"retain": (300, 400), "real_authors": (100, 100), "world_facts": (117, 117), "forget": (300, 400)}


def read_log(path: Path) -> dict[str, Part]:
    """Read a log; UserError where the file is absent or broken, or lacks a task, a metric or a question."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError:
        raise UserError(f"There is no file {path}. Name an evaluation log in TOFU's format.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not JSON ({error}). Write the log again, or name another.") from None
    return {name: _part(path, content, task) for name, task in _TASKS.items()}


def _part(path: Path, content: Any, task: str) -> Part:
    found = content.get(task) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise UserError(f"{path} has no task {task}. An evaluation log of TOFU has {', '.join(_TASKS.values())}.")
    if missing := [metric for metric in _METRICS if not isinstance(found.get(metric), dict) or not found[metric]]:
        raise UserError(f"{path}, {task}: no {', '.join(missing)}. Evaluate again with these metrics.")
    try:
        indices = sorted(found[_METRICS[0]], key=int)
    except ValueError:
        raise UserError(f"{path}, {task}: the keys of {_METRICS[0]} are not numbers. Evaluate again.") from None
    for metric in _METRICS:
        if set(found[metric]) != set(indices):
            raise UserError(
                f"{path}, {task}: {metric} has {len(found[metric])} questions, {_METRICS[0]} has {len(indices)}, or "
                "others. Evaluate again, so that every metric has the same questions."
            )
    try:
        columns = [np.array([found[metric][index] for index in indices], dtype=np.float64) for metric in _METRICS]
    except (TypeError, ValueError):
        raise UserError(
            f"{path}, {task}: a loss is not a number, or questions have unequal numbers of perturbed answers. "
            "Evaluate again."
        ) from None
    answer, paraphrase, perturbed, rouge = columns
    if (
        answer.ndim != 1
        or paraphrase.ndim != 1
        or perturbed.ndim != 2
        or not np.isfinite(np.hstack([*columns[:2], rouge])).all()
    ):
        raise UserError(
            f"{path}, {task}: losses must be finite numbers, of perturbed answers a list each. Evaluate again."
        )
    none = Losses(np.array([]), np.array([]), np.array([]))
    return Part(Losses(answer, paraphrase, perturbed), none, rouge, rouge, np.array([]))


def as_log(found: Mapping[str, Part], exam: Exam) -> dict[str, Any]:
    """An examination in TOFU's format; JSON has no NaN, so a loss that is not finite is None."""
    log = {}
    for name, part in found.items():
        rows = exam.rows[name]
        columns: dict[str, list[Any]] = {
            "avg_gt_loss": _list(part.losses.answer),
            "gt_loss": _list(part.losses.answer * part.tokens.answer),
            "num_token_gt": _list(part.tokens.answer),
            "avg_paraphrased_loss": _list(part.losses.paraphrase),
            "average_perturb_loss": [_list(row) for row in part.losses.perturbed],
            "truth_ratio": _list(np.exp(exam.protocol.log_truth_ratio(part.losses).clip(-700, 700))),
        }
        if part.answers:
            columns |= {
                "rouge1_recall": _list(part.rouge1),
                "rougeL_recall": _list(part.rougeL),
                "generated_text": [
                    [exam.writer.prompt(row.question), said, row.answer]
                    for row, said in zip(rows, part.answers, strict=True)
                ],
            }
        log[_TASKS[name]] = {metric: {str(i): x for i, x in enumerate(values)} for metric, values in columns.items()}
    return log


def _list(values: np.ndarray) -> list[float | None]:
    return [float(x) if math.isfinite(x) else None for x in values]


def score(log: Mapping[str, Part], retrained: Mapping[str, Part], protocol: Protocol) -> dict[str, Any]:
    """Model utility, its nine parts, and forget quality against the log of a retrained model, with its interval."""
    ratio = protocol.log_truth_ratio
    own, other = ratio(log["forget"].losses), ratio(retrained["forget"].losses)
    quality = forget_quality(own, other)
    plain = {key: value for key, value in scores(log, protocol).items() if not key.endswith(("rouge1", "degenerate"))}
    return {
        "protocol": protocol.name,
        **plain,
        "forget_quality": quality.p,
        "log10_forget_quality": quality.log10_p,
        "log10_forget_quality_interval": list(quality_interval(own, other)),
        "log10_floor": quality.log10_floor,
        "ks_statistic": quality.statistic,
        "n": quality.n,
        "n_retrained": quality.n_retrained,
    }


def misfits(log: Mapping[str, Part], protocol: Protocol, path: Path) -> list[str]:
    """Warnings where a log has another number of rows than its protocol asks."""
    warned = []
    for name, (at_most, all_rows) in _USUAL.items():
        n, wanted = len(log[name].losses.answer), all_rows if protocol.questions is None else at_most
        allowed = {40, 200, wanted} if name == "forget" else {wanted}
        if n not in allowed:
            warned.append(f"{path}: {n} {name} questions, and the protocol {protocol.name} has {wanted}.")
    return warned
