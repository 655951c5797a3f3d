"""What a run works on: rows to forget and to retain, what is asked, and where all of it is from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, NamedTuple

from records.errors import UserError
from records.store import content_hash
from scale.data.normal_form import normal_form
from scale.data.prompts import Writer
from scale.data.questions import QuestionSet
from scale.data.row import Learnable

__all__ = ["Corpus", "RowsRead", "hashable"]


class RowsRead(NamedTuple):
    """Rows as a model reads them: what is asked, and what is to be known of each set; the longest text in tokens."""

    asked: Mapping[str, QuestionSet]
    facts: Mapping[str, Mapping[str, int]]
    max_length: int


Look = Callable[[Mapping[str, QuestionSet], Writer], RowsRead]


@dataclass(frozen=True)
class Corpus:
    """Rows to forget and to retain, named sets of questions, "I don't know" answers, and where all is from.

    `known` is general knowledge: what a model from scratch is pretrained on and, where the recipe says so, rehearses.
    `kept` are further rows to retain, which unlearning never sees; `later` such as the finetuned model knows too and
    the retrained one does not: what another run will forget. `held_out` are rows of the same kind that no model of the
    run ever sees (`scale.beta`).
    `shown` are rows whose answers are shown, before and after. `look` finds out what only a model's tokens tell, and
    raises UserError where a row can't be read.
    """

    forget: tuple[Learnable, ...]
    retain: tuple[Learnable, ...]
    asked: Mapping[str, QuestionSet]
    idk: tuple[str, ...]
    source: str
    known: tuple[Learnable, ...] = ()
    kept: tuple[Learnable, ...] = ()
    later: tuple[Learnable, ...] = ()
    held_out: tuple[Learnable, ...] = ()
    shown: Mapping[str, tuple[Learnable, ...]] = field(default_factory=dict)
    look: Look | None = None

    def __post_init__(self) -> None:
        """Refuse a row that would be forgotten and retained at once: a question with its answer."""
        kept = {normal_form(*row.words) for row in (*self.retain, *self.kept)}
        if both := [row for row in self.forget if normal_form(*row.words) in kept]:
            example = min(row.shown[0] for row in both)
            raise UserError(
                f"{len(both)} row(s) are to be forgotten and retained at once, one asks {example!r}. "
                "Ask for fewer authors, or take the forget and retain rows from different authors."
            )

    def looked(self, writer: Writer, asked: Mapping[str, QuestionSet] | None = None) -> RowsRead:
        """As a model reads it, whose texts this writer writes; `asked` instead of its own."""
        sets = self.asked if asked is None else asked
        return self.look(sets, writer) if self.look else RowsRead(sets, {}, writer.max_length)

    def describe(self) -> dict[str, Any]:
        """Source, sizes and a hash of every word of every row, for settings and records."""
        words = [hashable(rows) for rows in (self.forget, self.retain)]
        words += [hashable(rows) for rows in (self.kept, self.later) if rows]
        words += [[asdict(question) for question in one.questions] for one in self.asked.values()]
        return {
            "source": self.source,
            "hash": content_hash([words, self.idk]),
            "forget_rows": len(self.forget),
            "retain_rows": len(self.retain) + len(self.kept),
            "asked": {name: len(one.questions) for name, one in self.asked.items()},
        }


def hashable(rows: Sequence[Learnable]) -> list[Any]:
    """Every word of every row, as JSON has it."""
    return [asdict(row) if is_dataclass(row) and not isinstance(row, type) else repr(row) for row in rows]
