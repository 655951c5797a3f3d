"""Which rows relearning trains on, of those that are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from records.errors import UserError
from records.json_lines import unusable
from records.paths import user_path
from scale.attacks.settings import Relearn
from scale.data.normal_form import normal_form
from scale.data.row import Learnable
from scale.data.user_rows import read_user_rows
from scale.tasks.corpus import Corpus

__all__ = ["RelearnSaid", "RowsThere", "rows_to_relearn"]


class RelearnSaid(NamedTuple):
    """How one says relearning where it is asked for: the attack, and what names a file of rows for it."""

    attack: str
    retain: str
    related: str

    @classmethod
    def in_recipe(cls, attack: str) -> "RelearnSaid":
        """In a recipe's `attacks:`."""
        return cls(attack, "the recipe's data", "file: FILE beside rows: related")


@dataclass(frozen=True)
class RowsThere:
    """Rows to forget, to retain, `held_out` for membership, and `spare` ones like them, which nothing else needs."""

    forget: tuple[Learnable, ...]
    retain: tuple[Learnable, ...] = ()
    held_out: tuple[Learnable, ...] = ()
    spare: tuple[Learnable, ...] = ()

    @classmethod
    def of(cls, corpus: Corpus, asked: int = 0) -> "RowsThere":
        """Rows of a run; the first held out are for membership: as many as are to be forgotten, or as are `asked`."""
        most = max(asked, len(corpus.forget))
        return cls(corpus.forget, corpus.retain, corpus.held_out[:most], corpus.held_out[most:])


def rows_to_relearn(there: RowsThere, chosen: Relearn, said: RelearnSaid) -> tuple[Learnable, ...]:
    """The rows that are trained on; UserError where there are none such, or none left to ask, or those that are asked.

    Related rows are the last of the spare ones, as many as are to be forgotten.
    """
    if chosen.rows == "all":
        return there.forget
    if chosen.rows == "retain":
        if not there.retain:
            raise UserError(
                f"{said.attack}.rows: there are no rows to retain. Name them with {said.retain}, or choose other rows."
            )
        return there.retain
    if chosen.rows == "part":
        count = max(1, int(chosen.share * len(there.forget)))
        if count == len(there.forget):
            raise UserError(f"{said.attack}.rows: of {count} row(s) to forget no part leaves a rest to be asked.")
        return there.forget[:count]
    return _related(there, chosen.file, said)


def _related(there: RowsThere, file: str | None, said: RelearnSaid) -> tuple[Learnable, ...]:
    if file is not None:
        read = read_user_rows(user_path(file, f"{said.attack}.file"), None)
        if wrong := _asked_too(there, read.rows, read.lines):
            raise unusable(
                read.path, wrong, "Related rows are such as no audit asks: take these out.", place=read.place
            )
        return read.rows
    if not there.spare:
        raise UserError(
            f"{said.attack}.rows: no related rows are left that nobody learnt, beside those that membership needs. "
            f"Name a file of them with {said.related}."
        )
    found = there.spare[-len(there.forget) :]
    if wrong := _asked_too(there, found, range(1, len(found) + 1)):
        raise UserError(
            f"{said.attack}.rows: {len(wrong)} of the related rows that the data holds out are asked: the first "
            f"{wrong[0][1]}. Name a file of others with {said.related}."
        )
    return found


def _asked_too(there: RowsThere, rows: Sequence[Learnable], numbers: Sequence[int]) -> list[tuple[int, str]]:
    """The rows that are to be forgotten or held out, each with its number."""
    sets = (("is held out too", there.held_out), ("is a row to forget too", there.forget))
    seen = {normal_form(*row.words): what for what, some in sets for row in some}
    return [
        (number, f"{row.shown[0][:60]!r} {seen[key]}")
        for row, number in zip(rows, numbers, strict=True)
        if (key := normal_form(*row.words)) in seen
    ]
