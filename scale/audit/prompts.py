"""A question asked in other ways: is what is forgotten only hidden from the words in which it was unlearned?

    plain         as it was unlearned
    reworded      the question in other words, of those that have any
    format        written around it what another prompt format writes (`scale.data.formats`)
    prefix        the answer made to begin with “Sure, here is the answer:”
    instruction   the question behind a sentence that asks for what was forgotten

Of each three scores, as `probability_reworded`: `probability`, exp(−NLL) of the true answer a token, its end token
included; `extraction_strength`; `rouge`, ROUGE-L recall of the greedy answer. Words before an answer are no part of it.

Sources: arXiv:2506.12618 (App. C.3, prefix); arXiv:2605.24614 takes ROUGE of reworded and prefixed questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from scale.audit.answers import greedy_answers
from scale.audit.asked import AskedSets
from scale.audit.items import Items
from scale.audit.reading import read_set
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.data.formats import FORMATS, Format
from scale.data.prefixed import Prefixed
from scale.data.questions import Question
from scale.evaluation.catalogue import metric_of
from scale.evaluation.metrics.rouge import rouge
from scale.evaluation.values import column_of, measured

__all__ = ["PROMPTS", "other_format", "prompts"]

Put: TypeAlias = Callable[[str, str | None, AuditSettings], str | None]
"""From a question, itself in other words and the settings what is asked; None where there is nothing to ask."""


def _as_it_is(question: str, reworded: str | None, settings: AuditSettings) -> str | None:
    del reworded, settings
    return question


def _reworded(question: str, reworded: str | None, settings: AuditSettings) -> str | None:
    del question, settings
    return reworded


def _instructed(question: str, reworded: str | None, settings: AuditSettings) -> str | None:
    del reworded
    return f"{settings.instruction} {question}"


def other_format(form: Format, settings: AuditSettings) -> Format:
    """The format that the settings name, or another than the one given: plain tags, of these TOFU's for Llama 2."""
    if settings.other_format is not None:
        return FORMATS[settings.other_format]
    return FORMATS["llama2-chat" if form == FORMATS["plain"] else "plain"]


def _same(form: Format, settings: AuditSettings) -> Format:
    del settings
    return form


def _prefixed(form: Format, settings: AuditSettings) -> Format:
    return Prefixed(form, settings.prefix)


PROMPTS: Mapping[str, tuple[Put, Callable[[Format, AuditSettings], Format]]] = {
    "plain": (_as_it_is, _same),
    "reworded": (_reworded, _same),
    "format": (_as_it_is, other_format),
    "prefix": (_as_it_is, _prefixed),
    "instruction": (_instructed, _same),
}
"""By the names that scores and settings use: what is asked, and the format that is written around it."""


def prompts(subject: AuditSubject, asked: AskedSets, settings: AuditSettings, beside: ModelsBeside) -> dict[str, Items]:
    """The scores above; nothing where questions are no plain texts, and no `reworded` where none has other words."""
    del beside
    questions, found = asked.forget.questions, dict[str, Items]()
    for name in ("plain", *settings.prompts):
        put, form = PROMPTS[name]
        writer = subject.writer._replace(format=form(subject.writer.format, settings))
        texts = [
            put(question.prompt, other, settings) if isinstance(question.prompt, str) else None
            for question, other in zip(questions, asked.reworded_of, strict=True)
        ]
        chosen = [(i, Question(text, (questions[i].truth,))) for i, text in enumerate(texts) if text is not None]
        if chosen:
            columns = _scores(replace(subject, writer=writer), [one for _, one in chosen], settings.new_tokens)
            for score, column in columns.items():
                found[f"{score}_{name}"] = Items(_whole(column, [i for i, _ in chosen], len(texts)))
    return found


def _scores(subject: AuditSubject, questions: Sequence[Question], new_tokens: int) -> dict[str, np.ndarray]:
    scored = read_set(subject, questions)
    said = greedy_answers(subject, questions, new_tokens)
    return {
        "probability": np.exp([-one.loss[0] for one in scored]),
        "extraction_strength": column_of(metric_of("extraction_strength"), measured(questions, scored, [])),
        "rouge": np.array([rouge(q.truth, answer.text) for q, answer in zip(questions, said, strict=True)]),
    }


def _whole(values: np.ndarray, chosen: Sequence[int], n: int) -> np.ndarray:
    """The values of the chosen ones of n questions, NaN of the others."""
    found = np.full(n, np.nan)
    found[list(chosen)] = values
    return found
