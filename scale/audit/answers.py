"""A model's answers: greedy ones, made once in a process for all families, and drawn ones, kept as they come."""

from collections.abc import Sequence

from records.doing import doing
from scale.audit.subject import AuditSubject
from scale.data.questions import Question
from scale.evaluation.kept import ToDraw
from scale.models.answering.drawn import Drawing, drawn
from scale.models.answering.generation import Answer, Generation, answers_after

__all__ = ["drawn_answers", "greedy_answers"]

TOGETHER = 16
"""Questions whose drawn answers are kept as one."""


def greedy_answers(subject: AuditSubject, questions: Sequence[Question], new_tokens: int) -> Sequence[Answer]:
    """The likeliest answer, token by token, to each question as the subject's writer puts it, of so many tokens."""
    openings = tuple(question.asked.opening(subject.writer) for question in questions)
    key = ("greedy", openings, new_tokens)
    if key not in subject.read:
        how = Generation(new_tokens, prompt_counts=False)
        subject.read[key] = answers_after(subject.scorer, openings, subject.writer, subject.processes, how)
    known: Sequence[Answer] = subject.read[key]
    return known


def drawn_answers(subject: AuditSubject, questions: Sequence[Question], how: Drawing) -> list[list[Answer]]:
    """Answers drawn to each question; of a subject that is kept, an interrupted run's are not drawn again."""
    openings = [tuple(question.asked.opening(subject.writer)) for question in questions]
    found = []
    for start in range(0, len(openings), TOGETHER):
        doing(f"drawing answers to questions from {start + 1} on, of {len(openings)}")
        found += _drawn(subject, tuple(openings[start : start + TOGETHER]), how)
    return found


def _drawn(subject: AuditSubject, openings: tuple[tuple[int, ...], ...], how: Drawing) -> list[list[Answer]]:
    writer, kept = subject.writer, subject.kept
    asked = ToDraw(openings, how, (writer.end, writer.max_length))
    known = kept.drawn(asked) if kept else None
    if known is None:
        known = drawn(subject.scorer, openings, writer, subject.processes, how)
        if kept:
            kept.keep_drawn(asked, known)
    return known
