"""A method of a recipe as an objective, with the reductions that the recipe asks for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from records.errors import UserError
from scale.recipes.recipe import MethodSettings, UnlearnSettings
from scale.training.schedule import Schedule
from theory import losses
from theory.objective import Objective, defaults, kernels, method, takes, tokens

__all__ = ["Method", "Resolve", "method_of", "methods_of", "paper_method"]

Resolve = Callable[[str, Mapping[str, float], float], Objective]
"""From a method's name, the hyperparameters that are its own, and a β for one that has none, to its objective.

UserError where there is no such method, or where it does not take what it is given."""


class Method(NamedTuple):
    """A method of a run: the label of its results, its name, β (None for those without), objective, schedule.

    `pooled`: IDK and retain rows in one cross-entropy, as in the authors' code.
    """

    label: str
    name: str
    beta: float | None
    objective: Objective
    schedule: Schedule
    pooled: bool


def paper_method(name: str, hyperparameters: Mapping[str, float], beta: float) -> Objective:
    """A method by name; UserError where there is no such method.

    >>> paper_method("ga", {}, 0.1).forget.__name__
    'ga'
    """
    try:
        needs_beta = takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name)
        return method(name, **{**({"beta": beta} if needs_beta else {}), **hyperparameters})
    except ValueError as error:
        raise UserError(str(error)) from None


def methods_of(unlearn: UnlearnSettings, resolve: Resolve = paper_method) -> list[Method]:
    """The methods of a recipe; UserError with everything that is wrong with them."""
    found, wrong = [], []
    for chosen in unlearn.methods:
        try:
            found.append(method_of(chosen, unlearn, resolve))
        except UserError as error:
            wrong.append(f"unlearn.methods {chosen.name}: {error}")
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def method_of(chosen: MethodSettings, unlearn: UnlearnSettings, resolve: Resolve = paper_method) -> Method:
    """One method of a recipe; UserError with what is wrong with it, without its name."""
    given = {} if chosen.beta is None else {"beta": chosen.beta}
    objective = resolve(chosen.name, given, unlearn.beta)
    beta = objective.hyperparameters.get("beta")
    if chosen.retain_weight != 1 and objective.retain is None:
        raise UserError("it has no retain term for retain_weight to weigh: leave it out, or add +RT or +KL.")
    weighed = replace(objective, forget_weight=chosen.forget_weight, retain_weight=chosen.retain_weight)
    fields = {key: getattr(unlearn, key) for key in Schedule.model_fields}
    own = {key: value for key in ("lr", "epochs") if (value := getattr(chosen, key)) is not None}
    pooled = unlearn.reduction == "pooled" and objective.forget is losses.idk and objective.retain is losses.nll
    reduced = _reduced(weighed, unlearn.reduction)
    return Method(chosen.label, chosen.name, beta, reduced, Schedule(**fields | own), pooled)


def _reduced(objective: Objective, reduction: str) -> Objective:
    """Over answer tokens where the authors' code of arXiv:2404.05868 does so: GA, IDK and RT, not NPO, DPO and KTO."""
    if reduction == "sum":
        return objective
    per_token = objective.forget in (losses.ga, losses.idk)
    return replace(
        objective,
        forget_per=tokens if per_token else objective.forget_per,
        retain_per=tokens if objective.retain is losses.nll else objective.retain_per,
    )
