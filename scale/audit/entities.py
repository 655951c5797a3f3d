"""The words that give answers away, from a file: one JSON object a line, {entity, prefix}, or {entity, question}.

A line belongs to the questions whose true answer begins with its prefix and goes on with its entity (spaces between
them aside), or to that question. So a file of all of TOFU's forget10 serves whichever of its authors are forgotten, in
whatever order. A bare yes or no is no entity: a model that knows nothing says it too (21 of forget10's 367 are).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.json_lines import read_json_lines, unusable
from records.shown import named, shown
from scale.audit.asked import Entity
from scale.data.questions import Question

__all__ = ["entities_in", "entities_of", "read_entities"]

_ADVICE = 'Write one object a line: {"entity": "civil engineer", "prefix": "The father of Hsiao Yun-Hwa is a"}.'
_SAYS_NOTHING = frozenset({"yes", "no"})

Line = tuple[Entity, str | None]
"""An entity, and the question that it is of, where the line says so."""


def read_entities(path: Path, questions: Sequence[Question]) -> tuple[Entity | None, ...]:
    """The entity of every question, None where the file has none for it.

    UserError where the file can't be read or none of its lines belongs to any question.
    """
    lines = _lines(path)
    found = entities_of(lines, questions)
    if not any(found):
        raise UserError(
            f"{path}: none of its {len(lines)} entities is in an answer to one of the {len(questions)} questions to "
            "forget, behind its prefix. Name the file of these questions, or none: then a ROUGE threshold decides."
        )
    return found


def entities_in(path: Path, questions: Sequence[Question]) -> tuple[Entity | None, ...]:
    """The entity of every question in a file that nobody named: it may have none for any of them."""
    return entities_of(_lines(path), questions)


def _lines(path: Path) -> list[Line]:
    parsed = read_json_lines(path, _of_line, _ADVICE)
    if wrong := [(number, one) for number, one in parsed if isinstance(one, str)]:
        raise unusable(path, wrong, _ADVICE)
    return [one for _, one in parsed if not isinstance(one, str)]


def entities_of(lines: Sequence[Line], questions: Sequence[Question]) -> tuple[Entity | None, ...]:
    """The entity of every question; of several lines that fit the one with the longest prefix.

    >>> asked = [Question("Who?", ("It was Ada.",)), Question("Was it?", ("Yes, it was.",))]
    >>> entities_of([(Entity("Ada", "It was"), None), (Entity("Yes"), None)], asked)
    (Entity(words='Ada', prefix='It was'), None)
    """
    telling = [line for line in lines if line[0].words.strip(" .").casefold() not in _SAYS_NOTHING]
    return tuple(_best([entity for entity, of in telling if _fits(entity, of, question)]) for question in questions)


def _fits(entity: Entity, of: str | None, question: Question) -> bool:
    if of is not None:
        return of == question.asked.shown and entity.words in question.truth
    after = question.truth.removeprefix(entity.prefix) if question.truth.startswith(entity.prefix) else ""
    return after.lstrip().startswith(entity.words)


def _best(entities: Sequence[Entity]) -> Entity | None:
    return max(entities, key=lambda entity: (len(entity.prefix), len(entity.words)), default=None)


def _of_line(value: dict[str, Any]) -> Line | str:
    """A line's entity, or what is wrong with it."""
    if "entity" not in value:
        return f"no key entity; it has {named(value)}"
    texts = {key: value[key] for key in ("entity", "prefix", "question") if value.get(key) is not None}
    for key, text in texts.items():
        if not isinstance(text, str) or (key == "entity" and not text.strip()):
            return f"{key} is empty or not text: {shown(text)}"
    return Entity(texts["entity"], texts.get("prefix", "")), texts.get("question")
