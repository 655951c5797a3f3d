"""The units that audit and attack the models of a recipe: `audit/<model>`, `attack/<model>/<attack>`.

<model> is finetune, retrain, or the label and seed of an unlearning run. The retrained model is attacked as the others
are: what an attack gives back is told from what it teaches by that alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from records.errors import together
from records.store import content_hash
from records.work import Unit
from scale.attacks.settings import AttackChoice
from scale.audit.asked import AskedSets
from scale.audit.families import FAMILIES
from scale.audit.fluency import check_classifier, classifier_hash
from scale.audit.known import with_known
from scale.audit.settings import AuditSettings
from scale.data.row import Learnable
from scale.recipes.recipe import Recipe
from scale.stages.audits.attack_rows import RelearnSaid, RowsThere, rows_to_relearn
from scale.stages.audits.attacked import PlannedAttack, asks_again, attacked
from scale.stages.audits.audited import Models, audited, to_audit
from scale.stages.shared.context import Context
from scale.stages.shared.cost import of_examination, of_training

__all__ = ["AuditUnits"]


@dataclass(frozen=True)
class AuditUnits:
    """They stand on what all units of a recipe share; `retrained` says that the recipe has a unit of that name."""

    recipe: Recipe
    context: Context
    prefix: str
    shared: Mapping[str, Any]
    common: Mapping[str, Any]
    retrained: bool

    def all(self, runs: Sequence[str]) -> list[Unit]:
        """The audits of all models, then the attacks, those of the retrained model first; UserError as rows have it."""
        recipe = self.recipe
        if recipe.audit is None and not recipe.attacks:
            return []
        _, _, *rows = together(
            lambda: self.asked,
            lambda: self.settings.fluency and check_classifier(self.settings.fluency),
            *(partial(self._rows, i, one) for i, one in enumerate(recipe.attacks)),
        )
        models = [*([self._retrained] if self._retrained else []), self._finetuned, *runs]
        audits = [self._audit(model) for model in models] if recipe.audit is not None else []
        attacks = [
            self._attack(model, attack, chosen)
            for attack, chosen in zip(recipe.attacks, rows, strict=True)
            for model in models
            if attack.mix is None or model != self._finetuned
        ]
        return [*audits, *attacks]

    @cached_property
    def settings(self) -> AuditSettings:
        """How models are audited."""
        return self.recipe.audit or AuditSettings()

    @cached_property
    def asked(self) -> AskedSets:
        """What they are asked; UserError with what is wrong with the files of it."""
        return with_known(to_audit(self.context), self.settings, self.recipe.data)

    @property
    def _asked_of(self) -> str:
        known, classifier = (self.asked.entities, self.asked.reworded), self.settings.fluency
        return content_hash(repr((*known, classifier_hash(classifier)) if classifier else known))

    @property
    def _finetuned(self) -> str:
        return self.recipe.model.base if self.recipe.starts_as_it_is else f"{self.prefix}finetune"

    @property
    def _retrained(self) -> str | None:
        return f"{self.prefix}retrain" if self.retrained else None

    def _name(self, model: str) -> str:
        """What a model is called in the names of its units."""
        if model == self._finetuned:
            return "finetune"
        return model.removeprefix(self.prefix).removeprefix("unlearn/")

    def _models(self, of: str, families: Sequence[str], *, mixes: bool = False) -> Models:
        """A model with those beside it that some family looks at."""
        read = {name for family in families if family in FAMILIES for name in FAMILIES[family].reads}
        finetuned = self._finetuned if mixes or read & {"finetuned", "reference"} else None
        return Models(of, self._retrained if "retrained" in read else None, finetuned)

    def _needs(self, models: Models, *more: str | None) -> tuple[str, ...]:
        units = [name for name in (*models, *more) if name is not None]
        given = self.recipe.model.base if self.recipe.starts_as_it_is else None
        return tuple(dict.fromkeys(name for name in units if name != given))

    def _audit(self, model: str) -> Unit:
        settings = self.settings
        models = self._models(model, settings.families)
        against = f"{self.prefix}audit/retrain" if self._retrained and model != self._retrained else None
        said = {**self.shared, "audit": settings.model_dump(mode="json"), "models": list(models)}
        said |= {"known_of": self._asked_of}
        run = partial(
            audited, context=self.context, models=models, asked=self.asked, settings=settings, against=against
        )
        name, needs = f"{self.prefix}audit/{self._name(model)}", self._needs(models, against)
        return Unit(name, said, run, needs=needs, seconds=of_examination(self.recipe), **self.common)

    def _attack(self, model: str, attack: AttackChoice, rows: Sequence[Learnable]) -> Unit:
        recipe, chosen = self.recipe, attack.settings
        models = self._models(model, chosen.families, mixes=attack.mix is not None)
        reference = self._retrained and attack.mix is None and model not in (self._retrained, self._finetuned)
        against = f"{self.prefix}attack/retrain/{attack.label}" if reference else None
        before = f"{self.prefix}audit/{self._name(model)}" if self._audited_before(attack) else None
        planned = PlannedAttack.of(attack, rows, recipe.unlearn, recipe.seed)
        said = {
            **self.shared,
            "audit": self.settings.model_dump(mode="json"),
            "models": list(models),
            "known_of": self._asked_of,
            "seed": recipe.seed,
            **planned.said(),
        }
        run = partial(
            attacked,
            context=self.context,
            models=models,
            attack=planned,
            asked=self.asked,
            audit=self.settings,
            before=before,
            against=against,
        )
        seconds = (1 + len(chosen.levels)) * of_examination(recipe)
        seconds += of_training(recipe, planned.schedule, len(rows)) if planned.schedule else 0.0
        name = f"{self.prefix}attack/{self._name(model)}/{attack.label}"
        return Unit(name, said, run, needs=self._needs(models, before, against), seconds=seconds, **self.common)

    def _audited_before(self, attack: AttackChoice) -> bool:
        """Has the audit of a model asked what the first level would ask again?"""
        audit = self.recipe.audit
        return audit is not None and asks_again(attack, audit.families)

    def _rows(self, number: int, attack: AttackChoice) -> tuple[Learnable, ...]:
        if attack.relearn is None:
            return ()
        said = RelearnSaid.in_recipe(f"attacks.{number}.relearn")
        return rows_to_relearn(RowsThere.of(self.context.corpus), attack.relearn, said)
