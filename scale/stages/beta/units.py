"""The units that find a β where a recipe says `beta: auto`, and what each leaves in `data.json`.

`auto-beta/wanted` (`scale.stages.beta.drop_wanted`), with arrays <estimate>.drop by answer, and of the forget answers
under the reference their tokens and nll (nats):

    stage, drop, by, tokens     "auto-beta"; u* in nats an answer, the estimate that it is, mean tokens of an answer
    estimates                   by name {drop, error (standard; null: not known), per_token, answers}

`auto-beta/<method>` (`scale.stages.beta.choose`):

    method, wanted, by, tokens  the name of the method; u* as above
    beta, reached, budget       the β; whether its drop can be u* in this schedule; the measured T in nats
    predicted                   mean drop in nats by epoch, at that β
    range, of_estimates         β if u* is off by as much as was measured (null: none), and β by each estimate
    caveats                     sentences: where the rule is at its end
    probes                      list of {beta, drops (by epoch, measured), budget}

The unlearning run that takes it has `beta_of` in its record: {unit, wanted, by, predicted}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from records.errors import UserError
from records.paths import user_path
from records.store import content_hash
from records.work import Unit
from scale.data.row import Learnable
from scale.data.user_rows import read_user_rows
from scale.models.reference.identity import folders_of, model_hash
from scale.recipes.method import Method
from scale.recipes.recipe import Recipe
from scale.stages.beta.choose import choose_beta
from scale.stages.beta.drop_wanted import Sources, drop_wanted
from scale.stages.shared.context import Context
from scale.stages.shared.cost import of_training
from scale.stages.shared.own_code import source_of_optimizer
from scale.tasks.corpus import hashable
from scale.tasks.task import Task

__all__ = ["BetaUnits"]


@dataclass(frozen=True)
class BetaUnits:
    """They stand on what all units of a recipe share; `retrained` says that the recipe has a unit of that name."""

    recipe: Recipe
    context: Context
    task: Task
    prefix: str
    shared: Mapping[str, Any]
    common: Mapping[str, Any]
    retrained: bool

    def needed(self, method: Method) -> str | None:
        """The unit that finds the β of a method; None where it is known. `beta: auto` of all or of one is the same."""
        return f"{self.prefix}auto-beta/{method.label.replace(',beta=auto', '')}" if method.auto else None

    def all(self, methods: Sequence[Method]) -> list[Unit]:
        """A unit of each method whose β is to be found, after that of the wanted drop; none where every β is known."""
        found = {name: self._choose(method, name) for method in methods if (name := self.needed(method))}
        return [self._wanted(), *found.values()] if found else []

    @property
    def _finetuned(self) -> str | None:
        return None if self.recipe.starts_as_it_is else f"{self.prefix}finetune"

    @cached_property
    def sources(self) -> Sources:
        """What there is to tell the wanted drop by; UserError where there is nothing, or not what is asked for."""
        wanted = self.recipe.unlearn.wanted_drop
        found = Sources(
            f"{self.prefix}retrain" if self.retrained else None,
            self._base_unit,
            self._base_model,
            self._held_out(),
            any(question.paraphrases for question in self.context.corpus.asked["forget"].questions),
        )
        if isinstance(wanted.by, float) or wanted.by in found.names or (wanted.by == "auto" and found.names):
            return found
        named = "" if wanted.by == "auto" else f" by {wanted.by}"
        there = f" There is {', '.join(found.names)}." if found.names else ""
        raise UserError(
            f"unlearn.beta: auto can't tell{named} how far the answers should fall.{there} Give "
            "unlearn.wanted_drop.base=MODEL (before finetuning), unlearn.wanted_drop.held_out=FILE (rows of the same "
            "kind that nobody learnt), or unlearn.wanted_drop=NATS."
        )

    @property
    def _base_unit(self) -> str | None:
        given = self.recipe.unlearn.wanted_drop.base
        return f"{self.prefix}pretrain" if self.recipe.pretrain and given is None else None

    @property
    def _base_model(self) -> str | None:
        recipe = self.recipe
        if recipe.unlearn.wanted_drop.base is not None:
            return recipe.unlearn.wanted_drop.base
        trained = recipe.finetune is not None and recipe.finetuned is None
        return recipe.model.base if trained and recipe.model.scratch is None else None

    def _held_out(self) -> tuple[Learnable, ...]:
        named = self.recipe.unlearn.wanted_drop.held_out
        if named is None:
            return self.context.corpus.held_out
        return tuple(read_user_rows(user_path(named, "unlearn.wanted_drop.held_out"), None).rows)

    def _wanted(self) -> Unit:
        sources, wanted = self.sources, self.recipe.unlearn.wanted_drop
        settings = {
            **self.shared,
            "wanted_drop": wanted.model_dump(mode="json"),
            "held_out": content_hash(hashable(sources.held_out)),
            "base_model": model_hash(sources.base_model) if sources.base_model else None,
        }
        run = partial(drop_wanted, context=self.context, finetuned=self._finetuned, sources=sources, wanted=wanted)
        folders = folders_of(sources.base_model) if sources.base_model else ()
        needs = tuple(filter(None, (self._finetuned, sources.retrained, sources.base)))
        common = {**self.common, "reads": (*self.common["reads"], *folders)}
        return Unit(f"{self.prefix}auto-beta/wanted", settings, run, needs=needs, **common)

    def _choose(self, method: Method, name: str) -> Unit:
        wanted, seed = f"{self.prefix}auto-beta/wanted", self.recipe.seed
        settings = {
            **self.shared,
            "method": method.name,
            "weights": [method.objective.forget_weight, method.objective.retain_weight],
            "schedule": method.schedule.described(),
            "reduction": self.recipe.unlearn.reduction,
            "seed": seed,
            **source_of_optimizer(method.schedule),
        }
        run = partial(
            choose_beta,
            context=self.context,
            task=self.task,
            method=method,
            seed=seed,
            finetuned=self._finetuned,
            wanted=wanted,
        )
        seconds = of_training(self.recipe, method.schedule, 2 * len(self.context.corpus.forget))
        needs = (*filter(None, [self._finetuned]), wanted)
        return Unit(name, settings, run, needs=needs, seconds=seconds, **self.common)
