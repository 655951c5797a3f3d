"""One method run on a finetuned model, examined on the way, able to go on after being killed."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from records.doing import doing
from records.examined import Examined, moments_of
from records.store import CHECKPOINT, Data, load
from records.work import Progress
from scale.evaluation.drift import drift
from scale.evaluation.exam import examine
from scale.evaluation.results import SetResult, arrays, finite, from_arrays
from scale.recipes.best import BestSettings
from scale.recipes.method import Method, with_beta
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.stages.shared.context import Context, lines
from scale.stages.unlearning.best import Best
from scale.stages.unlearning.judged import all_finite, finite_or_error
from scale.stages.unlearning.moments_kept import ByQuestion, from_flat, in_flat
from scale.stages.unlearning.ready import ReadyToUnlearn
from scale.stages.unlearning.unlearned import Unlearned, save_unlearned
from scale.tasks.task import Task
from scale.training.loop import Moment, Training

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
    reinforced: str | None,
    judged_by: tuple[str, ...],
    beta_of: str | None,
) -> None:
    """Run one method on the finetuned model, or without one on the model that the recipe names.

    `reinforced` names the stage that has trained the finetuned model further on the rows to forget, where the method
    asks for that; `judged_by` the evaluations of finetuned and retrained model, as far as there are any, `beta_of` the
    unit that has found β where it was `auto`.
    """
    if beta_of is not None:
        method = _found(method, load(inputs[beta_of]).values, beta_of)
        settings = {**settings, "method": {**settings["method"], "beta": method.beta}}
    ready = ReadyToUnlearn(
        folder,
        context=context,
        task=task,
        method=method,
        seed=seed,
        live=live,
        finetuned=inputs[finetuned] if finetuned else None,
        judges=tuple(inputs[name] for name in judged_by),
        reinforced=inputs[reinforced] if reinforced else None,
    )
    Unlearning(ready, keep_model=keep_model, rule=rule, settings=settings).run(progress)


def _found(method: Method, told: Mapping[str, Any], unit: str) -> Method:
    """A method with the β that a unit has found, and where it is from."""
    return with_beta(method, told["beta"], {"unit": unit, **{key: told[key] for key in ("wanted", "by", "predicted")}})


@dataclass
class Unlearning:
    """The work of one `unlearn/…` unit."""

    ready: ReadyToUnlearn
    _: KW_ONLY
    keep_model: bool
    rule: BestSettings | None
    settings: Mapping[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    moments: list[Examined] = field(default_factory=list)
    found: list[ByQuestion] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def run(self, progress: Progress) -> None:
        """All of it; what it leaves is documented in `scale.stages.pipeline`."""
        training = self.ready.training
        place, epochs = self.ready.folder / CHECKPOINT, training.epochs
        asked, processes = self.ready.context.asked, self._processes
        before = checkpoint.read(place, training.scorer, training.optimizer, processes)
        if before is not None:
            self._go_on_from(before)
        elif asked.examines:
            self._first_moment(training.scorer)
        doing("training")
        stopped, last = None, None
        for moment in training.run(after=before.values["epoch"] if before else 0):
            self.history += lines(self._name, moment, processes)
            stopped, final = moment.stopped, moment.ended and moment.epoch == epochs
            if not stopped and self._is_due(moment, final=final):
                found = self._examine(training.scorer, moment, generate=final or asked.generate == "always")
                if stopped := self._unusable(found):
                    self.moments.pop()
                    self.found.pop()
                    break
                last = found
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
        self.best.clear(self._name, self.moments)
        done = Unlearned(self.history, self.moments, self.found, self.said, stopped, last, self.keep_model)
        save_unlearned(self.ready, done, self.best, self.settings)

    @property
    def _processes(self) -> Processes:
        return self.ready.context.processes

    @property
    def _name(self) -> str:
        return f"{self.ready.method.label}-s{self.ready.seed}"

    @cached_property
    def best(self) -> Best:
        """The best model so far, where it is that which is kept."""
        return Best(self.ready.folder, self.rule, self._processes)

    def _first_moment(self, scorer: Any) -> None:
        """The model to begin with, as it was examined already, or now."""
        columns = self._examined_before(scorer)
        judged = self.ready.exam.scores(from_arrays(columns), self.ready.retrained)
        self.moments.append(Examined(0, 0, {**judged, **{f"{name}_kl": 0.0 for name in self.ready.reference_states}}))
        self.found.append(columns)
        self.said = self.ready.shown.said(scorer, self._processes)
        self.best.refuse_unknown(self.moments[0].scores)

    def _is_due(self, moment: Moment, *, final: bool) -> bool:
        """Is the model examined now?"""
        asked = self.ready.context.asked
        return asked.examines and (final or (asked.every != "end" and (not asked.at or moment.step in asked.at)))

    def _examined_before(self, scorer: Any) -> dict[str, np.ndarray]:
        """What an examination found of the model to begin with; UserError where it has no finite probabilities."""
        if self.ready.judges:
            return dict(load(self.ready.judges[0]).arrays)
        doing("examining the model before")
        found = examine(scorer, self.ready.exam, self._processes)
        finite_or_error(found, self.ready.start.model)
        return arrays(found)

    def _examine(self, scorer: Any, moment: Moment, *, generate: bool) -> Mapping[str, SetResult]:
        doing(f"examining after step {moment.step}")
        found = examine(scorer, self.ready.exam, self._processes, generate=generate)
        judged = self.ready.exam.scores(found, self.ready.retrained)
        pad = self.ready.writer.pad
        moved = {
            f"{name}_kl": finite(drift(scorer, rows, reference, pad, self._processes))
            for name, (rows, reference) in self.ready.reference_states.items()
        }
        self.moments.append(Examined(moment.step, moment.epoch, {**judged, **moved}))
        self.found.append(arrays(found))
        return found

    def _unusable(self, found: Mapping[str, SetResult]) -> str | None:
        """Why a user's own model that was examined so can't be kept; whoever compares methods may keep any."""
        given = self.ready.finetuned is None
        return "The probabilities of some rows are not finite." if given and not all_finite(found) else None

    def _examine_best(self, at: int, training: Training) -> Mapping[str, SetResult]:
        """Put back the best model and examine it once more: its answers, and what was not measured on the way."""
        doing("examining the best model")
        self.best.put_back(training)
        found, moment = examine(training.scorer, self.ready.exam, self._processes), self.moments[at]
        again = self.ready.exam.scores(found, self.ready.retrained)
        gaps = {name: again.get(name) for name, value in moment.scores.items() if value is None}
        self.moments[at] = moment._replace(scores={**again, **moment.scores, **gaps})
        self.found[at] = arrays(found)
        return found

    def _state(self, epoch: int) -> Data:
        """What a later process needs to go on after this epoch."""
        values = {"epoch": epoch, "history": self.history, "moments": self._saved_moments(), "said": self.said}
        values |= self.ready.training.kept()
        return Data(in_flat(self.found), values)

    def _saved_moments(self) -> list[dict[str, float | None]]:
        return [moment.saved() for moment in self.moments]

    def _go_on_from(self, before: Data) -> None:
        self.history, self.moments = before.values["history"], moments_of(before.values)
        self.found, self.said = from_flat(before.arrays, len(self.moments)), before.values["said"]
        self.best.recall(self.ready.folder / CHECKPOINT)
        self.ready.training.recall(before.values)

    def _back(
        self, training: Training, why: str, last: Mapping[str, SetResult] | None
    ) -> tuple[str, Mapping[str, SetResult] | None]:
        """Put back the weights of the last epoch that ended well, if one has; which model is kept, in words.

        It is examined now where it was not when it ended.
        """
        found = checkpoint.read(self.ready.folder / CHECKPOINT, training.scorer, training.optimizer, self._processes)
        self.keep_model = found is not None
        if found is None:
            return f"{why} No model is kept.", last
        epoch = found.values["epoch"]
        if self.moments and self.moments[-1].epoch != epoch:
            moment = Moment(epoch * training.steps, epoch, True, [], None)
            last = self._examine(training.scorer, moment, generate=True)
            if self._unusable(last):
                self.keep_model = False
                return f"{why} No model is kept.", last
        return f"{why} The model is that of epoch {epoch}.", last
