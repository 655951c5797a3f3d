"""TOFU's questions in other words, for an audit of rows that a recipe names (`scale.tasks.other_words`)."""

from collections.abc import Sequence

from records.errors import UserError
from scale.data.questions import Question
from scale.tasks.task import TaskSettings
from scale.tasks.tofu import TofuSettings, corpus

__all__ = ["reworded"]


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
