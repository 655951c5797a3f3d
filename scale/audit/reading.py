"""Every answer of a set read once by a model: what all scores of memorisation and membership are taken from."""

from collections.abc import Sequence
from functools import partial

from scale.audit.subject import AuditSubject
from scale.data.questions import Question
from scale.evaluation.kept import seen_by_set
from scale.evaluation.scored import Scored, scored_of
from scale.models.reading.scoring import TOKENS_PER_BATCH
from scale.models.reading.seen import see

__all__ = ["LOOKS", "read_set"]

LOOKS = ("predicted", "mean_logp", "variance")
"""What is seen of each token of a true answer beside its log-probability (`scale.evaluation.measurable`)."""


def read_set(subject: AuditSubject, questions: Sequence[Question]) -> tuple[Scored, ...]:
    """Of every question the losses and tokens of its answers, and of the true one's tokens `token_logp` and `LOOKS`.

    By the names in `of_tokens` without, and with `…_with_end` with the end token. Read once in a process, and once at
    all where the subject is kept.
    """
    encoded = tuple(question.encode(subject.writer) for question in questions)
    if encoded not in subject.read:
        processes, writer = subject.processes, subject.writer
        room = processes.room(TOKENS_PER_BATCH)
        sees = partial(see, subject.scorer, pad=writer.pad, processes=processes, tokens=room, looks=LOOKS)
        seen = seen_by_set({"": encoded}, {"": LOOKS}, subject.kept, sees)[""]
        ends = {writer.end, *writer.tokenizer.all_special_ids}
        subject.read[encoded] = tuple(scored_of(encoded, seen, ends))
    known: tuple[Scored, ...] = subject.read[encoded]
    return known
