"""What `pretrain`, `finetune` and `retrain` do: a model trained on the likelihood of rows.

Their folders hold `model/`, loadable by `AutoModelForCausalLM.from_pretrained`; what else is in them is documented in
`scale.stages.pipeline`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from records.doing import doing
from records.errors import UserError
from records.store import CHECKPOINT, Data, save
from records.work import Progress
from scale.data.formats import format_of
from scale.data.row import Learnable
from scale.models.folders.language_model import LanguageModel, recompute_activations
from scale.models.loading.lora import adapted
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.models.loading.whole import load as load_model
from scale.runtime import checkpoint
from scale.stages.shared.context import MODEL, Context, about_model, history_columns, lines, save_model_of
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule
from scale.training.trained_as import trained_as

__all__ = ["fit", "starting_model"]


def fit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    stage: str,
    rows: Sequence[Learnable],
    schedule: Schedule,
    start: str | None,
    seed: int,
    settings: Mapping[str, Any],
) -> None:
    """Train on the likelihood of `rows`, from the model of the stage `start`, the one named, or from scratch."""
    doing("making the model ready")
    below = inputs[start] / MODEL if start else None
    language_model = _to_train(context, below, seed, recompute=schedule.recompute)
    training = _training(context, language_model, rows, schedule, seed)
    doing("training")
    history = _trained(training, stage, folder / CHECKPOINT, progress)
    values = {
        "stage": stage,
        "seed": seed,
        "training": trained_as(likelihood, schedule),
        "data": context.corpus.describe(),
        "model": about_model(language_model),
        "merged_boundaries": sum(row.merged for row in training.rows.forget),
        "history": history_columns(history),
    }
    if context.processes.first:
        save(folder, Data({}, values))
    save_model_of(
        folder,
        training,
        language_model,
        merge=True,  # what is unlearned and judged by is a whole model
        about={"stage": stage},
        settings=settings,
        results={"loss": history[-1]["loss"]},
        processes=context.processes,
    )


def _to_train(context: Context, below: Path | None, seed: int, *, recompute: bool) -> LanguageModel:
    """The model that a stage starts from, with a fresh adapter where one is trained."""
    language_model, lora = context.ready(starting_model(context, below, seed)), context.model.lora
    if lora is not None:
        base, revision = (str(below), None) if below else (context.model.base, context.model.revision)
        language_model = adapted(language_model, lora, seed=seed, base=base, revision=revision)
    if recompute:
        recompute_activations(language_model.model)
    return language_model


def _training(
    context: Context, language_model: LanguageModel, rows: Sequence[Learnable], schedule: Schedule, seed: int
) -> Training:
    """The model on the likelihood of these rows, before its first step."""
    writer = context.writer(language_model)
    encoded = TrainingRows([piece for row in rows for piece in row.encode(writer)])
    scorer, processes = context.scorer(language_model.model), context.processes
    return Training(scorer, likelihood, encoded, schedule, seed=seed, pad=writer.pad, processes=processes)


def _trained(training: Training, stage: str, place: Path, progress: Progress) -> list[dict[str, Any]]:
    """Train to the end, from the checkpoint at `place` if there is one; the log. UserError where it diverges."""
    epochs, processes = training.epochs, training.processes
    before = checkpoint.read(place, training.scorer, training.optimizer, processes)
    history: list[dict[str, Any]] = before.values["history"] if before else []
    for moment in training.run(after=before.values["epoch"] if before else 0):
        history += lines(stage, moment, processes)
        if moment.stopped:
            kept = f" The weights of the epochs before are kept in {place}." if place.is_dir() else ""
            raise UserError(f"The stage {stage} diverged: {moment.stopped}{kept} Choose a smaller lr.")
        progress(moment.epoch, epochs)
        if moment.ended and moment.epoch < epochs:
            state = Data({}, {"epoch": moment.epoch, "history": history})
            checkpoint.write(place, training.scorer, training.optimizer, state, processes)
    return history


def starting_model(context: Context, folder: Path | None, seed: int) -> LanguageModel:
    """The model in `folder`, the one that the recipe names, or one from scratch."""
    if folder is not None:
        return load_model(folder, weights=context.model.kept)
    shape = context.model.scratch
    if shape is None:
        return load_model(context.model.base, revision=context.model.revision, weights=context.model.kept)
    return _from_scratch(context, shape, seed)


def _from_scratch(context: Context, shape: Shape, seed: int) -> LanguageModel:
    """A model with a tokenizer that is trained on all texts of the corpus.

    So finetuned and retrained model read the same tokens; it is the one thing of a retrained model that has seen the
    forget set.
    """
    corpus, form = context.corpus, format_of(context.model.prompt)
    rows = (*corpus.retain, *corpus.kept, *corpus.later, *corpus.forget, *corpus.known)
    bare = train_tokenizer([], 258)
    said = [row.written(bare, form) for row in rows] + list(corpus.idk)
    tokenizer = train_tokenizer(said, shape.vocab, family=shape.family)
    return LanguageModel(from_scratch(tokenizer, shape, seed=seed), tokenizer)
