"""Training the pools, unit by unit: what was trained stays, and a run that was stopped goes on.

    python -m npo.pools.train OUT [key=value …] [--recipe tofu-mini] [--seconds 200] [--only NAME …]

`member/<name>` holds `model/`, and in data.json who it is (`taught`, `knows`) beside what `scale.stages.fitting.fit`
leaves.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from npo.pools.members import PoolMember, members, taught
from npo.pools.work import command_line, worked_for
from npo.program.ending import ends_in_words
from npo.program.names import check_names
from npo.program.recipe import recipe_here
from records.errors import UserError, together
from records.paths import may_write
from records.store import content_hash
from records.work import Unit
from scale.data.row import Learnable
from scale.recipes.recipe import Recipe
from scale.runtime.processes import Processes
from scale.stages.fitting.fit import fit
from scale.stages.shared.context import Context
from scale.stages.shared.prepared import context_of
from scale.tasks.corpus import hashable
from scale.training.schedule import Schedule

__all__ = ["pool_of", "recipe_of", "training_units"]

MEMBER = "member/"


def recipe_of(name: str, words: Sequence[str]) -> Recipe:
    """The recipe whose data, model and schedule the pools share, with its forget questions in other words too."""
    return recipe_here(name, ["data.question=both", *words])


def pool_of(recipe: Recipe) -> tuple[PoolMember, ...]:
    """The members of a recipe's pools; UserError where it finetunes nothing."""
    if recipe.finetune is None:
        raise UserError("The recipe has no finetune, whose rows and schedule the pools share. Name one that has.")
    return members(recipe.finetune)


def training_units(recipe: Recipe, context: Context, pool: Sequence[PoolMember]) -> list[Unit]:
    """`pretrain`, which all share where the recipe has one, and each member after it."""
    corpus = context.corpus
    shared = {"data": corpus.describe(), "model": recipe.model.model_dump(mode="json"), "precision": recipe.precision}
    make = partial(_unit, context=context, shared=shared)
    start = "pretrain" if recipe.pretrain else None
    units = [make("pretrain", corpus.known, recipe.pretrain, recipe.seed, None)] if recipe.pretrain else []
    kept = (*corpus.retain, *corpus.kept, *(corpus.known if recipe.rehearse else ()))
    forget, worded = (corpus.asked[name].questions for name in ("forget", "forget_paraphrased"))
    for one in pool:
        rows = (*kept, *taught(one, forget, worded))
        units.append(make(MEMBER + one.name, rows, one.schedule, one.seed, start))
    return units


def _unit(
    name: str,
    rows: Sequence[Learnable],
    schedule: Schedule,
    seed: int,
    start: str | None,
    *,
    context: Context,
    shared: Mapping[str, object],
) -> Unit:
    """A model trained on the likelihood of rows."""
    about = {"stage": name, "rows": len(rows), "rows_of": content_hash(hashable(rows))}
    settings = {**shared, **about, "schedule": schedule.described(), "seed": seed}
    run = partial(
        fit, context=context, stage=name, rows=rows, schedule=schedule, start=start, seed=seed, settings=settings
    )
    return Unit(name, settings, run, needs=(start,) if start else (), alone=True)


def train(recipe: Recipe, out: Path, seconds: float, only: Sequence[str]) -> int:
    """Train what is missing for about so long; how many units are still to do."""
    pool = pool_of(recipe)
    together(lambda: check_names("--only", only, [one.name for one in pool]), lambda: may_write(out))
    context = context_of(recipe, Processes(recipe.device, recipe.precision))
    wanted = [one for one in pool if one.name in only or not only]
    return worked_for(seconds, training_units(recipe, context, wanted), out)


def _told() -> argparse.Namespace:
    parser = command_line("npo.pools.train", __doc__)
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="of the members; a wrong one shows all")
    return parser.parse_intermixed_args()


def _main() -> None:
    told = _told()
    left = train(recipe_of(told.recipe, told.words), told.out, told.seconds, told.only)
    sys.stderr.write(f"{left} to do\n")


if __name__ == "__main__":
    ends_in_words(_main)
