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
from scale.evaluation.tofu_log import TASKS
from scale.models.generation import Generation, answers
from scale.models.language_model import max_length
from scale.models.loading import load as load_model
from scale.models.scorer import Scorer
from scale.models.scoring import score_all
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
    log = examination / "log.json"
    if not log.is_file():
        return None
    tasks, asked = read_json(log, "Examine the model again."), load(examination).values["questions"]
    for name, task in TASKS.items():
        places = [str(i) for i, known in enumerate(asked.get(name, [])) if known.strip() == question.strip()]
        texts = tasks.get(task, {}).get("generated_text", {})
        for place in places:
            if place in texts:
                return str(texts[place][2])
    return None
