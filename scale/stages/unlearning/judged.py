"""What an unlearning run is held against: the model that it begins with, and a retrained one where there is one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.examined import Examined
from records.store import load
from scale.data.prompts import Writer
from scale.data.row import Learnable
from scale.evaluation.exam import Exam
from scale.evaluation.metrics import forget_quality, probability, rankable
from scale.evaluation.results import SetResult, from_arrays
from scale.evaluation.scores import log_ratio_of
from scale.models.answering.generation import Generation, answers_after
from scale.runtime.processes import Processes

__all__ = ["NOT_JUDGED", "ShownRows", "all_finite", "finite_or_error", "judged"]

SHOWN_TOKENS = 60
NOT_JUDGED: Mapping[str, Any] = {"finetuned": {}, "retrained": {}, "n": 0, "log10_floor": 0.0, "not_rankable": []}
"""Of a run whose model was not examined."""


def judged(judges: Sequence[Path], start: Examined, exam: Exam) -> dict[str, Any]:
    """Scores of both models, and whether they can rank methods; without a retrained one, of the first alone."""
    if len(judges) < 2:
        own = {name: value for name, value in start.scores.items() if not name.endswith("_kl")}  # to itself
        scores = load(judges[0]).values["scores"] if judges else own
        return {**NOT_JUDGED, "finetuned": scores}
    both = [load(path) for path in judges]
    finetuned, retrained = (from_arrays(one.arrays)["forget"] for one in both)
    log = both[1].values.get("retain_log")
    found: dict[str, Any] = {"retain_log": log} if log else {}
    found |= dict(zip(("finetuned", "retrained"), (one.values["scores"] for one in both), strict=True))
    start_quality = forget_quality(*(log_ratio_of(part, exam.protocol) for part in (finetuned, retrained)))
    return found | {
        "n": start_quality.n,
        "log10_floor": start_quality.log10_floor,
        "not_rankable": rankable(
            finetuned=float(probability(finetuned.losses).mean()),
            retrained=float(probability(retrained.losses).mean()),
            p=start_quality.p if start_quality.n else None,
        ),
    }


def all_finite(found: Mapping[str, SetResult]) -> bool:
    """Has every true answer a finite probability?"""
    return all(bool(np.isfinite(part.losses.answer).all()) for part in found.values())


def finite_or_error(found: Mapping[str, SetResult], model: str | Path) -> None:
    """UserError where a model gives an answer no finite probability before anything is unlearned."""
    if not all_finite(found):
        raise UserError(f"{model} gives some of these rows no finite probability. Mend the model.")


class ShownRows:
    """Rows whose answers are shown, before and after: `rows` by set."""

    def __init__(self, rows: Mapping[str, Sequence[Learnable]], writer: Writer, new_tokens: int | None) -> None:
        self.rows = [(name, row) for name, some in rows.items() for row in some]
        self.writer, self.how = writer, Generation(new_tokens or SHOWN_TOKENS, prompt_counts=False)

    def said(self, scorer: Any, processes: Processes) -> list[str]:
        """A model's answer to each."""
        if not self.rows:
            return []
        openings = [row.opening(self.writer) for _, row in self.rows]
        return [one.text for one in answers_after(scorer, openings, self.writer, processes, self.how)]

    def beside(self, before: Sequence[str], after: Sequence[str]) -> list[dict[str, str]]:
        """Each row with both answers."""
        return [
            {"set": name, "question": row.shown[0], "answer": row.shown[1], "before": old, "after": new}
            for (name, row), old, new in zip(self.rows, before, after, strict=True)
        ]
