"""Questions in other words, for an audit: of a file, or those that TOFU's files have (`scale.tasks.other_words`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.json_lines import read_json_lines, unusable
from records.shown import named, shown
from scale.data.questions import Question
from scale.tasks.task import TaskSettings
from scale.tasks.tofu import TofuSettings, corpus

__all__ = ["read_reworded", "reworded"]

_KEYS = ("question", "paraphrased_question")
_ADVICE = 'Write one object a line: {"question": "Who is it?", "paraphrased_question": "Which name has he?"}.'


def reworded(settings: TaskSettings, questions: Sequence[Question]) -> tuple[str | None, ...]:
    """Of every question the same in other words, None for one that has none; nothing at all where no data has them.

    Only TOFU's files do, and of these not all that are about.
    """
    if not isinstance(settings, TofuSettings) or settings.source == "fictional":
        return ()
    try:
        both = corpus(settings.model_copy(update={"question": "both"})).asked["forget_paraphrased"]
    except UserError:
        return ()
    words = {question.truth: question.prompt for question in both.questions}
    found = (words.get(question.truth) for question in questions)
    other = ((words, question.prompt) for words, question in zip(found, questions, strict=True))
    return tuple(words if isinstance(words, str) and words != asked else None for words, asked in other)


def read_reworded(path: Path, questions: Sequence[Question]) -> tuple[str | None, ...]:
    """The questions in other words, from a file with a JSON object a line, as TOFU's perturbed ones.

    Other keys are left out.

    UserError where the file can't be read or none of its lines is of any question.
    """
    parsed = read_json_lines(path, _of_line, _ADVICE)
    if wrong := [(number, one) for number, one in parsed if isinstance(one, str)]:
        raise unusable(path, wrong, _ADVICE)
    words = dict(one for _, one in parsed if not isinstance(one, str))
    found = tuple(words.get(question.asked.shown) for question in questions)
    if not any(found):
        raise UserError(
            f"{path}: none of its {len(parsed)} questions is one of the {len(questions)} to forget. Write them as the "
            "rows to forget have them, or name no file: then questions in other words are left out."
        )
    return found


def _of_line(value: dict[str, Any]) -> tuple[str, str] | str:
    """A line's question and its other words, or what is wrong with it."""
    if missing := [key for key in _KEYS if key not in value]:
        return f"no key {' and '.join(missing)}; it has {named(value)}"
    for key in _KEYS:
        if not isinstance(value[key], str) or not value[key].strip():
            return f"{key} is empty or not text: {shown(value[key])}"
    return value["question"], value["paraphrased_question"]
