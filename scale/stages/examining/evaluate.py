"""What `evaluate` does: the examination of a model, kept with its numbers, its answers and TOFU's `log.json`."""

from collections.abc import Mapping
from pathlib import Path

from records.doing import doing
from records.files import write_json
from records.store import Data, content_hash, save
from records.work import Progress
from scale.data.few_shot import after_examples
from scale.data.prompts import Writer
from scale.data.questions import QuestionSet
from scale.evaluation.asked import with_metrics
from scale.evaluation.exam import Exam, about_rouge, examine, texts
from scale.evaluation.kept import KeptMeasures
from scale.evaluation.results import arrays
from scale.evaluation.retain_log import RetainLog
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.whole import load as load_model
from scale.models.reference.identity import folders_of, model_hash
from scale.stages.examining.examples import examples_of
from scale.stages.shared.context import MODEL, Context, about_model
from scale.tasks.task import Task

__all__ = ["LOG", "evaluate", "evaluate_model", "evaluate_named", "exam_of", "sets_of"]

LOG = "log.json"
MEASURED = ".measured"
"""The folder, beside the stages of a run, of what was measured of its models."""


def sets_of(context: Context) -> dict[str, QuestionSet]:
    """The sets of questions, with the metrics that the recipe adds."""
    return with_metrics(context.corpus.asked, context.asked.metrics)


def exam_of(context: Context, task: Task, writer: Writer, asked: Mapping[str, QuestionSet] | None = None) -> Exam:
    """What a model is asked; `asked` is what it reads of it, where that is known already."""
    sets = context.corpus.looked(writer).asked if asked is None else asked
    every = with_metrics(sets, context.asked.metrics)
    writer = writer._replace(format=after_examples(writer.format, examples_of(context)))
    return Exam.of(every, context.exams, writer, most=context.asked.questions, whole=task.whole)


def evaluate(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, context: Context, task: Task, of: str
) -> None:
    """Examine the model of the stage `of`."""
    del progress
    evaluate_model(folder, inputs[of] / MODEL, context, task, name=of)


def evaluate_named(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    task: Task,
    model: str,
    log: RetainLog | None = None,
) -> None:
    """Examine the model that a user names, against the log of a retrained one, if there is one."""
    del inputs, progress
    evaluate_model(folder, model, context, task, name=model, log=log)


def _kept(folder: Path, model: Path | str, language_model: LanguageModel, context: Context) -> KeptMeasures | None:
    """What is kept of a model's measures, in the folder of the run; nothing of a model that lies in no folder."""
    if not folders_of(str(model)):
        return None
    settings = language_model.model.generation_config
    own = settings.to_diff_dict() if settings is not None else {}
    whole = content_hash([model_hash(str(model)), context.model.weights, own])
    run = folder.parent.parent if folder.parent.name == "evaluate" else folder.parent
    return KeptMeasures(run / MEASURED, whole, context.processes)


def evaluate_model(
    folder: Path,
    model: Path | str,
    context: Context,
    task: Task,
    *,
    name: str,
    log: RetainLog | None = None,
) -> None:
    """Examine any model; leaves `data.json`, `data.npz` and `log.json`."""
    doing("loading the model")
    language_model = context.ready(load_model(model, weights=context.model.weights))
    exam = exam_of(context, task, context.writer(language_model))
    doing("examining it")
    kept = _kept(folder, model, language_model, context)
    found = examine(context.scorer(language_model.model), exam, context.processes, kept=kept)
    values = {
        "of": name,
        "protocol": context.exams.name,
        "scores": exam.scores(found, log.sets if log else None),
        "model": about_model(language_model),
        "questions": {name: [q.asked.shown for q in one.questions] for name, one in exam.sets.items()},
        "truths": {name: [q.truth for q in one.questions] for name, one in exam.sets.items()},
        "texts": texts(found, exam, context.asked.texts),
        **about_rouge(exam),
        **({"judged_by": log.describe()} if log else {}),
    }
    if context.processes.first:
        save(folder, Data(arrays(found), values))
        write_json(folder / LOG, task.log(found, exam))
