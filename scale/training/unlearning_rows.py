"""The rows of unlearning in token ids: to forget, to retain, "I don't know" answers and alternative ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from records.errors import UserError
from scale.data.idk import IDK_ANSWERS
from scale.data.prompts import Encoded, Writer
from scale.data.tofu import Corpus, Row
from scale.data.user_rows import UserRow
from scale.models.alternates import Replaced
from scale.training.batches import TrainingRows, declines, replaces
from scale.training.pairing import idk_answer
from theory.objective import Objective

__all__ = ["unlearning_rows", "unlearning_user_rows"]


Draw = Callable[[Sequence[Replaced]], list[list[Encoded]]]
"""Draws the alternative answers of each row (`scale.models.alternates`)."""


def unlearning_rows(
    writer: Writer, corpus: Corpus, objective: Objective, *, epochs: int, seed: int, draw: Draw | None = None
) -> TrainingRows:
    """What an objective is run on; `draw` is asked where it trains on alternative answers."""
    forget = [writer.encode(row.question, row.answer) for row in corpus.forget]
    retain = [writer.encode(row.question, row.answer) for row in corpus.retain] if objective.retain_needs else []
    found = TrainingRows(forget, retain)
    if replaces(objective):
        assert draw is not None
        found = replace(found, alternates=draw([_asking(writer, row) for row in corpus.forget]))
    if not declines(objective):
        return found
    place = _places(len(forget), len(corpus.idk), epochs=epochs, seed=seed)
    idk = [writer.encode(corpus.forget[index].question, corpus.idk[answer]) for index, answer in place]
    return replace(found, idk=idk, idk_place=place, idk_answers=len(corpus.idk))


def _asking(writer: Writer, row: Row) -> Replaced:
    true = writer.encode(row.question, row.answer)
    return Replaced(writer.opening(row.question), row.answer, true.targets, partial(writer.encode, row.question))


def unlearning_user_rows(
    writer: Writer,
    rows: Sequence[UserRow],
    objective: Objective,
    *,
    forget: Sequence[Encoded],
    retain: Sequence[Encoded],
    epochs: int,
    seed: int,
) -> TrainingRows:
    """What unlearning a user's rows (ids: `forget`) trains on; UserError where they ask nothing that IDK can answer."""
    if not declines(objective):
        return TrainingRows(forget, retain)
    place = _places(len(rows), len(IDK_ANSWERS), epochs=epochs, seed=seed)
    try:
        idk = [rows[index].declined(writer, IDK_ANSWERS[answer]) for index, answer in place]
    except UserError as error:
        raise UserError(f"With “I don’t know” instead of its own answer: {error}") from None
    found = [row for row in idk if row is not None]
    if len(found) < len(idk):
        raise UserError("This method answers “I don’t know”, and a document asks nothing. Choose NPO, NPO+RT or GA.")
    return TrainingRows(forget, retain, found, place, len(IDK_ANSWERS))


def _places(n: int, answers: int, *, epochs: int, seed: int) -> dict[tuple[int, int], int]:
    """Where the row of each (forget row, answer) is that some epoch uses."""
    pairs = [
        (index, idk_answer(seed, epoch, index, forget=n, answers=answers))
        for epoch in range(epochs)
        for index in range(n)
    ]
    return {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
