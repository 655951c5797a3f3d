"""Rows as a model reads them, token by token, for a person to look at."""

from typing import NamedTuple

from scale.recipes.recipe import Recipe
from scale.runtime.processes import Processes
from scale.stages.fitting.fit import starting_model
from scale.stages.shared.prepared import context_of
from scale.training.pairing import order

__all__ = ["Shown", "rows_as_tokens"]


class Shown(NamedTuple):
    """A row's tokens, each with its kind (prompt, answer or end); how many are predicted; a merged boundary?"""

    tokens: list[tuple[str, str]]
    targets: int
    merged: bool


def rows_as_tokens(recipe: Recipe, count: int) -> list[Shown]:
    """The first `count` forget rows of the first batch of a recipe."""
    context = context_of(recipe, Processes("cpu"))
    language_model = starting_model(context, None, recipe.seed)
    writer = context.writer(language_model)
    rows = [context.corpus.forget[i] for i in order(recipe.seed, 0, len(context.corpus.forget))[:count]]
    found = []
    for row in rows:
        coded = row.encode(writer)[0]
        kinds = ["prompt"] * coded.first + ["answer"] * (coded.targets - 1) + ["end"]
        texts = [str(writer.tokenizer.decode([i])) for i in coded.ids]
        found.append(Shown(list(zip(texts, kinds, strict=True)), coded.targets, coded.merged))
    return found
