"""A method of a recipe as an objective, with the hyperparameters and the reductions that the recipe asks for.

A hyperparameter is what is set for the method, else what its paper has, else, where that has none, what the recipe sets
for all: `unlearn.beta`. Where that is `auto`, NPO's is found before it is run (`scale.beta`), and other losses have the
paper's: `PAPER_BETA`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from records.errors import UserError
from scale.recipes.recipe import MethodSettings, Recipe, UnlearnSettings
from scale.recipes.wanted_drop import AUTO_BETA
from scale.training.schedule import Schedule
from theory import losses
from theory.kernel import QUANTITIES, label, missing, unknown_quantities
from theory.objective import EVERY, METHODS, Kernel, Objective, defaults, kernels, method, takes, tokens

__all__ = ["PAPER_BETA", "Method", "Resolve", "asking_for_beta", "method_of", "methods_of", "paper_method", "with_beta"]

PAPER_BETA = 0.1
"""Of NPO, DPO and KTO in arXiv:2404.05868; for NPO it fits a drop of about 60 nats."""

Resolve = Callable[[str, Mapping[str, float], float], Objective]
"""From a method's name, the hyperparameters that are its own, and a β for one that has none, to its objective.

UserError where there is no such method, or where it does not take what it is given."""

_NOT_OF_RETAIN = ("_win_after", "_alternate", "_lose", "z_ref", "reinforced_logits")
_OF_RETAIN = tuple(name for name in QUANTITIES if not name.endswith(_NOT_OF_RETAIN))


class Method(NamedTuple):
    """A method of a run: the label of its results, its name, β (None for those without), objective, schedule.

    `pooled`: IDK and retain rows in one cross-entropy, as in the authors' code. `auto`: β is none until it is found,
    and that of the objective stands in its place; `found` is then how (`scale.stages.beta.choose`).
    """

    label: str
    name: str
    beta: float | None
    objective: Objective
    schedule: Schedule
    pooled: bool
    auto: bool = False
    found: Mapping[str, Any] | None = None


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
    for_all = PAPER_BETA if isinstance(unlearn.beta, str) else unlearn.beta
    objective = resolve(chosen.name, {**chosen.own, **({"beta": PAPER_BETA} if chosen.auto else {})}, for_all)
    if unknown := _not_supplied(objective):
        raise UserError(unknown)
    weight = objective.retain_weight if chosen.retain_weight is None else chosen.retain_weight
    if weight != 1 and objective.retain is None:
        raise UserError("it has no retain term for retain_weight to weigh: leave it out, or add +RT or +KL.")
    weighed = replace(objective, forget_weight=chosen.forget_weight, retain_weight=weight)
    fields = {key: getattr(unlearn, key) for key in Schedule.model_fields}
    own: dict[str, Any] = {key: value for key in ("lr", "epochs") if (value := getattr(chosen, key)) is not None}
    own |= {"steps": None} if "epochs" in own else {}  # so many steps are of the other methods
    auto = _is_auto(chosen, unlearn, objective)
    beta = None if auto else objective.hyperparameters.get("beta")
    pooled = unlearn.reduction == "pooled" and objective.forget is losses.idk and objective.retain is losses.nll
    reduced = _reduced(weighed, unlearn.reduction)
    return Method(chosen.label, chosen.name, beta, reduced, Schedule(**fields | own), pooled, auto)


def with_beta(method: Method, beta: float, found: Mapping[str, Any] | None = None) -> Method:
    """A method whose β was `auto`, with the one that was found, and how it was."""
    objective = replace(method.objective, forget=partial(_plain(method.objective.forget), beta=beta))
    return method._replace(beta=beta, objective=objective, found=found)


def asking_for_beta(recipe: Recipe) -> Recipe:
    """The recipe as it is where it says `beta: auto`, else with its methods of NPO alone, all of which do.

    UserError where it has none.
    """
    chosen = recipe.unlearn.methods
    found = [one.model_copy(update={"beta": None, "hyperparameters": {}}) for one in chosen if _is_npo(one.name)]
    if recipe.unlearn.beta == AUTO_BETA or any(one.auto for one in chosen):
        return recipe
    if not found:
        names = ", ".join(one.name for one in chosen)
        raise UserError(f"None of {names} is NPO, whose β the rule is for. Say unlearn.methods=[NPO+RT].")
    methods = tuple({one.label: one for one in found}.values())
    unlearn = recipe.unlearn.model_copy(update={"methods": methods, "beta": AUTO_BETA})
    return recipe.model_copy(update={"unlearn": unlearn})


def _is_npo(name: str) -> bool:
    return ":" not in name and name.upper() in {one.upper() for one in EVERY} and kernels(name)[0] is losses.npo


def _is_auto(chosen: MethodSettings, unlearn: UnlearnSettings, objective: Objective) -> bool:
    """Is its β found by the rule? UserError where it was asked for by name and the loss is none that the rule is of."""
    if chosen.auto and not _is_npo(chosen.name):
        raise UserError(
            f"beta=auto is NPO's, of which a law says how far it goes at which β. Of {label(objective.forget)} there "
            "is none: give it a number, or leave beta out for its paper's."
        )
    return _is_npo(chosen.name) and (chosen.auto or (unlearn.beta == AUTO_BETA and "beta" not in chosen.own))


def _not_supplied(objective: Objective) -> str:
    """What the kernels take that a language model does not supply, in words; "" where it supplies all."""
    wrong = [unknown_quantities(objective.forget)]
    if objective.retain is not None:
        wrong.append(unknown_quantities(objective.retain) or missing(objective.retain, _OF_RETAIN, "the retain set"))
    return " ".join(said for said in wrong if said)


def _reduced(objective: Objective, reduction: str) -> Objective:
    """Over answer tokens where the authors' code of arXiv:2404.05868 does so: GA, IDK and RT, not NPO, DPO and KTO.

    A loss of another paper keeps the mean of that paper, for its retain term too.
    """
    if reduction == "sum" or _of_another_paper(objective.forget):
        return objective
    per_token = objective.forget in (losses.ga, losses.idk)
    return replace(
        objective,
        forget_per=tokens if per_token else objective.forget_per,
        retain_per=tokens if objective.retain is losses.nll else objective.retain_per,
    )


def _of_another_paper(kernel: Kernel) -> bool:
    """Is it one of `theory.losses` that none of the paper's twelve methods has? A user's own is not."""
    return _plain(kernel) in {kernels(name)[0] for name in EVERY} - {kernels(name)[0] for name in METHODS}


def _plain(kernel: Kernel) -> Kernel:
    """A kernel without what is bound to it."""
    found: Kernel = getattr(kernel, "func", kernel)
    return found
