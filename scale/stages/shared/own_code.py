"""What a recipe names that is code of one's own: where it lies, and what it says."""

from typing import TYPE_CHECKING, Any

from records.loader import source_of
from records.store import content_hash
from scale.training.optimizer_settings import own_of
from scale.training.schedule import Schedule

if TYPE_CHECKING:
    from scale.recipes.recipe import Recipe

__all__ = ["own_code", "source_of_optimizer"]


def own_code(recipe: "Recipe") -> list[str]:
    """What a recipe names that may be code of one's own: methods, metrics, optimizers."""
    found = [method.name for method in recipe.unlearn.methods]
    found += [name for names in recipe.evaluate.metrics.values() for name in names]
    return found + [own for schedule in recipe.schedules.values() for own in own_of(schedule.optimizer)]


def source_of_optimizer(schedule: Schedule) -> dict[str, Any]:
    """So that what was trained by code of one's own is trained anew when that changes."""
    own = own_of(schedule.optimizer)
    return {"own_optimizer": content_hash([source_of(name) for name in own])} if own else {}
