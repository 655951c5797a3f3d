"""Which rows relearning trains on, of those that are there."""

from dataclasses import dataclass

from records.errors import UserError
from records.paths import user_path
from scale.attacks.settings import Relearn
from scale.data.row import Learnable
from scale.data.user_rows import read_user_rows
from scale.tasks.corpus import Corpus

__all__ = ["RowsThere", "rows_to_relearn"]


@dataclass(frozen=True)
class RowsThere:
    """Rows to forget, to retain, and `spare` ones of the same kind, which nobody learnt and nothing else needs."""

    forget: tuple[Learnable, ...]
    retain: tuple[Learnable, ...] = ()
    spare: tuple[Learnable, ...] = ()

    @classmethod
    def of(cls, corpus: Corpus) -> "RowsThere":
        """Rows of a run; of those held out the first, as many as are to be forgotten, are for membership scores."""
        return cls(corpus.forget, corpus.retain, corpus.held_out[len(corpus.forget) :])


def rows_to_relearn(there: RowsThere, chosen: Relearn, name: str) -> tuple[Learnable, ...]:
    """The rows that are trained on; UserError, begun with `name`, where there are none such, or none left to ask.

    Related rows are the last of the spare ones, as many as are to be forgotten.
    """
    if chosen.rows == "all":
        return there.forget
    if chosen.rows == "retain":
        if not there.retain:
            raise UserError(f"{name}.rows: there are no rows to retain. Name a file of them, or choose other rows.")
        return there.retain
    if chosen.rows == "part":
        count = max(1, int(chosen.share * len(there.forget)))
        if count == len(there.forget):
            raise UserError(f"{name}.rows: of {count} row(s) to forget no part leaves a rest to be asked.")
        return there.forget[:count]
    if chosen.file is not None:
        return tuple(read_user_rows(user_path(chosen.file, f"{name}.file"), None).rows)
    if not there.spare:
        raise UserError(
            f"{name}.rows: no related rows are left that nobody learnt, beside those that membership needs. Name a "
            f"file of them: {name}.file=ROWS.jsonl."
        )
    return there.spare[-len(there.forget) :]
