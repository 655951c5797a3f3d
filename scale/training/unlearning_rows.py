"""The rows of unlearning in token ids: to forget, to retain, "I don't know" answers and alternative ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from records.errors import UserError
from scale.data.idk import IDK_ANSWERS
from scale.data.prompts import Encoded, Writer
from scale.data.row import Learnable
from scale.models.alternates import Replaced
from scale.training.batches import TrainingRows, declines, replaces
from scale.training.pairing import idk_answer
from theory.objective import Objective

__all__ = ["Divided", "pieces_of", "unlearning_rows", "unlearning_user_rows"]


Draw = Callable[[Sequence[Replaced]], list[list[Encoded]]]
"""Draws the alternative answers of each row (`scale.models.alternates`)."""


class Divided(Protocol):
    """Rows to forget and to retain, and "I don't know" answers."""

    @property
    def forget(self) -> Sequence[Learnable]:
        """What is to be forgotten."""

    @property
    def retain(self) -> Sequence[Learnable]:
        """What is to be kept."""

    @property
    def idk(self) -> Sequence[str]:
        """What is said instead."""


def pieces_of(rows: Sequence[Learnable], writer: Writer) -> list[Encoded]:
    """All rows in token ids; a long document is several pieces."""
    return [piece for row in rows for piece in row.encode(writer)]


def unlearning_rows(
    writer: Writer, corpus: Divided, objective: Objective, *, epochs: int, seed: int, draw: Draw | None = None
) -> TrainingRows:
    """What an objective is run on; `draw` is asked where it trains on alternative answers."""
    forget = pieces_of(corpus.forget, writer)
    retain = pieces_of(corpus.retain, writer) if objective.retain_needs else []
    found = unlearning_user_rows(
        writer, corpus.forget, objective, forget=forget, retain=retain, epochs=epochs, seed=seed, idk=corpus.idk
    )
    if not replaces(objective):
        return found
    assert draw is not None
    return replace(found, alternates=draw([_asking(writer, row) for row in corpus.forget]))


def _asking(writer: Writer, row: Learnable) -> Replaced:
    (true, *more), answer = row.encode(writer), row.words[1]
    if more or row.declined(writer, answer) is None:
        raise UserError("This method trains on other answers, and a document asks nothing. Choose NPO, NPO+RT or GA.")
    own = getattr(row, "alternates", ())
    return Replaced(row.opening(writer), answer, true.targets, partial(_answered, row, writer), own)


def _answered(row: Learnable, writer: Writer, text: str) -> Encoded:
    found = row.declined(writer, text)
    assert found is not None
    return found


def unlearning_user_rows(
    writer: Writer,
    rows: Sequence[Learnable],
    objective: Objective,
    *,
    forget: Sequence[Encoded],
    retain: Sequence[Encoded],
    epochs: int,
    seed: int,
    idk: Sequence[str] = IDK_ANSWERS,
) -> TrainingRows:
    """What unlearning a user's rows (ids: `forget`) trains on; UserError where they ask nothing that IDK can answer."""
    if not declines(objective):
        return TrainingRows(forget, retain)
    place = _places(len(rows), len(idk), epochs=epochs, seed=seed)
    try:
        said = [rows[index].declined(writer, idk[answer]) for index, answer in place]
    except UserError as error:
        raise UserError(f"With “I don’t know” instead of its own answer: {error}") from None
    found = [row for row in said if row is not None]
    if len(found) < len(said):
        raise UserError("This method answers “I don’t know”, and a document asks nothing. Choose NPO, NPO+RT or GA.")
    return TrainingRows(forget, retain, found, place, len(idk))


def _places(n: int, answers: int, *, epochs: int, seed: int) -> dict[tuple[int, int], int]:
    """Where the row of each (forget row, answer) is that some epoch uses."""
    pairs = [
        (index, idk_answer(seed, epoch, index, forget=n, answers=answers))
        for epoch in range(epochs)
        for index in range(n)
    ]
    return {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
