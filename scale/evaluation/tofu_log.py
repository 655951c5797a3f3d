"""Evaluation logs in TOFU's format: read, written, scored under a protocol.

A log is {task: {metric: {index: value}}}. Of its metrics four are needed: `avg_gt_loss`, `avg_paraphrased_loss` and
`average_perturb_loss` (per-token mean NLL of the answer, its paraphrase and the perturbed answers, in nats) and
`rougeL_recall`.  Source: arXiv:2401.06121, Sec. 2.2.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.json_lines import read_json
from scale.evaluation.exam import Exam
from scale.evaluation.log_columns import METRICS, columns_of
from scale.evaluation.metrics import Losses, forget_quality, quality_interval
from scale.evaluation.protocols import Protocol
from scale.evaluation.results import SetResult, finite
from scale.evaluation.scores import scores

__all__ = ["TASKS", "as_log", "misfits", "mismatches", "part_of", "read_log", "score"]

TASKS = {
    "retain": "eval_log.json",
    "real_authors": "eval_real_author_wo_options.json",
    "world_facts": "eval_real_world_wo_options.json",
    "forget": "eval_log_forget.json",
}
_USUAL = {"retain": (300, 400), "real_authors": (100, 100), "world_facts": (117, 117), "forget": (300, 400)}


def read_log(path: Path) -> dict[str, SetResult]:
    """Read a log; UserError where the file is absent or something else, or a number in it can't be one of its kind."""
    content = _content(path)
    return {name: part_of(columns_of(path, task, content[task])) for name, task in TASKS.items()}


def _content(path: Path) -> dict[str, Any]:
    """All of a log, with its four tasks."""
    content = read_json(path, "Name an evaluation log in TOFU's format.")
    if missing := [task for task in TASKS.values() if not isinstance(_inside(content, task), dict)]:
        wanted = f"An evaluation log of TOFU (eval_log_aggregated.json) has {', '.join(TASKS.values())}."
        raise UserError(f"{path} has no task {', '.join(missing)}. {_other_kind(content)}{wanted}")
    return dict(content)


def _inside(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _other_kind(content: Any) -> str:
    """What the file seems to be instead, as a sentence; empty where there is no telling."""
    if not isinstance(content, dict):
        return "It is JSON, but no object. "
    if {"forget_quality", "model_utility"} & set(content) or any(_inside(x, "agg_value") for x in content.values()):
        return "It looks like an evaluation of open-unlearning (TOFU_EVAL.json, TOFU_SUMMARY.json). "
    if set(METRICS) & set(content):
        return "It looks like the log of one task alone: aggregate all four. "
    if {"moments", "scores", "texts"} & set(content):
        return "It looks like the data.json of a run: its log.json lies beside it. "
    if isinstance(content.get("runs"), dict):
        return "It looks like the runs.json of npo report: each run has a log.json of its own. "
    return ""


def part_of(columns: tuple[np.ndarray, ...]) -> SetResult:
    """The columns of `METRICS` as what was found of a set."""
    answer, paraphrase, perturbed, rouge = columns
    none = Losses(np.array([]), np.array([]), np.array([]))
    return SetResult(Losses(answer, paraphrase, perturbed), none, {"rouge": rouge, "rouge1": rouge})


def mismatches(unlearned: Path, retrained: Path) -> list[str]:
    """Warnings where two logs seem to be one, or not of the same questions to forget."""
    if unlearned.samefile(retrained):
        return [f"{unlearned} and {retrained} are the same file: it is scored against itself."]
    logs = [_content(path) for path in (unlearned, retrained)]
    if logs[0] == logs[1]:
        return [f"{unlearned} and {retrained} hold the same numbers: a model is scored against itself."]
    one, other = (log[TASKS["forget"]] for log in logs)
    counts = [len(task[METRICS[0]]) for task in (one, other)]
    if set(one[METRICS[0]]) != set(other[METRICS[0]]):
        return [
            f"{unlearned} has {counts[0]} forget questions, {retrained} has {counts[1]}, or of other numbers: are they "
            "of one forget set? Forget quality compares answers to the same questions."
        ]
    truths = [{i: _truth(text) for i, text in _texts(task).items()} for task in (one, other)]
    apart = sum(truths[0][i] != truths[1][i] for i in set(truths[0]) & set(truths[1]))
    if 2 * apart > counts[0]:  # a few differ by how a tokenizer writes them
        return [
            f"{unlearned} and {retrained} have different true answers to {apart} of {counts[0]} forget questions: they "
            "are of different forget sets, and their forget quality means nothing."
        ]
    return []


def _texts(task: Mapping[str, Any]) -> dict[str, Any]:
    found = task.get("generated_text")
    return found if isinstance(found, dict) else {}


def _truth(text: Any) -> str:
    """The true answer in [prompt, generated, true answer], without the white space around it."""
    return str(text[2]).strip() if isinstance(text, list) and len(text) > 2 else ""


def as_log(found: Mapping[str, SetResult], exam: Exam) -> dict[str, Any]:
    """An examination in TOFU's format, a set that TOFU lacks under its own name; a loss that is not finite is None."""
    log = {}
    for name, part in found.items():
        questions = exam.sets[name].questions
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
                "rouge1_recall": _list(part.values["rouge1"]),
                "rougeL_recall": _list(part.values["rouge"]),
                "generated_text": [
                    [exam.writer.prompt(question.asked.shown), said, question.truth]
                    for question, said in zip(questions, part.answers, strict=True)
                ],
            }
        log[TASKS.get(name, name)] = {
            metric: {str(i): x for i, x in enumerate(values)} for metric, values in columns.items()
        }
    return log


def _list(values: np.ndarray) -> list[float | None]:
    return [float(x) if math.isfinite(x) else None for x in values]


def score(log: Mapping[str, SetResult], retrained: Mapping[str, SetResult], protocol: Protocol) -> dict[str, Any]:
    """Model utility, its nine parts, and forget quality against the log of a retrained model, with its interval.

    None stands where a number is not finite.
    """
    ratio = protocol.log_truth_ratio
    own, other = ratio(log["forget"].losses), ratio(retrained["forget"].losses)
    quality = forget_quality(own, other)
    plain = {key: value for key, value in scores(log, protocol).items() if not key.endswith(("rouge1", "degenerate"))}
    return {
        "protocol": protocol.name,
        **plain,
        "forget_quality": finite(quality.p),
        "log10_forget_quality": finite(quality.log10_p),
        "log10_forget_quality_interval": list(quality_interval(own, other)),
        "log10_floor": quality.log10_floor,
        "ks_statistic": finite(quality.statistic),
        "n": quality.n,
        "n_retrained": quality.n_retrained,
    }


def misfits(log: Mapping[str, SetResult], protocol: Protocol, path: Path) -> list[str]:
    """Warnings where a log has another number of rows than its protocol asks."""
    warned = []
    for name, (at_most, all_rows) in _USUAL.items():
        n, wanted = len(log[name].losses.answer), all_rows if protocol.questions is None else at_most
        allowed = {40, 200, wanted} if name == "forget" else {wanted}
        if n not in allowed:
            warned.append(f"{path}: {n} {name} questions, and the protocol {protocol.name} has {wanted}.")
    return warned
