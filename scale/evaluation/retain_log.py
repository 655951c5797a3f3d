"""The evaluation log of a retrained model that someone has published: it judges a run that retrains none.

Three kinds are read: open-unlearning's TOFU_EVAL.json, a log in TOFU's format (its authors', those of arXiv:2404.05868,
`log.json` of a run), and what `npo evaluate` or a run's `evaluate/retrain` leaves. Their losses are of a protocol each,
and only a run under the same one may be held against them: what counts as answer differs, and so does the loss.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError
from records.json_lines import read_json
from records.shown import shown
from records.store import load
from scale.data.questions import QuestionSet
from scale.evaluation.log_columns import METRICS, columns_of
from scale.evaluation.metrics.losses import Losses
from scale.evaluation.open_unlearning import read_evaluation
from scale.evaluation.protocols import PROTOCOLS, Protocol
from scale.evaluation.results import SetResult, from_arrays
from scale.evaluation.tofu_log import TASKS, part_of

__all__ = ["RetainLog", "fitted", "read_retain_log"]

_NAME = "Name the log of a retrained model: TOFU_EVAL.json, a log in TOFU's format, or evaluate/retrain of a run."
_TOFU, _OPEN_UNLEARNING, _OURS = "a log in TOFU's format", "an evaluation of open-unlearning", "an examination"


class RetainLog(NamedTuple):
    """What is known of a retrained model: by set, question by question, and its true answers by question number.

    `protocols` are those whose losses these are, the likeliest first; `scores` are there where the log tells them
    under a protocol of ours; `told` is what is to be known of how it fits.
    """

    path: Path
    kind: str
    protocols: tuple[str, ...]
    sets: Mapping[str, SetResult]
    truths: Mapping[int, str]
    scores: Mapping[str, float | None] | None = None
    told: tuple[str, ...] = ()

    @property
    def tells_all(self) -> bool:
        """Has it whatever an examination of this project has?"""
        return self.kind == _OURS

    def settings(self) -> dict[str, Any]:
        """What a result depends on: its kind and a hash of its file."""
        content = (self.path / "data.npz" if self.path.is_dir() else self.path).read_bytes()
        return {"kind": self.kind, "hash": hashlib.sha256(content).hexdigest()[:16]}

    def describe(self) -> dict[str, Any]:
        """Where it is from, how many questions to forget it answers, what is to be known of it: for records."""
        n = len(self.sets["forget"].losses.paraphrase)
        return {"path": str(self.path), **self.settings(), "questions": n, "told": list(self.told)}


def read_retain_log(path: Path) -> RetainLog:
    """A log of any of the three kinds; UserError where it is none, or has no questions to forget."""
    folder = path if path.is_dir() else path.parent
    if path.is_dir() or path.name in ("data.json", "data.npz"):
        return _examination(folder)
    content = read_json(path, _NAME)
    if isinstance(content, dict) and set(METRICS) <= content.keys():  # of the forget set alone
        content = {TASKS["forget"]: content}
    if isinstance(content, dict) and isinstance(content.get(TASKS["forget"]), dict):
        there = {name: task for name, task in TASKS.items() if isinstance(content.get(task), dict)}
        sets = {name: part_of(columns_of(path, task, content[task])) for name, task in there.items()}
        return RetainLog(path, _TOFU, ("tofu", "tofu-paper"), sets, _truths(content[TASKS["forget"]]))
    if (theirs := read_evaluation(path)) is None:
        raise UserError(f"{path} is no log of a retrained model: it has no {TASKS['forget']}. {_NAME}")
    if "forget" not in theirs.sets:
        raise UserError(
            f"{path} is {_OPEN_UNLEARNING} without forget_Q_A_Prob, forget_Q_A_PARA_Prob, forget_Q_A_PERT_Prob and "
            "forget_Q_A_ROUGE, question by question: it can judge no run. Name its TOFU_EVAL.json."
        )
    said = (content.get("forget_Q_A_ROUGE") or {}).get("value_by_index") or {}
    truths = {int(i): str(one["ground_truth"]).strip() for i, one in said.items() if _has(one, "ground_truth")}
    return RetainLog(path, _OPEN_UNLEARNING, ("open-unlearning",), theirs.sets, truths)


def _has(one: Any, key: str) -> bool:
    return isinstance(one, dict) and isinstance(one.get(key), str)


def _truths(task: Mapping[str, Any]) -> dict[int, str]:
    """The true answers in a task's texts, each [prompt, generated, true answer]."""
    texts = task.get("generated_text")
    pairs = texts.items() if isinstance(texts, dict) else ()
    return {int(i): str(one[2]).strip() for i, one in pairs if i.isdecimal() and isinstance(one, list) and len(one) > 2}


def _examination(folder: Path) -> RetainLog:
    """What an examination of ours left."""
    found = load(folder)
    values, sets = found.values, from_arrays(found.arrays)
    if "forget" not in sets or not isinstance(values.get("scores"), dict) or values.get("protocol") not in PROTOCOLS:
        raise UserError(f"{folder} holds no examination of a model: {_NAME}")
    own = PROTOCOLS[values["protocol"]]
    same = (own.tag_counts, own.questions, own.writer)
    alike = [p.name for p in PROTOCOLS.values() if (p.tag_counts, p.questions, p.writer) == same]
    truths = values.get("truths", {}).get("forget", [])
    names = tuple(dict.fromkeys([own.name, *alike]))
    scores = values["scores"] if "retain_log" not in values else None
    return RetainLog(folder, _OURS, names, sets, dict(enumerate(map(str.strip, truths))), scores)


def fitted(log: RetainLog, asked: Mapping[str, QuestionSet], protocol: Protocol, most: int | None) -> RetainLog:
    """The log as far as a run asks the same questions, the first of each set.

    UserError with all that keeps it from judging this run: another protocol, fewer questions, another forget set.
    """
    least = min(x for x in (protocol.questions, most, 10**9) if x is not None)
    truths = [question.truth.strip() for question in asked["forget"].questions[:least]]
    n, there = len(truths), len(log.sets["forget"].losses.paraphrase)
    wrong, told = [], []
    if protocol.name not in log.protocols:
        wrong.append(
            f"it is {log.kind}, whose losses are of the protocol {log.protocols[0]}, and this run is examined under "
            f"{protocol.name}: set evaluate.protocol={log.protocols[0]}"
        )
    if there < n:
        wrong.append(f"it has {there} questions to forget, and this run asks {n}: set evaluate.questions={there}")
    known = [i for i in range(n) if i in log.truths]
    apart = [i for i in known if log.truths[i] != truths[i]]
    if 2 * len(apart) > len(known):  # a few differ by how a tokenizer writes them
        i = apart[0]
        wrong.append(
            f"it is of another forget set, {len(apart)} of {len(known)} true answers are others (question {i}: "
            f"{shown(log.truths[i])} there, {shown(truths[i])} here): name that of a model retrained without this one"
        )
    elif not known and there != n:
        wrong.append(f"it has {there} questions to forget and no answers to tell which, and this run asks {n}")
    elif not known:
        told.append(f"{log.path} does not tell its true answers: that it is of this forget set was not checked.")
    if wrong:
        raise UserError("\n".join(f"retain_log {log.path}: {one}." for one in wrong))
    sets = {name: _first(part, least) for name, part in log.sets.items() if name in asked}
    whole = all(len(part.losses.answer) == len(log.sets[name].losses.answer) for name, part in sets.items())
    scores = log.scores if whole and protocol.name == log.protocols[0] else None
    return log._replace(sets=sets, scores=scores, told=tuple(told))


def _first(part: SetResult, count: int) -> SetResult:
    """The first questions of a set alone."""
    losses, tokens = (Losses(*(column[:count] for column in of)) for of in (part.losses, part.tokens))
    return SetResult(losses, tokens, {name: values[:count] for name, values in part.values.items()})
