"""A recipe as programs take it: by its name, with words put over it, its data from where NPO_DATA says."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scale.recipes.recipe import Recipe
    from scale.tasks.corpus import Corpus

__all__ = ["recipe_here", "told_of"]


def recipe_here(name: str, words: Sequence[str] = ()) -> "Recipe":
    """The recipe with `key=value` words over it; TOFU is the folder that NPO_DATA names rather than the hub's.

    UserError with all that is wrong with it.
    """
    from scale.recipes.file import read_recipe

    recipe = read_recipe(name, words)
    instead = {f"data.{key}": value for key, value in recipe.data.instead(os.environ).items()}
    if not instead:
        return recipe
    kept = [word for word in words if word.partition("=")[0] not in instead]
    return read_recipe(name, [*kept, *(f"{key}={value}" for key, value in instead.items())])


def told_of(name: str, words: Sequence[str], corpus: "Corpus", model: str | Path | None = None) -> dict[str, Any]:
    """What results owe to a recipe and a model: its name, its words, a hash of the rows; one of its weights.

    A folder that the rows come from is not among the words: another machine has them elsewhere.
    """
    from scale.models.reference.identity import model_hash

    kept = sorted(word for word in words if not word.startswith("data.source="))
    weights = {} if model is None else {"model": model_hash(str(model))}
    return {"recipe": name, "settings": kept, "data": corpus.describe()["hash"], **weights}
