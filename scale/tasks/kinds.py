"""The tasks there are, and how a recipe's `data: {kind: …}` names one."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from records.errors import UserError
from scale.tasks.corpus import Corpus
from scale.tasks.fictional import FICTIONAL
from scale.tasks.muse import MUSE
from scale.tasks.rows import ROWS
from scale.tasks.task import Task, TaskSettings
from scale.tasks.tofu import TOFU

__all__ = ["TASKS", "AnyTask", "corpus_of", "kind_of", "nearest", "task_of"]

TASKS = (TOFU, FICTIONAL, ROWS, MUSE)
"""The first is meant where none is named."""


def task_of(kind: str) -> Task:
    """A task by name, whatever its case; UserError with the nearest names where there is none.

    >>> task_of("tofu").name
    'TOFU'
    """
    found = next((task for task in TASKS if task.name.casefold() == kind.casefold()), None)
    if found is None:
        raise UserError(f"There is no kind of data {kind!r}. {nearest(kind)}")
    return found


def nearest(kind: str) -> str:
    """What may have been meant, as a sentence.

    >>> nearest("tofo")
    'Did you mean TOFU? Kinds: TOFU, fictional, rows, MUSE.'
    """
    names = {task.name.casefold(): task.name for task in TASKS}
    near = difflib.get_close_matches(kind.casefold(), names, n=1)
    hint = f"Did you mean {names[near[0]]}? " if near else ""
    return f"{hint}Kinds: {', '.join(names.values())}."


def corpus_of(settings: TaskSettings) -> Corpus:
    """The rows and questions of a recipe's data; UserError where they can't be had."""
    return task_of(settings.kind).corpus(settings)


def kind_of(data: Any) -> str:
    """The name of the task that some settings, read or not yet, are of; as it is written where there is no such task.

    >>> kind_of({"forget": "forget10"}), kind_of({"kind": "FICTIONAL"}), kind_of({"kind": "x"})
    ('TOFU', 'fictional', 'x')
    """
    usual = TASKS[0].name
    kind = data.get("kind", usual) if isinstance(data, Mapping) else getattr(data, "kind", usual)
    return next((task.name for task in TASKS if task.name.casefold() == str(kind).casefold()), str(kind))


class _ByKind:
    """For pydantic: the settings are those of the task that their `kind` names."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source
        choices = {task.name: handler.generate_schema(task.settings) for task in TASKS}
        return core_schema.tagged_union_schema(choices, kind_of)


AnyTask = Annotated[TaskSettings, _ByKind]
