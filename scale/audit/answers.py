"""A model's greedy answers to what it is asked, made once in a process for all families."""

from collections.abc import Sequence

from scale.audit.subject import AuditSubject
from scale.data.questions import Question
from scale.models.answering.generation import Answer, Generation, answers_after

__all__ = ["greedy_answers"]


def greedy_answers(subject: AuditSubject, questions: Sequence[Question], new_tokens: int) -> Sequence[Answer]:
    """The likeliest answer, token by token, to each question as the subject's writer puts it, of so many tokens."""
    openings = tuple(question.asked.opening(subject.writer) for question in questions)
    key = ("greedy", openings, new_tokens)
    if key not in subject.read:
        how = Generation(new_tokens, prompt_counts=False)
        subject.read[key] = answers_after(subject.scorer, openings, subject.writer, subject.processes, how)
    known: Sequence[Answer] = subject.read[key]
    return known
