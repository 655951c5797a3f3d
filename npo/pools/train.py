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
from npo.running.recipes import RecipeChoices, read
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
    return read(RecipeChoices(name, ["data.question=both", *words], data=None, device=None, dtype=None, seed=None))


def pool_of(recipe: Recipe) -> tuple[PoolMember, ...]:
    """The members of a recipe's pools."""
    assert recipe.finetune is not None
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
    context = context_of(recipe, Processes(recipe.device, recipe.precision))
    wanted = [one for one in pool_of(recipe) if one.name in only or not only]
    return worked_for(seconds, training_units(recipe, context, wanted), out)


def _told() -> argparse.Namespace:
    parser = command_line((__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="*", default=(), help="of the members, by name")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    asked = _told()
    left = train(recipe_of(asked.recipe, asked.words), asked.out, asked.seconds, asked.only)
    sys.stderr.write(f"{left} to do\n")
