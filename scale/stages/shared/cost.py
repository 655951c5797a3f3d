"""Roughly how long the units of a recipe take on one core, and which of them leave room for others beside them."""

from scale.models.loading.scratch import Shape
from scale.recipes.recipe import Recipe
from scale.runtime.processes import Processes
from scale.training.schedule import Schedule, epochs_of

__all__ = ["of_examination", "of_training", "of_unlearning", "stands_alone"]

SMALL = 30_000_000  # parameters of a model that one thread trains as well as two
A_SECOND = 5e10  # floating-point operations of one core
TOKENS = 60.0  # of a question and its answer
ANSWERS = 8 * 4  # texts that are scored for a question of each of four sets
UNKNOWN = 1e9  # parameters of a model that is not made here: more than those of any that is


def stands_alone(recipe: Recipe, processes: Processes) -> bool:
    """Does a unit want the machine: for the threads of a large model, an accelerator, or other processes?"""
    return _parameters(recipe.model.scratch) > SMALL or not processes.leaves_room


def of_training(recipe: Recipe, schedule: Schedule, rows: int) -> float:
    """Seconds of training on so many rows: six operations a parameter and token."""
    return 6 * _parameters(recipe.model.scratch) * epochs_of(schedule, rows) * rows * TOKENS / A_SECOND


def of_examination(recipe: Recipe) -> float:
    """Seconds of one examination: two operations a parameter and token."""
    questions = recipe.evaluate.questions or 300
    return 2 * _parameters(recipe.model.scratch) * questions * ANSWERS * TOKENS / A_SECOND


def of_unlearning(recipe: Recipe, schedule: Schedule, rows: int) -> float:
    """Seconds of an unlearning run: pairs of rows, and an examination after every epoch."""
    epochs = epochs_of(schedule, rows)
    return of_training(recipe, schedule, 2 * rows) + epochs * of_examination(recipe)


def _parameters(shape: Shape | None) -> float:
    return shape.parameters if shape else UNKNOWN
