"""One method run on a finetuned model, examined on the way, able to go on after being killed."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from records.examined import Examined, moments_of
from records.files import write_json
from records.store import CHECKPOINT, Data, load, save
from records.work import Progress
from scale.data.prompts import Encoded, Writer
from scale.evaluation.drift import drift, within
from scale.evaluation.exam import Exam, about_rouge, examine, texts
from scale.evaluation.results import SetResult, arrays, finite, from_arrays
from scale.models.alternates import alternates_of
from scale.models.language_model import LanguageModel, recompute_activations
from scale.models.reference_cache import ReferenceCache, ReferenceModel, ReferenceStates, held_as
from scale.models.scorer import Scorer
from scale.models.tokenizer_files import check_ids
from scale.recipes.best import BestSettings
from scale.recipes.method import Method
from scale.runtime import checkpoint
from scale.stages.best import Best
from scale.stages.context import Context, about_model, history_columns, lines, save_model_of
from scale.stages.evaluate import LOG, exam_of
from scale.stages.judged import ShownRows, finite_or_error, judged
from scale.stages.moments_kept import ByQuestion, from_flat, in_flat, stacked
from scale.stages.start import Start, cache_of, start_of
from scale.tasks.corpus import RowsRead
from scale.tasks.task import Ending, Task
from scale.training.batches import TrainingRows
from scale.training.loop import Moment, Training
from scale.training.reference_lookup import CachedReference, LiveReference, cached_reference
from scale.training.unlearning_rows import unlearning_rows

__all__ = ["Unlearning", "unlearn"]


def unlearn(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    task: Task,
    method: Method,
    seed: int,
    live: bool,
    keep_model: bool,
    rule: BestSettings | None,
    settings: Mapping[str, Any],
    finetuned: str | None,
    judged_by: tuple[str, ...],
) -> None:
    """Run one method on the finetuned model, or without one on the model that the recipe names.

    `judged_by` names the evaluations of finetuned and retrained model, as far as there are any.
    """
    Unlearning(
        folder,
        context=context,
        task=task,
        method=method,
        seed=seed,
        live=live,
        keep_model=keep_model,
        rule=rule,
        settings=settings,
        finetuned=inputs[finetuned] if finetuned else None,
        judges=tuple(inputs[name] for name in judged_by),
    ).run(progress)


@dataclass
class Unlearning:
    """The work of one `unlearn/…` unit."""

    folder: Path
    _: KW_ONLY
    context: Context
    task: Task
    method: Method
    seed: int
    live: bool
    keep_model: bool
    rule: BestSettings | None
    settings: Mapping[str, Any]
    finetuned: Path | None
    judges: tuple[Path, ...]
    history: list[dict[str, Any]] = field(default_factory=list)
    moments: list[Examined] = field(default_factory=list)
    found: list[ByQuestion] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def run(self, progress: Progress) -> None:
        """All of it; what it leaves is documented in `scale.stages.pipeline`."""
        training = self._training()
        place, epochs = self.folder / CHECKPOINT, self.method.schedule.epochs
        asked, processes = self.context.asked, self.context.processes
        before = checkpoint.read(place, training.scorer, training.optimizer, processes)
        if before is None:
            self._first_moment(training.scorer)
        else:
            self._go_on_from(before)
        stopped, last = None, None
        for moment in training.run(after=before.values["epoch"] if before else 0):
            self.history += lines(self._name, moment, processes)
            stopped, final = moment.stopped, moment.ended and moment.epoch == epochs
            if not stopped and (final or (asked.every != "end" and (not asked.at or moment.step in asked.at))):
                last = self._examine(training.scorer, moment, generate=final or asked.generate == "always")
                self.best.look(self.moments, training)
            progress(moment.epoch, epochs)
            if moment.ended and moment.epoch < epochs:
                state, beside = self._state(moment.epoch), self.best.beside
                checkpoint.write(place, training.scorer, training.optimizer, state, processes, beside=beside)
        if (best := self.best.place(self.moments)) is not None:
            if stopped or best < len(self.moments) - 1:
                last = self._examine_best(best, training)
            stopped = f"{stopped} The model is that of step {self.moments[best].step}, the best." if stopped else None
        elif stopped and self.keep_model:
            stopped, last = self._back(training, stopped, last)
        self._changed = training.changed()
        self._finish(training, stopped, last)

    @property
    def _name(self) -> str:
        return f"{self.method.label}-s{self.seed}"

    @cached_property
    def best(self) -> Best:
        """The best model so far, where it is that which is kept."""
        return Best(self.folder, self.rule, self.context.processes)

    @cached_property
    def start(self) -> Start:
        """The model to begin with."""
        return start_of(self.context, self.finetuned)

    @cached_property
    def language_model(self) -> LanguageModel:
        """The finetuned model; where an adapter is trained, with a fresh one that changes nothing yet."""
        return self.start.to_train(self.context, self.seed)

    @cached_property
    def writer(self) -> Writer:
        """How questions are written for the model."""
        return self.context.writer(self.language_model)

    @cached_property
    def exam(self) -> Exam:
        """What the model is asked."""
        return exam_of(self.context, self.task, self.writer, self.looked.asked)

    @cached_property
    def shown(self) -> ShownRows:
        """The rows whose answers are shown."""
        return ShownRows(self.context.corpus.shown, self.writer, self.context.asked.new_tokens)

    @cached_property
    def looked(self) -> RowsRead:
        """The rows as the model reads them."""
        return self.context.corpus.looked(self.writer)

    def _training(self) -> Training:
        model, context, schedule = self.language_model.model, self.context, self.method.schedule
        if schedule.recompute:
            recompute_activations(model)
        scorer, pad = Scorer(model), self.writer.pad
        reference_model = ReferenceModel(
            scorer, held_as(self.start.weights, context.model.kept), pad, context.processes
        )
        objective = self.method.objective
        cache = ReferenceCache(cache_of(self.folder, self.finetuned, self.judges))
        rows = self._rows(cache, reference_model)
        self._reference_states: dict[str, tuple[list[Encoded], ReferenceStates]] = {
            name: (answers, cache.states(reference_model, answers))
            for name in ("forget", "retain")
            if (answers := self._true_answers(name, reference_model))
        }
        reference: CachedReference | LiveReference
        if self.live:
            second = self.start.load(context).model.requires_grad_(False).eval()
            reference = LiveReference(Scorer(second), pad, context.processes)
        else:
            reference = cached_reference(cache, reference_model, objective, rows)
        return Training(
            scorer,
            objective,
            rows,
            schedule,
            seed=self.seed,
            pad=pad,
            processes=context.processes,
            reference=reference,
            every_step=context.asked.every == "step" and not context.asked.at,
            at=context.asked.at,
            pooled=self.method.pooled,
        )

    def _rows(self, cache: ReferenceCache, reference: ReferenceModel) -> TrainingRows:
        """What is trained on; UserError, with its line where it has one, for a row that the model can't read."""
        asked = [answer for one in self.exam.encoded.values() for question in one for answer in question]
        check_ids(*self.language_model, [piece.ids for answer in asked for piece in answer])
        draw, epochs = partial(alternates_of, cache.folder, reference, self.writer), self.method.schedule.epochs
        corpus, objective = self.context.corpus, self.method.objective
        return unlearning_rows(self.writer, corpus, objective, epochs=epochs, seed=self.seed, draw=draw)

    def _true_answers(self, name: str, reference: ReferenceModel) -> list[Encoded]:
        """The true answers among all that is asked of a set, as many as there is room on disk for their states."""
        every = [piece for question in self.exam.encoded.get(name, ()) for piece in question[0]]
        return every[: within(every, reference.head.weight.shape[1])] if every else []

    def _first_moment(self, scorer: Any) -> None:
        """The model to begin with, as it was examined already, or now."""
        columns = self._examined_before(scorer)
        judged = self.exam.scores(from_arrays(columns), self._retrained)
        self.moments.append(Examined(0, 0, {**judged, **{f"{name}_kl": 0.0 for name in self._reference_states}}))
        self.found.append(columns)
        self.said = self.shown.said(scorer, self.context.processes)
        self.best.refuse_unknown(self.moments[0].scores)

    def _examined_before(self, scorer: Any) -> dict[str, np.ndarray]:
        """What an examination found of the model to begin with; UserError where it has no finite probabilities."""
        if self.judges:
            return dict(load(self.judges[0]).arrays)
        found = examine(scorer, self.exam, self.context.processes)
        finite_or_error(found, self.start.model)
        return arrays(found)

    @cached_property
    def _retrained(self) -> dict[str, SetResult] | None:
        return from_arrays(load(self.judges[1]).arrays) if len(self.judges) > 1 else None

    def _examine(self, scorer: Any, moment: Moment, *, generate: bool) -> Mapping[str, SetResult]:
        found = examine(scorer, self.exam, self.context.processes, generate=generate)
        judged = self.exam.scores(found, self._retrained)
        pad = self.writer.pad
        moved = {
            f"{name}_kl": finite(drift(scorer, rows, reference, pad, self.context.processes))
            for name, (rows, reference) in self._reference_states.items()
        }
        self.moments.append(Examined(moment.step, moment.epoch, {**judged, **moved}))
        self.found.append(arrays(found))
        return found

    def _examine_best(self, at: int, training: Training) -> Mapping[str, SetResult]:
        """Put back the best model and examine it once more: its answers, and what was not measured on the way."""
        self.best.put_back(training)
        found, moment = examine(training.scorer, self.exam, self.context.processes), self.moments[at]
        again = self.exam.scores(found, self._retrained)
        gaps = {name: again.get(name) for name, value in moment.scores.items() if value is None}
        self.moments[at] = moment._replace(scores={**again, **moment.scores, **gaps})
        self.found[at] = arrays(found)
        return found

    def _state(self, epoch: int) -> Data:
        """What a later process needs to go on after this epoch."""
        values = {"epoch": epoch, "history": self.history, "moments": self._saved_moments(), "said": self.said}
        return Data(in_flat(self.found), values)

    def _saved_moments(self) -> list[dict[str, float | None]]:
        return [moment.saved() for moment in self.moments]

    def _go_on_from(self, before: Data) -> None:
        self.history, self.moments = before.values["history"], moments_of(before.values)
        self.found, self.said = from_flat(before.arrays, len(self.moments)), before.values["said"]
        self.best.recall(self.folder / CHECKPOINT)

    def _back(
        self, training: Training, why: str, last: Mapping[str, SetResult] | None
    ) -> tuple[str, Mapping[str, SetResult] | None]:
        """Put back the weights of the last epoch that ended well, if one has; which model is kept, in words.

        It is examined now where it was not when it ended.
        """
        found = checkpoint.read(self.folder / CHECKPOINT, training.scorer, training.optimizer, self.context.processes)
        self.keep_model = found is not None
        if found is None:
            return f"{why} No model is kept.", last
        epoch = found.values["epoch"]
        if self.moments[-1].epoch != epoch:
            moment = Moment(epoch * training.steps, epoch, True, [], None)
            last = self._examine(training.scorer, moment, generate=True)
        return f"{why} The model is that of epoch {epoch}.", last

    def _values(self, stopped: str | None, last: Mapping[str, SetResult] | None) -> dict[str, Any]:
        """What is saved beside the arrays."""
        return {
            "stage": "unlearn",
            "method": self.method.name if ":" in self.method.name else self.method.name.upper(),
            "label": self.method.label,
            "beta": self.method.beta,
            "hyperparameters": dict(self.method.objective.hyperparameters),
            "seed": self.seed,
            "protocol": self.context.exams.name,
            "data": self.context.corpus.describe(),
            "model": about_model(self.language_model),
            "history": history_columns(self.history),
            "stopped": stopped,
            "changed": self._changed,
            "moments": self._saved_moments(),
            **self.best.record(self.moments),
            "kl_rows": {name: len(rows) for name, (rows, _) in self._reference_states.items()},
            **judged(self.judges, self.moments[0], self.exam),
            "texts": texts(last, self.exam, self.context.asked.texts) if last else [],
            **about_rouge(self.exam),
        }

    def _ending(self, values: dict[str, Any], columns: Mapping[str, np.ndarray], said: list[str]) -> Ending:
        return Ending(
            values,
            columns,
            self.shown.beside(self.said, said),
            self.looked,
            keeps_model=self.keep_model,
            trains_on_retain=bool(self.method.objective.retain_needs),
        )

    def _about(self) -> dict[str, Any]:
        """What the model's card is called after."""
        if self.finetuned is not None:
            return {"stage": "unlearn", "label": self.method.label}
        name, rows = Path(self.start.model).name, len(self.context.corpus.forget)
        return {"stage": "forget", "model": name, "rows": rows, "label": self.method.label}

    def _finish(self, training: Training, stopped: str | None, last: Mapping[str, SetResult] | None) -> None:
        self.best.clear(self._name, self.moments)
        said = self.shown.said(training.scorer, self.context.processes)
        if self.context.processes.first:
            columns, values = stacked(self.found), self._values(stopped, last)
            more = self.task.told(self._ending(values, columns, said))
            save(self.folder, Data({**columns, **more.arrays}, {**values, **more.values}))
            if last:
                write_json(self.folder / LOG, self.task.log(last, self.exam))
        if self.keep_model:
            save_model_of(
                self.folder,
                training,
                self.language_model,
                merge=self.start.merge,
                about=self._about(),
                settings=self.settings,
                results=self.best.kept(self.moments).saved(),
                processes=self.context.processes,
            )
