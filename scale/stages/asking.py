"""One question to one model."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError
from records.json_lines import read_json
from records.store import load
from scale.data.formats import Tags, format_of
from scale.data.prompts import Writer
from scale.models.answering.generation import Generation, answers
from scale.models.folders.language_model import max_length
from scale.models.loading.whole import load as load_model
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.runtime.processes import Processes

__all__ = ["Reply", "known_answer"]


class Reply(NamedTuple):
    """A model's greedy answer, and the probability a token that it gives to the true one (NaN where none is known)."""

    answer: str
    probability: float

    @classmethod
    def of(cls, model: Path, settings: Mapping[str, Any], question: str, truth: str | None) -> "Reply":
        """Ask the model in this folder, in the prompt format that its run had."""
        language_model = load_model(model)
        try:
            chosen = settings["model"]["prompt"]
        except (KeyError, TypeError):
            raise UserError(
                f"{model.parent / 'manifest.json'} does not say how the model is asked: run it anew."
            ) from None
        form = format_of(Tags(**chosen) if isinstance(chosen, dict) else chosen, language_model.tokenizer)
        writer = Writer(language_model.tokenizer, form, max_length(language_model.model))
        scorer, alone = Scorer(language_model.model), Processes("cpu")
        (said,) = answers(scorer, [question], writer, alone, Generation(100, prompt_counts=False))
        if truth is None:
            return cls(said.text, math.nan)
        logp, tokens = score_all(scorer, [writer.encode(question, truth)], writer.pad, alone)
        return cls(said.text, math.exp(float(logp[0]) / int(tokens[0])))


def known_answer(examination: Path, question: str) -> str | None:
    """The true answer to one of an examination's own questions; None where it is not among them."""
    values = load(examination).values
    if "truths" not in values:  # of an older one, or of a run that examined its model itself
        shown = [*values.get("answers", []), *_logged(examination)]
        return next((one["answer"] for one in shown if one["question"].strip() == question.strip()), None)
    for name, asked in values["questions"].items():
        for known, truth in zip(asked, values["truths"][name], strict=True):
            if known.strip() == question.strip():
                return str(truth)
    return None


def _logged(examination: Path) -> list[dict[str, str]]:
    """Questions and answers of a log in TOFU's format, whose prompts have the questions in them."""
    log, asked = examination / "log.json", load(examination).values.get("questions", {})
    tasks = read_json(log, "Examine the model again.") if log.is_file() else {}
    texts = [task.get("generated_text", {}) for task in tasks.values()]
    return [
        {"question": question, "answer": str(task[str(i)][2])}
        for questions in asked.values()
        for i, question in enumerate(questions)
        for task in texts
        if question.strip() in str(task.get(str(i), [""])[0])
    ]
