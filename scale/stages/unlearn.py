"""One method run on a finetuned model, examined on the way, able to go on after being killed."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from records.examined import Examined, moments_of
from records.files import write_json
from records.store import CHECKPOINT, Data, load, save
from records.work import Progress
from scale.data.prompts import Encoded, Writer
from scale.evaluation.drift import drift
from scale.evaluation.exam import Exam, about_rouge, examine, texts
from scale.evaluation.metrics import forget_quality, probability, rankable
from scale.evaluation.results import SetResult, arrays, finite, from_arrays
from scale.evaluation.scores import log_ratio_of
from scale.models.adapters import adapted
from scale.models.alternates import alternates_of
from scale.models.language_model import LanguageModel, recompute_activations
from scale.models.loading import load as load_model
from scale.models.reference_cache import ReferenceCache, ReferenceModel, ReferenceStates, held_as, weights_hash
from scale.models.scorer import Scorer
from scale.recipes.best import BestSettings
from scale.recipes.method import Method
from scale.runtime import checkpoint
from scale.stages.best import Best
from scale.stages.context import MODEL, Context, about_model, history_columns, lines, save_model_of
from scale.stages.evaluate import LOG, exam_of
from scale.stages.moments_kept import ByQuestion, from_flat, in_flat, stacked
from scale.tasks.task import Task
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
    finetuned: str,
    judged_by: tuple[str, str],
) -> None:
    """Run one method on the finetuned model; `judged_by` names the evaluations of finetuned and retrained model."""
    finetuned_scores, retrained_scores = (inputs[name] for name in judged_by)
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
        finetuned=inputs[finetuned],
        finetuned_scores=finetuned_scores,
        retrained_scores=retrained_scores,
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
    finetuned: Path
    finetuned_scores: Path
    retrained_scores: Path
    history: list[dict[str, Any]] = field(default_factory=list)
    moments: list[Examined] = field(default_factory=list)
    found: list[ByQuestion] = field(default_factory=list)

    def run(self, progress: Progress) -> None:
        """All of it; what it leaves is documented in `scale.stages.pipeline`."""
        training = self._training()
        place, epochs = self.folder / CHECKPOINT, self.method.schedule.epochs
        asked, processes = self.context.asked, self.context.processes
        before = checkpoint.read(place, training.scorer, training.optimizer, processes)
        if before is None:
            self._first_moment()
        else:
            self._go_on_from(before)
        stopped, last = None, None
        for moment in training.run(after=before.values["epoch"] if before else 0):
            self.history += lines(self._name, moment, processes)
            stopped, final = moment.stopped, moment.ended and moment.epoch == epochs
            if not stopped and (final or not asked.at or moment.step in asked.at):
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
            stopped = f"{stopped} {self._back(training)}"
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
    def language_model(self) -> LanguageModel:
        """The finetuned model; where an adapter is trained, with a fresh one that changes nothing yet."""
        loaded = self.context.ready(load_model(self.finetuned / MODEL, weights=self.context.model.kept))
        lora = self.context.model.lora
        return adapted(loaded, lora, seed=self.seed, base=self.finetuned / MODEL) if lora is not None else loaded

    @cached_property
    def writer(self) -> Writer:
        """How questions are written for the model."""
        return self.context.writer(self.language_model)

    @cached_property
    def exam(self) -> Exam:
        """What the model is asked."""
        return exam_of(self.context, self.task, self.writer)

    def _training(self) -> Training:
        model, context, schedule = self.language_model.model, self.context, self.method.schedule
        if schedule.recompute:
            recompute_activations(model)
        scorer, pad = Scorer(model), self.writer.pad
        reference_model = ReferenceModel(
            scorer, held_as(weights_hash(self.finetuned / MODEL), context.model.kept), pad, context.processes
        )
        objective = self.method.objective
        cache = ReferenceCache(self.finetuned.parent / "reference")
        draw = partial(alternates_of, cache.folder, reference_model, self.writer)
        rows = unlearning_rows(
            self.writer, context.corpus, objective, epochs=schedule.epochs, seed=self.seed, draw=draw
        )
        self._reference_states: dict[str, tuple[list[Encoded], ReferenceStates]] = {
            name: (answers, cache.states(reference_model, answers))
            for name in ("forget", "retain")
            if (answers := self._true_answers(name))
        }
        reference: CachedReference | LiveReference
        if self.live:
            second = (
                context.ready(load_model(self.finetuned / MODEL, weights=context.model.kept))
                .model.requires_grad_(False)
                .eval()
            )
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

    def _true_answers(self, name: str) -> list[Encoded]:
        """The true answers among all that is asked of a set."""
        return [piece for question in self.exam.encoded.get(name, ()) for piece in question[0]]

    def _first_moment(self) -> None:
        """The finetuned model, as it was examined already."""
        known = load(self.finetuned_scores)
        judged = self.exam.scores(from_arrays(known.arrays), self._retrained)
        self.moments.append(Examined(0, 0, {**judged, "forget_kl": 0.0, "retain_kl": 0.0}))
        self.found.append(dict(known.arrays))
        self.best.refuse_unknown(self.moments[0].scores)

    @cached_property
    def _retrained(self) -> dict[str, SetResult]:
        return from_arrays(load(self.retrained_scores).arrays)

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
        return Data(in_flat(self.found), {"epoch": epoch, "history": self.history, "moments": self._saved_moments()})

    def _saved_moments(self) -> list[dict[str, float | None]]:
        return [moment.saved() for moment in self.moments]

    def _go_on_from(self, before: Data) -> None:
        self.history, self.moments = before.values["history"], moments_of(before.values)
        self.found = from_flat(before.arrays, len(self.moments))
        self.best.recall(self.folder / CHECKPOINT)

    def _back(self, training: Training) -> str:
        """Put back the weights of the last epoch that ended well, if one has; which model is kept, in words."""
        found = checkpoint.read(self.folder / CHECKPOINT, training.scorer, training.optimizer, self.context.processes)
        self.keep_model = found is not None
        return f"The model is that of epoch {found.values['epoch']}." if found else "No model is kept."

    def _values(self, stopped: str | None, last: Mapping[str, SetResult] | None) -> dict[str, Any]:
        """What is saved beside the arrays."""
        judges = {"finetuned": self.finetuned_scores, "retrained": self.retrained_scores}
        finetuned, retrained = from_arrays(load(self.finetuned_scores).arrays)["forget"], self._retrained["forget"]
        start = forget_quality(*(log_ratio_of(part, self.context.exams) for part in (finetuned, retrained)))
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
            **{name: load(path).values["scores"] for name, path in judges.items()},
            "n": start.n,
            "log10_floor": start.log10_floor,
            "not_rankable": rankable(
                finetuned=float(probability(finetuned.losses).mean()),
                retrained=float(probability(retrained.losses).mean()),
                p=start.p if start.n else None,
            ),
            "texts": texts(last, self.exam, self.context.asked.texts) if last else [],
            **about_rouge(self.exam),
        }

    def _finish(self, training: Training, stopped: str | None, last: Mapping[str, SetResult] | None) -> None:
        self.best.clear(self._name, self.moments)
        if self.context.processes.first:
            save(self.folder, Data(stacked(self.found), self._values(stopped, last)))
            if last:
                write_json(self.folder / LOG, self.task.log(last, self.exam))
        if self.keep_model:
            lora = self.context.model.lora
            save_model_of(
                self.folder,
                training,
                self.language_model,
                merge=lora is not None and lora.merge,
                about={"stage": "unlearn", "label": self.method.label},
                settings=self.settings,
                results=self.best.kept(self.moments).saved(),
                processes=self.context.processes,
            )
