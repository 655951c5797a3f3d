"""One question to one model."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scale.answers import score_all
from scale.formats import Tags, format_of
from scale.generation import Generation, answers
from scale.models import load, longest
from scale.processes import Processes
from scale.prompts import Writer
from scale.scorer import Scorer

__all__ = ["Asked", "known_answer"]


class Asked(NamedTuple):
    """A model's greedy answer, and the probability a token that it gives to the true one (NaN where none is known)."""

    answer: str
    probability: float

    @classmethod
    def of(cls, model: Path, settings: Mapping[str, Any], question: str, truth: str | None) -> "Asked":
        """Ask the model in this folder, in the prompt format that its run had."""
        language_model = load(model)
        chosen = settings["model"]["prompt"]
        form = format_of(Tags(**chosen) if isinstance(chosen, dict) else chosen)
        writer = Writer(language_model.tokenizer, form, longest(language_model.model))
        scorer, alone = Scorer(language_model.model), Processes("cpu")
        (said,) = answers(scorer, [question], writer, alone, Generation(100, prompt_counts=False))
        if truth is None:
            return cls(said.text, math.nan)
        logp, tokens = score_all(scorer, [writer.encode(question, truth)], writer.pad, alone)
        return cls(said.text, math.exp(float(logp[0]) / int(tokens[0])))


def known_answer(run: Path, question: str) -> str | None:
    """The true answer to a question of the run's own examinations; None where it is not among them."""
    for path in sorted(run.glob("evaluate/*/log.json")):
        for task in json.loads(path.read_text(encoding="utf8")).values():
            for prompt, _, truth in task.get("generated_text", {}).values():
                if question.strip() in prompt:
                    return str(truth)
    return None
