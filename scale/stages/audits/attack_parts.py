"""Attacks on a model that is audited by itself and on the retrained one beside it, each kept: `attack/<model>/<label>`.

What they leave is told in `scale.stages.audits.attacked`; the first level is what the parts of the audit have found
already where these families are among them (`scale.audit.parts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from records.errors import UserError, together
from records.store import Data, load
from records.work import Progress, Unit
from scale.attacks.robustness import recovered
from scale.attacks.settings import AttackChoice
from scale.audit.battery import MODEL, Audit
from scale.audit.families import FAMILIES, Family
from scale.audit.parts import Plan
from scale.audit.subject import ModelsBeside
from scale.data.formats import format_of
from scale.data.prompts import Writer
from scale.data.row import Learnable
from scale.stages.audits.attack_rows import RelearnSaid, RowsThere, rows_to_relearn
from scale.stages.audits.attacked import PlannedAttack, asks_again, follow
from scale.stages.audits.robust import KNOWS
from scale.training.schedule import Schedule

__all__ = ["AttackPlan", "curves_told", "schedules_of"]

RETRAINED, FINETUNED = "retrained", "finetuned"
_SAID = RelearnSaid("--attack relearn", "--retain FILE", "--attack-rows FILE")
_TAKES = ("questions", "draws", *dict.fromkeys(name for family in FAMILIES.values() for name in family.takes))


@dataclass(frozen=True)
class AttackPlan:
    """Which attacks a plan's models are put to; `usual` is what relearning takes that is not said of it."""

    plan: Plan
    attacks: Sequence[AttackChoice]
    rows: RowsThere
    usual: Schedule

    def units(self) -> list[Unit]:
        """Each attack on the retrained model, then on the model; UserError as rows and models beside it have it."""
        rows = together(*(partial(self._rows, attack) for attack in self.attacks))
        return [
            self._unit(of, attack, chosen)
            for attack, chosen in zip(self.attacks, rows, strict=True)
            for of in self.models
        ]

    @property
    def models(self) -> tuple[str, ...]:
        """Which are attacked, in that order."""
        return tuple(name for name in (RETRAINED, MODEL) if name in self.plan.places)

    def place(self, of: str, attack: AttackChoice) -> str:
        """The name of the unit that attacks a model."""
        return f"attack/{self.plan.name if of == MODEL else of}/{attack.label}"

    def found(self, folder: Path) -> dict[str, dict[str, Data]]:
        """What finished attacks left, by the attack's label and the model."""
        return {
            attack.label: {of: load(folder / self.place(of, attack)) for of in self.models} for attack in self.attacks
        }

    def _rows(self, attack: AttackChoice) -> tuple[Learnable, ...]:
        if attack.mix is not None and FINETUNED not in self.plan.places:
            raise UserError("--attack mix: it goes back towards the finetuned model: name that with --finetuned.")
        return rows_to_relearn(self.rows, attack.relearn, _SAID) if attack.relearn else ()

    def _reads(self, attack: AttackChoice) -> tuple[str, ...]:
        """The models that are looked at beside the one that is attacked."""
        read = [name for family in _families(attack) for name in family.reads]
        return tuple(dict.fromkeys([*read, *([FINETUNED] if attack.mix else [])]))

    def _unit(self, of: str, attack: AttackChoice, rows: Sequence[Learnable]) -> Unit:
        plan = self.plan
        planned = PlannedAttack.of(attack, rows, self.usual, plan.settings.seed)
        before = self._before(of, attack)
        against = self.place(RETRAINED, attack) if of == MODEL and RETRAINED in plan.places else None
        reads = self._reads(attack)
        said = {**plan.said(of, reads, _TAKES, plan.asked), **planned.said()}
        run = partial(_attack, plan=plan, of=of, attack=planned, reads=reads, before=before, against=against)
        needs = (*before, *([against] if against else []))
        return Unit(self.place(of, attack), said, run, needs=needs, reads=plan.folders(of, reads), alone=True)

    def _before(self, of: str, attack: AttackChoice) -> tuple[str, ...]:
        """The parts of the audit that have asked what the first level would ask again; none where not all have."""
        known = asks_again(attack, self.plan.settings.families)
        return tuple(self.plan.place(of, family) for family in _families(attack)) if known else ()


def schedules_of(attacks: Sequence[AttackChoice], usual: Schedule) -> dict[str, Schedule]:
    """The schedule of every relearning, by what it is called on the command line."""
    return {f"--attack {one.label}": one.relearn.schedule(usual) for one in attacks if one.relearn}


def _families(attack: AttackChoice) -> list[Family]:
    return [family for name, family in FAMILIES.items() if name in attack.settings.families]


def _attack(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    plan: Plan,
    of: str,
    attack: PlannedAttack,
    reads: Sequence[str],
    before: Sequence[str],
    against: str | None,
) -> None:
    """Attack a model, loaded anew, and audit it at every level."""
    held = plan.subjects(list(plan.beside(reads)), folder.parents[2] / "measured" / ".read")
    beside, subject = ModelsBeside(**held), plan.loaded(of)
    tokenizer, most = subject.language_model.tokenizer, subject.writer.max_length
    writer = Writer(tokenizer, format_of(plan.prompt, tokenizer), most)
    known = _together([load(inputs[name]) for name in before]) if before else None
    retrained = load(inputs[against]).values if against else None
    ready = attack.ready(subject, beside, plan.asked, writer)
    follow(
        folder, ready, beside, progress, attack=attack.choice, audit=plan.settings, before=known, retrained=retrained
    )


def _together(parts: Sequence[Data]) -> Data:
    """Families that were measured one by one as one audit has them."""
    arrays = {name: x for part in parts for name, x in part.arrays.items()}
    return Data(arrays, {"families": {part.values["family"]: part.values["scores"] for part in parts}})


def curves_told(found: Mapping[str, Mapping[str, Data]], audit: Audit) -> dict[str, dict[str, Any]]:
    """Curves as JSON tells them, by the attack's label.

    kind, settings, axis, levels, robustness, training, weights, kept_at   as `scale.stages.audits.attacked` leaves them
    asked       how many questions of each set
    scores      by score: model and retrained, each {value, low, high} with a list by level; retrained null where there
                is none, and null at a level that it was not at: the weight at which a mixture keeps enough is its own
    recovered   by score that rises with what is known: model and retrained, by level after the first the share of the
                way back to the finetuned model (`scale.attacks.robustness`); {} without a finetuned model, and of
                a part, where others were asked of that
    """
    return {label: _curve_told(by_model, audit) for label, by_model in found.items()}


def _curve_told(by_model: Mapping[str, Data], audit: Audit) -> dict[str, Any]:
    own, beside = by_model[MODEL].values, by_model[RETRAINED].values if RETRAINED in by_model else None
    alike = _at_levels(beside, own["levels"]) if beside else {}
    scores = {name: {MODEL: one, RETRAINED: alike.get(name)} for name, one in own["scores"].items()}
    names = () if own["settings"].get("rows") == "part" else KNOWS
    more = ("training", "rows", "weights", "kept_at")
    return {
        **{key: own[key] for key in ("kind", "settings", "axis", "levels", "asked", "robustness")},
        **{key: own[key] for key in more if key in own},
        "scores": scores,
        "recovered": {
            name: back for name in names if name in scores and (back := _way_back(scores[name], name, audit))
        },
    }


def _at_levels(values: Mapping[str, Any], levels: Sequence[float]) -> dict[str, dict[str, list[float | None]]]:
    """Scores of a curve at these levels, None at those that it has not."""
    at = {level: i for i, level in enumerate(values["levels"])}
    return {
        name: {key: [x[at[level]] if level in at else None for level in levels] for key, x in score.items()}
        for name, score in values["scores"].items()
    }


def _way_back(score: Mapping[str, Any], name: str, audit: Audit) -> dict[str, list[float | None] | None]:
    """Of the model and of the retrained one, by level."""
    finetuned = audit.score(name, FINETUNED)
    if finetuned is None:
        return {}
    return {who: one and _shares(one["value"], finetuned.value) for who, one in score.items()}


def _shares(values: Sequence[float | None], finetuned: float) -> list[float | None]:
    before, *later = values
    return [None if before is None or after is None else recovered(before, after, finetuned) for after in later]
