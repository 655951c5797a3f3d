"""What an audit asks about: rows to forget, rows to retain, rows that no model has seen, words that give it away."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from scale.data.questions import QuestionSet
from scale.data.row import Learnable

__all__ = ["AskedSets", "Entity", "set_of"]


def set_of(rows: Iterable[Learnable]) -> QuestionSet:
    """Rows of any kind as a set of questions.

    >>> from scale.data.row import Row
    >>> set_of([Row("Who?", "Ada.")]).questions[0].truth
    'Ada.'
    """
    return QuestionSet(tuple(row.asked for row in rows), {})


class Entity(NamedTuple):
    """The words of a true answer that tell what is to be forgotten, and how that answer begins before them."""

    words: str
    prefix: str = ""


@dataclass(frozen=True)
class AskedSets:
    """Sets of questions; retain and holdout may be absent, and entities are by forget question, None for unknown.

    `holdout` has rows of the same kind as those to forget, which no model of the audit was trained on. `reworded` are
    the questions to forget in other words, None for those that have none. ValueError where entities or rewordings are
    given for another number of questions.
    """

    forget: QuestionSet
    retain: QuestionSet | None = None
    holdout: QuestionSet | None = None
    entities: tuple[Entity | None, ...] = ()
    reworded: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """One entity and one rewording a question, or none at all."""
        for name, given in (("entities", self.entities), ("rewordings", self.reworded)):
            if given and len(given) != len(self.forget.questions):
                raise ValueError(f"{len(given)} {name} for {len(self.forget.questions)} questions to forget.")

    @property
    def entity_of(self) -> tuple[Entity | None, ...]:
        """Of every question to forget its entity, None where it has none."""
        return self.entities or (None,) * len(self.forget.questions)

    @property
    def reworded_of(self) -> tuple[str | None, ...]:
        """Of every question to forget the same in other words, None where it has none."""
        return self.reworded or (None,) * len(self.forget.questions)

    @property
    def sets(self) -> Mapping[str, QuestionSet]:
        """Those that are there, by name."""
        every = {"forget": self.forget, "retain": self.retain, "holdout": self.holdout}
        return {name: one for name, one in every.items() if one is not None}

    def first(self, count: int | None) -> "AskedSets":
        """The first questions of every set alone; all for None."""
        if count is None:
            return self
        some = {name: one.first(count) for name, one in self.sets.items()}
        return AskedSets(
            some["forget"], some.get("retain"), some.get("holdout"), self.entities[:count], self.reworded[:count]
        )
