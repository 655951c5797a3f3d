"""A run that retrains no model: the published log of one stands in the place of its examination."""

from collections.abc import Mapping
from pathlib import Path

from records.errors import UserError
from records.paths import user_path
from records.store import Data, save
from records.work import Progress
from scale.evaluation.asked import TOFU_METRICS
from scale.evaluation.results import arrays
from scale.evaluation.retain_log import RetainLog, fitted, read_retain_log
from scale.evaluation.scores import TOFU_WHOLE, scores
from scale.recipes.recipe import Recipe
from scale.stages.examining.evaluate import sets_of
from scale.stages.shared.context import Context
from scale.tasks.kinds import task_of
from scale.tasks.task import Task

__all__ = ["log_of", "take_log"]


def log_of(recipe: Recipe, context: Context) -> RetainLog | None:
    """The log that a recipe names, as far as it asks the same; None where it names none.

    UserError where it can't judge this run.
    """
    if recipe.retain_log is None:
        return None
    found = read_retain_log(user_path(recipe.retain_log, "retain_log"))
    if not found.tells_all and "forget_quality" not in task_of(recipe.data.kind).whole:
        raise UserError(
            f"retain_log {found.path}: it is {found.kind}, which has nothing of what judges data of the kind "
            f"{recipe.data.kind}. Name evaluate/retrain of a run on this data."
        )
    log = fitted(found, sets_of(context), context.exams, context.asked.questions)
    forgotten, asked = len(context.corpus.forget), len(context.corpus.asked["forget"].questions)
    if forgotten <= asked:
        return log
    told = f"This run forgets {forgotten} rows and asks {asked}: {log.path} can't tell that its model saw none of them."
    return log._replace(told=(*log.told, told))


def take_log(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, context: Context, task: Task, log: RetainLog
) -> None:
    """Leave what the examination of a retrained model would have left, as far as its log tells."""
    del inputs, progress
    whole = TOFU_WHOLE if task.whole == TOFU_WHOLE else ()
    means = scores(log.sets, context.exams, asked=TOFU_METRICS, whole=whole) if log.scores is None else log.scores
    values = {"of": str(log.path), "protocol": context.exams.name, "scores": dict(means), "retain_log": log.describe()}
    if context.processes.first:
        save(folder, Data(arrays(log.sets), values))
