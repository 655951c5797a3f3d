"""What the stages of a recipe share, made of it: its rows are read now."""

from dataclasses import replace
from typing import Any

from scale.evaluation.protocols import protocol_of
from scale.recipes.recipe import Recipe
from scale.runtime.processes import Processes
from scale.stages.shared.context import Context
from scale.tasks.corpus import Corpus
from scale.tasks.kinds import corpus_of

__all__ = ["context_of"]


def context_of(recipe: Recipe, processes: Processes, corpus: Corpus | None = None) -> Context:
    """What the stages of a recipe share; UserError where its rows can't be had."""
    protocol = protocol_of(recipe.protocol)
    changes: dict[str, Any] = {"sample": recipe.evaluate.sample}
    if recipe.evaluate.new_tokens:
        changes |= {"max_length": recipe.evaluate.new_tokens, "prompt_counts": False}
    exams = replace(protocol, generation=replace(protocol.generation, **changes))
    return Context(corpus or corpus_of(recipe.data), recipe.model, exams, recipe.evaluate, processes)
