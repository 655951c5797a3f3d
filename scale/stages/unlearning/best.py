"""The model of the best moment of a run, whose weights wait on disk until a better comes or the run ends.

They lie in the unit's folder, and in each checkpoint beside the weights that training goes on from: a run that is
killed and started again keeps the same.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.examined import Examined
from scale.data.questions import QuestionSet
from scale.evaluation.catalogue import needs_of
from scale.evaluation.measurable import GENERATED
from scale.evaluation.scores import TOFU_WHOLE, Whole
from scale.recipes.best import BestSettings, best_of
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.training.loop import Training

__all__ = ["Best", "refuse_unknown", "unmeasured"]

NAME = "best.safetensors"
NONE = "no moment met its rule, so the last model is kept"
PEEK = "chosen by a comparison with the retrained model, which is a peek at what there is not where one unlearns"
_DRIFT = ("forget_kl", "retain_kl")
_WHOLE = ("model_utility", "forget_quality", "log10_forget_quality", "ks_statistic", *_DRIFT)


@dataclass(frozen=True)
class Best:
    """Where the best weights of a run lie, and by what rule they are the best; without a rule the last are kept."""

    folder: Path
    rule: BestSettings | None
    processes: Processes

    def place(self, moments: Sequence[Examined]) -> int | None:
        """Which moment is the best; None where none is, or where the last is kept whatever it is."""
        return best_of(moments, self.rule) if self.rule else None

    def kept(self, moments: Sequence[Examined]) -> Examined:
        """The moment whose model is kept."""
        place = self.place(moments)
        return moments[-1 if place is None else place]

    def refuse_unknown(self, known: Collection[str]) -> None:
        """UserError where the rule asks for scores that were not measured."""
        if self.rule:
            refuse_unknown(self.rule, known)

    @property
    def beside(self) -> list[Path]:
        """What a checkpoint has to hold besides its own."""
        return [path for path in [self.folder / NAME] if path.is_file()]

    def look(self, moments: Sequence[Examined], training: Training) -> None:
        """After a moment: keep its weights where it is the best so far."""
        if self.place(moments) == len(moments) - 1:
            checkpoint.write_weights(self.folder / NAME, training.scorer, self.processes)

    def recall(self, place: Path) -> None:
        """Going on from a checkpoint: take out the weights that were the best then."""
        if self.processes.first and (place / NAME).is_file():
            checkpoint.copied(place / NAME, self.folder / NAME)
        self.processes.wait()

    def put_back(self, training: Training) -> None:
        """Give the model the best weights."""
        checkpoint.read_weights(self.folder / NAME, training.scorer, self.processes)

    def clear(self, run: str, moments: Sequence[Examined]) -> None:
        """At the end of a run: tell the trackers which moment it was; nothing is left on disk."""
        if self.rule is None:
            return
        kept = self.record(moments)["kept"]
        self.processes.log(run, {f"kept_{name}": kept[name] for name in ("step", "score")}, moments[-1].step)
        if self.processes.first:
            (self.folder / NAME).unlink(missing_ok=True)

    def record(self, moments: Sequence[Examined]) -> dict[str, Any]:
        """What is recorded of it: step, epoch and score of the moment, the rule, and what is to be known of both."""
        if self.rule is None:
            return {}
        moment, none = self.kept(moments), self.place(moments) is None
        told = NONE if none else PEEK if self.rule.peeks else ""
        score, rule = None if none else moment.scores[self.rule.score], self.rule.model_dump(mode="json")
        return {"kept": {"step": moment.step, "epoch": moment.epoch, "score": score, "rule": rule, "told": told}}


def refuse_unknown(rule: BestSettings, known: Collection[str]) -> None:
    """UserError where a rule asks for scores that there are not, with the nearest."""
    wrong = [name for name in rule.named if name not in known]
    near = [other for name in wrong for other in difflib.get_close_matches(name, known, n=1)]
    hint = f"Did you mean {' and '.join(near)}?" if near else f"There are {', '.join(known)}."
    if wrong:
        raise UserError(f"unlearn.best: there is no score {', '.join(wrong)}. {hint}")


def unmeasured(
    rule: BestSettings, sets: Mapping[str, QuestionSet], whole: tuple[str | Whole, ...], *, generate: str
) -> None:
    """UserError where a rule asks for scores that an examination on the way does not give.

    What a task makes of all its sets in a way of its own (`whole`) is known once a model was examined.
    """
    asked = [(f"{name}_{score}", metric) for name, one in sets.items() for score, metric in one.metrics.items()]
    needs = {name: set(needs_of(metric)) for name, metric in asked}
    if whole == TOFU_WHOLE:
        refuse_unknown(rule, (*_WHOLE, *needs))
    said = [name for name in rule.named if name == "model_utility" or GENERATED & needs.get(name, set())]
    if said and generate == "end":
        raise UserError(
            f"unlearn.best: {', '.join(said)} needs answers at every examination, and evaluate.generate is end: set it "
            "to always, or name other scores."
        )
