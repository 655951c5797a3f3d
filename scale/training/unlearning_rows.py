"""The rows of unlearning in token ids: to forget, to retain, "I don't know" answers and alternative ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from records.errors import UserError
from scale.data.prompts import Encoded, Writer
from scale.data.row import Learnable
from scale.models.reference.alternates import Replaced
from scale.training.after_a_beginning import after_a_beginning
from scale.training.batches import TrainingRows, begins, declines, declines_retained, replaces
from scale.training.pairing import idk_answer, partner, retain_idk_answer
from theory.objective import Objective

__all__ = ["Divided", "pieces_of", "unlearning_rows"]


Draw = Callable[[Sequence[Replaced]], list[list[Encoded]]]
"""Draws the alternative answers of each row (`scale.models.reference.alternates`)."""


_NOTHING_ASKED = "This method answers “I don’t know”, and a document asks nothing. Choose NPO, NPO+RT or GA."


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
    if declines(objective):
        found = _with_idk(found, writer, corpus, epochs=epochs, seed=seed)
    if begins(objective):
        found = replace(found, after=_after(found, writer.max_length))
    if declines_retained(objective):
        found = _with_idk_of_retain(found, writer, corpus, epochs=epochs, seed=seed)
    return found


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
    rows, answers = len(corpus.forget), len(corpus.idk)
    draw = partial(idk_answer, forget=rows, answers=answers)
    place = _places((i, draw(seed, epoch, i)) for epoch in range(epochs) for i in range(rows))
    declined = _declined(corpus.forget, place, writer, corpus)
    return replace(found, idk=declined, idk_place=place, idk_answers=answers)


def _with_idk_of_retain(
    found: TrainingRows, writer: Writer, corpus: Divided, *, epochs: int, seed: int
) -> TrainingRows:
    """With such answers to the rows to retain, those that stand beside each in some epoch; UserError as above."""
    rows, kept, answers = len(found.forget), len(found.retain), len(corpus.idk)

    def pair(epoch: int, index: int) -> tuple[int, int]:
        row = partner(seed, epoch, index, forget=rows, retain=kept)
        return row, retain_idk_answer(seed, epoch, index, forget=rows, answers=answers)

    if kept > len(corpus.retain):
        raise UserError(_NOTHING_ASKED)
    place = _places(pair(epoch, i) for epoch in range(epochs) for i in range(rows))
    declined = _declined(corpus.retain, place, writer, corpus)
    return replace(found, retain_idk=declined, retain_idk_place=place, idk_answers=answers)


Pairs = dict[tuple[int, int], int]
"""Where the row of each (row, answer) is."""


def _places(pairs: Iterable[tuple[int, int]]) -> Pairs:
    """Where the row of each (row, answer) is that some epoch uses."""
    return {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}


def _declined(rows: Sequence[Learnable], place: Pairs, writer: Writer, corpus: Divided) -> list[Encoded]:
    """The rows with these answers; UserError where one asks nothing, or can't be read so."""
    try:
        said = [rows[index].declined(writer, corpus.idk[answer]) for index, answer in place]
    except UserError as error:
        raise UserError(f"With “I don’t know” instead of its own answer: {error}") from None
    declined = [row for row in said if row is not None]
    if len(declined) < len(said):
        raise UserError(_NOTHING_ASKED)
    return declined


def _after(found: TrainingRows, most: int) -> list[Encoded]:
    """The "I don't know" answers, each after the beginning of the row's own."""
    assert found.idk_place is not None
    pairs = zip(found.idk_place, found.idk, strict=True)
    return [after_a_beginning(found.forget[index], said, most) for (index, _), said in pairs]
