"""What a task is: a value that says what is unlearned, what is asked, and in what form answers are logged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from scale.evaluation.exam import Exam
from scale.evaluation.results import SetResult
from scale.evaluation.scores import Whole
from scale.tasks.corpus import Corpus

__all__ = ["Task", "TaskSettings"]


class TaskSettings(BaseModel):
    """What a recipe says under `data:`; `kind` names the task, whose own settings are a model derived from this one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    @property
    def files(self) -> tuple[str, ...]:
        """The user's files and folders that rows come from."""
        return ()

    def instead(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Keys that the environment gives another value, a folder that is here instead of the hub say."""
        del environment
        return {}


@dataclass(frozen=True)
class Task:
    """A task by name: the model of its settings, its rows and what is asked of each set, its scores, its log.

    `corpus` reads the rows to forget and to retain, and what is asked: sets of questions by name, each with its
    metrics; UserError where the settings can't be met. `whole` makes scores of all sets together, as model utility is
    (`scale.evaluation.scores`). `log` is what `log.json` holds of an examination.
    """

    name: str
    about: str
    settings: type[TaskSettings]
    corpus: Callable[[Any], Corpus]
    whole: tuple[str | Whole, ...]
    log: Callable[[Mapping[str, SetResult], Exam], dict[str, Any]]
