"""What is known of the questions to forget beside their answers: the words that give them away, and other wordings."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from records.errors import together
from records.paths import user_path
from scale.audit.asked import AskedSets, Entity
from scale.audit.entities import entities_in, read_entities
from scale.audit.reworded import read_reworded, reworded
from scale.audit.settings import AuditSettings
from scale.data.questions import QuestionSet
from scale.tasks.task import TaskSettings
from scale.tasks.tofu import TofuSettings

__all__ = ["TOFU_ENTITIES", "with_known"]

TOFU_ENTITIES = "forget10_entities.jsonl"
"""What the file is called that is looked for beside TOFU's own."""


def with_known(asked: AskedSets, settings: AuditSettings, data: TaskSettings | None) -> AskedSets:
    """These sets with entities and other wordings: of the files that are named, else those that `data` has.

    `data` is what the questions are from, None for rows of one's own. UserError with all that is wrong with the files.
    """
    entities, other = together(
        partial(_entities, settings.entities, asked.forget, data),
        partial(_reworded, settings.reworded, asked.forget, data),
    )
    return replace(asked, entities=entities, reworded=other)


def _entities(file: str | None, forget: QuestionSet, data: TaskSettings | None) -> tuple[Entity | None, ...]:
    if file is not None:
        return read_entities(user_path(file, "audit.entities"), forget.questions)
    if not isinstance(data, TofuSettings):
        return ()
    usual = [path for folder in data.files if (path := Path(folder) / TOFU_ENTITIES).is_file()]
    found = entities_in(usual[0], forget.questions) if usual else ()
    return found if any(found) else ()


def _reworded(file: str | None, forget: QuestionSet, data: TaskSettings | None) -> tuple[str | None, ...]:
    if file is not None:
        return read_reworded(user_path(file, "audit.reworded"), forget.questions)
    return () if data is None else reworded(data, forget.questions)
