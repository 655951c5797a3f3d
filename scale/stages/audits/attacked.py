"""What `attack/<model>/<attack>` does: a curve of audits along the levels of an attack.

`attacked` is the stage of a recipe, `follow` the work itself, of any model that is loaded (`attack_parts.py`).

It leaves, beside `data.npz` with every score by level and question (`<score>`, of membership scores `<score>.others`):

    stage, of, attack       "attack"; the model that is attacked; the label of the attack
    kind, settings          relearn, quantise, prune or mix, and all that is set of it
    axis                    what its levels are: steps, bits, share, weight
    levels                  the first is the model as it was (0 steps, the bits of its numbers, share 0, weight 1)
    families, audit, asked  as an audit has them; asked of a part: the rows to forget that were not trained on
    scores                  by score {value, low, high}, each a list by level; null: not finite
    robustness              by form, by score: a list by level after the first (`scale.attacks.robustness`); {} of a
                            mixture, and of relearning without a retrained model that was attacked in the same way
    training, rows          of relearning: its schedule, and how many rows it was on
    weights                 of the others: how many numbers were changed and how many left out
    kept_at                 of a mixture with `keep`: {weight, retain_probability, least}; weight null: nowhere
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from records.doing import doing
from records.store import Data, content_hash, load, save
from records.work import Progress
from scale.attacks.settings import AttackChoice
from scale.audit.asked import AskedSets
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.data.prompts import Writer
from scale.data.questions import Question
from scale.data.row import Learnable
from scale.stages.audits.attack_curve import AttackCurve
from scale.stages.audits.attack_levels import Ready, levels_of
from scale.stages.audits.audited import Models
from scale.stages.audits.robust import robustness
from scale.stages.shared.context import Context
from scale.stages.shared.own_code import source_of_optimizer
from scale.tasks.corpus import hashable
from scale.training.schedule import Schedule

__all__ = ["PlannedAttack", "asked_after", "asks_again", "attacked", "follow"]

AXES = {"relearn": "steps", "quantise": "bits", "prune": "share", "mix": "weight"}


@dataclass(frozen=True)
class PlannedAttack:
    """An attack with what it is made with: rows and schedule, of relearning, and the seed."""

    choice: AttackChoice
    rows: Sequence[Learnable]
    schedule: Schedule | None
    seed: int

    @classmethod
    def of(cls, choice: AttackChoice, rows: Sequence[Learnable], usual: Schedule, seed: int) -> "PlannedAttack":
        """Relearning takes of the `usual` schedule what is not said of it."""
        return cls(choice, rows, choice.relearn.schedule(usual) if choice.relearn else None, seed)

    def said(self) -> dict[str, Any]:
        """What its results depend on beside models, questions and the seed."""
        return {
            "attack": self.choice.model_dump(mode="json", exclude_none=True),
            "rows_of": content_hash(hashable(self.rows)),
            "schedule": self.schedule.described() if self.schedule else None,
            **(source_of_optimizer(self.schedule) if self.schedule else {}),
        }

    def ready(self, subject: AuditSubject, beside: ModelsBeside, asked: AskedSets, writer: Writer) -> Ready:
        """To be made on a model that is asked this, and after the attack what `asked_after` leaves of it."""
        wanted = asked_after(asked, self.choice, self.rows)
        return Ready(subject, beside.finetuned, wanted, self.rows, self.schedule, self.seed, writer)


def attacked(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    models: Models,
    attack: PlannedAttack,
    asked: AskedSets,
    audit: AuditSettings,
    before: str | None,
    against: str | None,
) -> None:
    """Attack a model and audit it at every level.

    `before` is the unit that audited the model as it was, where that was asked the same, and `against` the one that
    attacked the retrained model alike.
    """
    doing("loading the model")
    subject = models.subject(context, inputs, audit)
    beside = models.beside(context, inputs, audit)
    ready = replace(attack.ready(subject, beside, asked, context.writer(subject.language_model)), scorer=context.scorer)
    known = load(inputs[before]) if before else None
    retrained = load(inputs[against]).values if against else None
    follow(folder, ready, beside, progress, attack=attack.choice, audit=audit, before=known, retrained=retrained)


def follow(
    folder: Path,
    ready: Ready,
    beside: ModelsBeside,
    progress: Progress,
    *,
    attack: AttackChoice,
    audit: AuditSettings,
    before: Data | None,
    retrained: Mapping[str, Any] | None,
) -> None:
    """Attack a model that is ready, audit it at every level, and leave the curve.

    `before` is an audit of the model as it was, asked the same; `retrained` the values of the retrained model's curve.
    The model's weights are others afterwards.
    """
    chosen, first = attack.settings, replace(ready, asked=ready.asked.first(audit.questions))
    levels = levels_of(first, chosen)
    settings = audit.model_copy(update={"families": chosen.families})
    curve = AttackCurve(folder, ready.subject, ready.asked, settings, beside, before)
    curve.follow(levels.walk, levels.number, progress)
    if not ready.subject.processes.first:
        return
    values = {
        "stage": "attack",
        "of": ready.subject.name,
        "attack": attack.label,
        "kind": attack.kind,
        "settings": chosen.model_dump(mode="json"),
        "axis": AXES[attack.kind],
        "audit": settings.model_dump(mode="json"),
        **curve.values(),
        **levels.told,
    }
    values["robustness"] = robustness(values, retrained)
    save(folder, Data(curve.arrays, values))


def asks_again(attack: AttackChoice, families: Collection[str]) -> bool:
    """Does the first level of an attack ask what an audit of these families has asked of the model as it was?"""
    part = attack.relearn is not None and attack.relearn.rows == "part"
    return not part and set(attack.settings.families) <= set(families)


def asked_after(every: AskedSets, attack: AttackChoice, rows: Sequence[Learnable]) -> AskedSets:
    """What is asked after an attack: of rows to retain the true answers alone; of a part that is relearnt, the rest."""
    retain = every.retain and replace(every.retain, questions=tuple(map(_true, every.retain.questions)))
    if attack.relearn is None or attack.relearn.rows != "part":
        return replace(every, retain=retain)
    trained = {row.words for row in rows}
    rest = [i for i, one in enumerate(every.forget.questions) if (one.asked.shown, one.truth) not in trained]
    forget = replace(every.forget, questions=tuple(every.forget.questions[i] for i in rest))
    entities = tuple(every.entities[i] for i in rest) if every.entities else ()
    reworded = tuple(every.reworded[i] for i in rest) if every.reworded else ()
    return AskedSets(forget, retain, every.holdout, entities, reworded)


def _true(question: Question) -> Question:
    """It without wrong answers and paraphrases, whose scores of rows to retain an audit has."""
    return Question(question.prompt, (question.truth,))
