"""The rows of unlearning in token ids: to forget, to retain, "I don't know" answers and alternative ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from records.errors import UserError
from scale.data.prompts import Encoded, Writer
from scale.data.row import Learnable
from scale.models.alternates import Replaced
from scale.training.batches import TrainingRows, declines, replaces
from scale.training.pairing import idk_answer
from theory.objective import Objective

__all__ = ["Divided", "pieces_of", "unlearning_rows"]


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
    kept = pieces_of(corpus.retain, writer) if objective.retain_needs else []
    found = TrainingRows(pieces_of(corpus.forget, writer), kept)
    if replaces(objective):
        assert draw is not None
        found = replace(found, alternates=draw([_asking(writer, row) for row in corpus.forget]))
    return _with_idk(found, writer, corpus, epochs=epochs, seed=seed) if declines(objective) else found


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


def _with_idk(found: TrainingRows, writer: Writer, corpus: Divided, *, epochs: int, seed: int) -> TrainingRows:
    """With the "I don't know" answers that some epoch uses; UserError where a row asks nothing that they answer."""
    place = _places(len(corpus.forget), len(corpus.idk), epochs=epochs, seed=seed)
    try:
        said = [corpus.forget[index].declined(writer, corpus.idk[answer]) for index, answer in place]
    except UserError as error:
        raise UserError(f"With “I don’t know” instead of its own answer: {error}") from None
    declined = [row for row in said if row is not None]
    if len(declined) < len(said):
        raise UserError("This method answers “I don’t know”, and a document asks nothing. Choose NPO, NPO+RT or GA.")
    return replace(found, idk=declined, idk_place=place, idk_answers=len(corpus.idk))


def _places(n: int, answers: int, *, epochs: int, seed: int) -> dict[tuple[int, int], int]:
    """Where the row of each (forget row, answer) is that some epoch uses."""
    pairs = [
        (index, idk_answer(seed, epoch, index, forget=n, answers=answers))
        for epoch in range(epochs)
        for index in range(n)
    ]
    return {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
