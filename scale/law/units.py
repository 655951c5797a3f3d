"""The units of work of the law on a recipe's finetuned model, with the models that they need.

law/<rung>-<GA or β>    what `scale.law.flow` leaves, for every rung and every β of the recipe's `law`
loss-times/head         what `scale.law.losses` leaves, where the recipe's `law` has the rung head
"""

from functools import partial

from records.errors import together
from records.work import Unit
from scale.law.flow import law, name_of
from scale.law.losses import STEPS, kernels, loss_times
from scale.recipes.base_model import look_for
from scale.recipes.recipe import Recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import Stages
from scale.stages.shared.prepared import context_of

__all__ = ["law_units"]

SECONDS = 20.0  # roughly, of one rung at one β


def law_units(recipe: Recipe, processes: Processes) -> list[Unit]:
    """The units of `scale.law.flow` and `scale.law.losses`; the recipe's rows are read and its model looked for now."""
    context, _ = together(lambda: context_of(recipe, processes), lambda: look_for(recipe.model))
    stages = Stages(recipe, context, "")
    ladder = recipe.law
    found = []
    for rung in ladder.rungs:
        for beta in (0.0, *ladder.betas):
            run = partial(law, context=context, finetuned="finetune", settings=ladder, rung=rung, beta=beta)
            settings = {**stages.shared, "law": ladder.model_dump(mode="json"), "rung": rung, "beta": beta}
            found.append(
                Unit(
                    f"law/{rung}-{name_of(beta)}", settings, run, needs=("finetune",), seconds=SECONDS, **stages.common
                )
            )
    if "head" in ladder.rungs:
        run = partial(loss_times, context=context, finetuned="finetune", settings=ladder)
        settings = {**stages.shared, "rows": ladder.rows, "losses": list(kernels()), **STEPS}
        found.append(Unit("loss-times/head", settings, run, needs=("finetune",), seconds=SECONDS, **stages.common))
    return [*stages.models(), *found]
