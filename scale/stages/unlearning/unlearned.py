"""What an unlearning run saves at its end: numbers, `log.json`, the model with its card (`scale.stages.pipeline`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from records.examined import Examined
from records.files import write_json
from records.store import Data, save
from scale.evaluation.exam import about_rouge, texts
from scale.evaluation.results import SetResult
from scale.stages.examining.evaluate import LOG
from scale.stages.shared.context import about_model, history_columns, save_model_of
from scale.stages.unlearning.best import Best
from scale.stages.unlearning.judged import NOT_JUDGED, judged
from scale.stages.unlearning.moments_kept import ByQuestion, stacked
from scale.stages.unlearning.ready import ReadyToUnlearn
from scale.tasks.task import NOTHING_MORE, Ending
from scale.training.trained_as import trained_as

__all__ = ["Unlearned", "save_unlearned"]


class Unlearned(NamedTuple):
    """What has become of a run: steps, moments and what was found at each, answers before, why it stopped early.

    `last` is the examination of the model that is kept, None where none is.
    """

    history: Sequence[Mapping[str, Any]]
    moments: Sequence[Examined]
    found: Sequence[ByQuestion]
    said: Sequence[str]
    stopped: str | None
    last: Mapping[str, SetResult] | None
    keeps_model: bool


def save_unlearned(ready: ReadyToUnlearn, done: Unlearned, best: Best, settings: Mapping[str, Any]) -> None:
    """Save it; all processes call it, the first writes."""
    training, processes = ready.training, ready.context.processes
    changed = training.changed()
    said = ready.shown.said(training.scorer, processes) if done.moments else []
    if processes.first:
        columns, values = stacked(done.found) if done.found else {}, _values(ready, done, best, changed=changed)
        more = ready.task.told(_ending(ready, done, values, columns, said)) if done.moments else NOTHING_MORE
        save(ready.folder, Data({**columns, **more.arrays}, {**values, **more.values}))
        if done.last:
            write_json(ready.folder / LOG, ready.task.log(done.last, ready.exam))
    if done.keeps_model:
        save_model_of(
            ready.folder,
            training,
            ready.language_model,
            merge=ready.start.merge,
            about=_about(ready),
            settings=settings,
            results=best.kept(done.moments).saved() if done.moments else {},
            processes=processes,
        )


def _values(ready: ReadyToUnlearn, done: Unlearned, best: Best, *, changed: bool) -> dict[str, Any]:
    """What is saved beside the arrays."""
    method, context = ready.method, ready.context
    return {
        "stage": "unlearn",
        "method": method.name if ":" in method.name else method.name.upper(),
        "label": method.label,
        "beta": method.beta,
        "hyperparameters": dict(method.objective.hyperparameters),
        **({"beta_of": method.found} if method.found else {}),
        "seed": ready.seed,
        "training": trained_as(method.objective, method.schedule, pooled=method.pooled),
        "protocol": context.exams.name,
        "data": context.corpus.describe(),
        "model": about_model(ready.language_model),
        "history": history_columns(done.history),
        **ready.training.kept(),
        "stopped": done.stopped,
        "changed": changed,
        "moments": [moment.saved() for moment in done.moments],
        "kl_rows": {name: len(rows) for name, (rows, _) in ready.reference_states.items()},
        "texts": texts(done.last, ready.exam, context.asked.texts) if done.last else [],
        **(_examined(ready, done, best) if done.moments else NOT_JUDGED),
    }


def _examined(ready: ReadyToUnlearn, done: Unlearned, best: Best) -> dict[str, Any]:
    """What its examinations are held against, and which of them is that of the model."""
    return best.record(done.moments) | judged(ready.judges, done.moments[0], ready.exam) | about_rouge(ready.exam)


def _ending(
    ready: ReadyToUnlearn, done: Unlearned, values: Mapping[str, Any], columns: ByQuestion, said: Sequence[str]
) -> Ending:
    return Ending(
        values,
        columns,
        ready.shown.beside(done.said, said),
        ready.looked,
        keeps_model=done.keeps_model,
        trains_on_retain=bool(ready.method.objective.retain_needs),
    )


def _about(ready: ReadyToUnlearn) -> dict[str, Any]:
    """What the model's card is called after."""
    if ready.finetuned is not None:
        return {"stage": "unlearn", "label": ready.method.label}
    name, rows = Path(ready.start.model).name, len(ready.context.corpus.forget)
    return {"stage": "forget", "model": name, "rows": rows, "label": ready.method.label}
