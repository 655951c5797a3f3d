"""What a task is: a value that says what is unlearned, what is asked, and in what form answers are logged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from scale.evaluation.exam import Exam
from scale.evaluation.results import SetResult
from scale.evaluation.scores import Whole
from scale.tasks.corpus import Corpus, RowsRead

__all__ = ["NOTHING_MORE", "Ending", "Task", "TaskSettings", "Told"]


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


class Ending(NamedTuple):
    """The end of an unlearning run: what is saved of it anyway, by question too, and answers before and after.

    `arrays` have moments along their first axis; `answers` are of {set, question, answer, before, after}.
    """

    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    answers: Sequence[Mapping[str, str]]
    looked: RowsRead
    keeps_model: bool
    trains_on_retain: bool


class Told(NamedTuple):
    """What a task adds to the values and arrays of a run."""

    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


NOTHING_MORE = Told({}, {})


def nothing_more(ending: Ending) -> Told:
    """No more than is saved anyway."""
    del ending
    return NOTHING_MORE


@dataclass(frozen=True)
class Task:
    """A task by name: the model of its settings, its rows and what is asked of each set, its scores, its log.

    `corpus` reads the rows to forget and to retain, and what is asked: sets of questions by name, each with its
    metrics; UserError where the settings can't be met. `whole` makes scores of all sets together, as model utility is
    (`scale.evaluation.scores`). `log` is what `log.json` holds of an examination. `told` adds to what is saved of an
    unlearning run. A recipe that names no protocol has this one.
    """

    name: str
    about: str
    settings: type[TaskSettings]
    corpus: Callable[[Any], Corpus]
    whole: tuple[str | Whole, ...]
    log: Callable[[Mapping[str, SetResult], Exam], dict[str, Any]]
    told: Callable[[Ending], Told] = nothing_more
    protocol: str = "tofu"
