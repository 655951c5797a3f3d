"""One question to one model."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from records.store import load as load_data
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


def known_answer(folder: Path, question: str) -> str | None:
    """The answer to a question that the run's evaluations have kept in words; None where it is not among them."""
    root = next((p for p in folder.parents if (p / "evaluate").is_dir()), folder)
    for path in sorted(root.glob("*/*/data.json")):
        for text in load_data(path.parent).values.get("texts", []):
            if text["question"].strip() == question.strip():
                return str(text["answer"])
    return None
