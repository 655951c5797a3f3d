"""The audit and the attacks of a recipe on finished models of its run, dear ones: all in one process, fewer answers.

    python -m npo.pools.battery OUT --run RUN --recipe tofu-smollm2-audit --entities FILE --first hidden=20

leaves in OUT what the recipe's own units leave in a run, `audit/<model>` and `attack/<model>/<attack>`, so that
`npo.runs.attacked` keeps it and `figures.attacks` draws it. The models are RUN's: finetune, retrain and those of
unlearn/ that `--models` names. Cheaper than `npo run` in three ways: the finetuned and the retrained model are loaded
and read once for all; wrong answers, which the truth ratio alone is made of, are read of the first `--wrong` rows to
forget; and a family may be asked of its `--first` rows alone. And answers may be told by their entities.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from npo.pools.read import HowMany, asked_of
from npo.pools.train import recipe_of
from npo.pools.work import command_line, worked_for
from npo.program.ending import ends_in_words
from npo.program.names import check_models, check_names
from records.errors import UserError, together
from records.paths import may_write
from records.store import load
from records.work import Progress, Unit
from scale.attacks.settings import AttackChoice, Relearn
from scale.audit.asked import AskedSets
from scale.audit.battery import Measured, measured
from scale.audit.saved import items_of
from scale.audit.settings import FAMILY_NAMES, AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside, subject_of
from scale.data.questions import Question
from scale.data.row import Learnable
from scale.models.loading.whole import load as load_model
from scale.models.reference.identity import model_hash
from scale.recipes.recipe import Recipe
from scale.runtime.processes import Processes
from scale.stages.audits.attack_rows import RelearnSaid, RowsThere, rows_to_relearn
from scale.stages.audits.attacked import PlannedAttack, asks_again, follow
from scale.stages.audits.audited import save_audit
from scale.stages.shared.context import MODEL, Context
from scale.stages.shared.prepared import context_of

__all__ = ["Finished", "units_of"]

FINETUNED, RETRAINED = "finetune", "retrain"
MODELS = ("NPO+RT-s0", "GA+RT-s0")


@dataclass(frozen=True, eq=False)
class Finished:
    """The models of a run by name, and what each is asked: some families of their `first` rows alone."""

    recipe: Recipe
    context: Context
    places: Mapping[str, Path]
    asked: AskedSets
    first: Mapping[str, int]

    @property
    def settings(self) -> AuditSettings:
        """What the recipe says of audits, else the defaults."""
        return self.recipe.audit or AuditSettings()

    @property
    def plainly(self) -> AskedSets:
        """The questions with their true answers alone, as they are asked after attacks."""
        forget = self.asked.forget
        plain = tuple(Question(one.prompt, (one.truth,)) for one in forget.questions)
        return replace(self.asked, forget=replace(forget, questions=plain))

    def relearnt(self, chosen: Relearn) -> tuple[Learnable, ...]:
        """The rows that relearning trains on, none that membership is asked of."""
        held_out = self.asked.holdout
        there = RowsThere.of(self.context.corpus, asked=len(held_out.questions) if held_out else 0)
        return rows_to_relearn(there, chosen, RelearnSaid.in_recipe("attacks.relearn"))

    def subject(self, name: str) -> AuditSubject:
        """A model loaded anew, in the recipe's prompt format."""
        said, processes = self.context.model, self.context.processes
        found = subject_of(name, load_model(self.places[name]), processes, prompt=said.prompt, longest=said.longest)
        return replace(found, scorer=self.context.scorer(found.language_model.model))

    @cached_property
    def beside(self) -> ModelsBeside:
        """The finetuned and the retrained model, loaded once; nobody changes them."""
        return ModelsBeside(finetuned=self.subject(FINETUNED), retrained=self.subject(RETRAINED))

    def unchanged(self, name: str) -> AuditSubject:
        """A model to be read as it is: the one that others stand beside, or loaded anew."""
        known = {FINETUNED: self.beside.finetuned, RETRAINED: self.beside.retrained}.get(name)
        return known or self.subject(name)

    def measured(self, subject: AuditSubject) -> Measured:
        """Every family of the settings."""
        found: Measured = {}
        for family in self.settings.families:
            settings = self.settings.model_copy(update={"families": (family,)})
            found = {**found, **measured(subject, self.less.get(family, self.asked), settings, self.beside)}
        return found

    @property
    def less(self) -> dict[str, AskedSets]:
        """What the families are asked that are asked less."""
        wanted = {family: rows for family, rows in self.first.items() if family in self.settings.families}
        return {family: self.asked.first(rows).first(self.settings.questions) for family, rows in wanted.items()}

    def audited_before(self, attack: AttackChoice) -> bool:
        """Has the audit of a model asked what the first level of an attack would ask again?"""
        return asks_again(attack, {*self.settings.families} - {*self.first})


def audit_model(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, finished: Finished, name: str) -> None:
    """The battery of one model, less the retrained one's where that is an input."""
    del progress
    subject = finished.unchanged(name)
    found = finished.measured(subject)
    beside = items_of(load(inputs[f"audit/{RETRAINED}"]).arrays) if inputs else {}
    settings = finished.settings
    save_audit(folder, subject, found, finished.asked.first(settings.questions), settings, beside, finished.less)


def attack_model(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, finished: Finished, name: str, attack: AttackChoice
) -> None:
    """One attack on one model, the audit before it taken from its unit where the same was asked."""
    recipe, chosen = finished.recipe, attack.settings
    rows = finished.relearnt(chosen) if isinstance(chosen, Relearn) else ()
    planned = PlannedAttack.of(attack, rows, recipe.unlearn, recipe.seed)
    subject, beside, context = finished.subject(name), finished.beside, finished.context
    writer = context.writer(subject.language_model)
    ready = replace(planned.ready(subject, beside, finished.plainly, writer), scorer=context.scorer)
    before = load(inputs[f"audit/{name}"]) if finished.audited_before(attack) else None
    retrained = inputs.get(f"attack/{RETRAINED}/{attack.label}")
    known = load(retrained).values if retrained else {}
    settings = finished.settings
    follow(folder, ready, beside, progress, attack=attack, audit=settings, before=before, retrained=known)


def units_of(finished: Finished, models: Sequence[str]) -> list[Unit]:
    """The audits, then each attack on the models that are named; the retrained model first, which always is."""
    recipe, attacked = finished.recipe, dict.fromkeys((RETRAINED, *models))
    shared = {
        "data": finished.context.corpus.describe(),
        "asked": {name: [len(q.answers) for q in one.questions] for name, one in finished.asked.sets.items()},
        "entities": finished.asked.entities,
        "audit": finished.settings.model_dump(mode="json"),
        "first": dict(finished.first),
        "beside": [model_hash(str(finished.places[name])) for name in (FINETUNED, RETRAINED)],
        "unlearn": recipe.unlearn.described(),
        "seed": recipe.seed,
    }
    make = partial(_unit, finished, shared)
    others = [name for name in finished.places if name != RETRAINED]
    audits = [make(f"audit/{name}", name, audit_model) for name in (RETRAINED, *others)]
    attacks = [
        make(f"attack/{name}/{attack.label}", name, attack_model, attack=attack)
        for attack in recipe.attacks
        for name in attacked
        if not (attack.mix and name in (FINETUNED, RETRAINED))
    ]
    return [*audits, *attacks]


def _unit(finished: Finished, shared: Mapping[str, Any], unit: str, name: str, work: Any, **more: Any) -> Unit:
    run = partial(work, finished=finished, name=name, **more)
    attack: AttackChoice | None = more.get("attack")
    others = name != RETRAINED
    needs = [f"audit/{RETRAINED}"] if others or attack else []
    needs += [f"audit/{name}"] if others and attack else []
    needs += [f"attack/{RETRAINED}/{attack.label}"] if others and attack and attack.mix is None else []
    place = finished.places[name]
    said = {**shared, "weights_of": model_hash(str(place))}
    said |= {"attack": attack.model_dump(mode="json", exclude_none=True)} if attack else {}
    return Unit(unit, said, run, needs=tuple(needs), reads=(place,), alone=True)


class HowMuch(NamedTuple):
    """How much is asked: questions of sets, and of families that are asked less."""

    many: HowMany
    first: Mapping[str, int]


def finished_run(recipe: Recipe, run: Path, models: Sequence[str], entities: Path | None, sizes: HowMuch) -> Finished:
    """The models that there are, and what they are asked, of a recipe's rows."""
    context = context_of(recipe, Processes(recipe.device, recipe.precision))
    units = {
        FINETUNED: run / FINETUNED,
        RETRAINED: run / RETRAINED,
        **{name: run / "unlearn" / name for name in models},
    }
    asked = asked_of(context.corpus, sizes.many, entities)
    return Finished(recipe, context, {name: unit / MODEL for name, unit in units.items()}, asked, sizes.first)


def first_of(words: Sequence[str]) -> dict[str, int]:
    """How many rows a family is asked of, by its name; UserError for what is not FAMILY=ROWS.

    >>> first_of(["hidden=20"])
    {'hidden': 20}
    """
    pairs = [word.partition("=") for word in words]
    wrong = [word for word, (_, _, rows) in zip(words, pairs, strict=True) if not (rows.isdecimal() and int(rows))]
    if wrong:
        raise UserError(f"--first {' '.join(wrong)}: write FAMILY=ROWS, as hidden=20, of {', '.join(FAMILY_NAMES)}.")
    check_names("--first", [family for family, *_ in pairs], FAMILY_NAMES)
    return {family: int(rows) for family, _, rows in pairs}


def check_run(run: Path, models: Sequence[str], attacked: Sequence[str]) -> None:
    """UserError where a run lacks its finetuned or retrained model, or one that is named."""
    there = [place.parent.name for place in sorted((run / "unlearn").glob(f"*/{MODEL}"))]
    together(
        lambda: check_models([run / FINETUNED / MODEL, run / RETRAINED / MODEL], "Name by --run a finished npo run."),
        lambda: check_names("--models", models, there),
        lambda: check_names("--attacked", attacked, models),
    )


def _told() -> argparse.Namespace:
    parser = command_line("npo.pools.battery", __doc__)
    parser.set_defaults(recipe="tofu-smollm2-audit")
    parser.add_argument("--run", type=Path, required=True, help="the folder of the run whose models are audited")
    parser.add_argument(
        "--models",
        nargs="*",
        metavar="NAME",
        default=MODELS,
        help="unlearned ones, by their units; default: NPO+RT-s0 GA+RT-s0",
    )
    parser.add_argument(
        "--attacked", nargs="*", metavar="NAME", help="of these, beside the retrained one; default: all"
    )
    parser.add_argument("--entities", type=Path, help="the words that give answers away; default: ROUGE decides")
    parser.add_argument(
        "--rows", type=int, default=40, help="to forget and held out that are asked; default: %(default)s"
    )
    parser.add_argument("--retain", type=int, default=20, help="rows to retain that are asked; default: %(default)s")
    parser.add_argument(
        "--wrong", type=int, default=20, help="rows to forget that are read with wrong answers; default: %(default)s"
    )
    parser.add_argument(
        "--first", nargs="*", metavar="FAMILY=ROWS", default=(), help="families that are asked less: hidden=20"
    )
    return parser.parse_intermixed_args()


def _main(told: argparse.Namespace) -> None:
    attacked = told.models if told.attacked is None else told.attacked
    recipe, first, *_ = together(
        lambda: recipe_of(told.recipe, told.words),
        lambda: first_of(told.first),
        lambda: check_run(told.run, told.models, attacked),
        lambda: may_write(told.out),
    )
    sizes = HowMuch(HowMany(told.rows, told.retain, told.wrong), first)
    finished = finished_run(recipe, told.run, told.models, told.entities, sizes)
    left = worked_for(told.seconds, units_of(finished, attacked), told.out)
    sys.stderr.write(f"{left} to do\n")


if __name__ == "__main__":
    ends_in_words(lambda: _main(_told()))
