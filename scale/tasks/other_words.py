"""TOFU's questions in other words: the key `paraphrased_question` of its perturbed files.

A model that has forgotten a question as it was written may still answer it in other words.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from records.json_lines import read_json_lines, unusable
from records.shown import named, shown
from scale.data.questions import QuestionSet

__all__ = ["in_other_words", "other_words"]

_KEY = "paraphrased_question"
_AGAIN = "Download the file again from huggingface.co/datasets/locuslab/TOFU, or ask as it is written (data.question)."


def other_words(path: Path) -> dict[tuple[str, str], str]:
    """By question and answer of each row of a file, the question in other words; UserError with lines that lack it."""
    found = read_json_lines(path, _of_line, _AGAIN)
    if wrong := [(number, one) for number, one in found if isinstance(one, str)]:
        raise unusable(path, wrong, _AGAIN)
    return {(one["question"], one["answer"]): one[_KEY] for _, one in found if isinstance(one, dict)}


def _of_line(value: dict[str, Any]) -> dict[str, Any] | str:
    if _KEY not in value:
        return f"no key {_KEY}; it has {named(value)}"
    text = value[_KEY]
    return value if isinstance(text, str) and text.strip() else f"{_KEY} is empty or not text: {shown(text)}"


def in_other_words(asked: QuestionSet, words: Mapping[tuple[str, str], str]) -> QuestionSet:
    """A set whose every question is asked in other words, with the answers that it has."""
    return replace(asked, questions=tuple(replace(q, prompt=words[q.asked.shown, q.truth]) for q in asked.questions))
