"""Is the model there that a recipe starts from? Looked for before anything runs; its weights are not read."""

from pathlib import Path

from records.errors import UserError
from records.memory import check_memory
from scale.models.adapter_files import is_adapter
from scale.models.loading import described, place_of
from scale.models.scratch import Shape
from scale.recipes.recipe import ModelSettings

__all__ = ["ask_hub", "look_for"]

OF_A_PARAMETER = 16.0  # bytes: itself, its gradient and two moments


def look_for(model: ModelSettings) -> None:
    """UserError where the model is too large from scratch, not in its folder, or not called as one of the hub."""
    if model.scratch is not None:
        return _fits(model.scratch)
    try:
        source = place_of(model.base)
        if Path(source).is_dir() and not is_adapter(source):
            described(source)
    except UserError as error:
        raise UserError(f"model.base: {error}") from None


def ask_hub(model: ModelSettings) -> None:
    """UserError where a model by `owner/name` can't be had, neither from the hub nor from what was had of it before."""
    look_for(model)
    if model.scratch is None and not Path(place_of(model.base)).is_dir():
        try:
            described(model.base, model.revision)
        except UserError as error:
            raise UserError(f"model.base: {error}") from None


def _fits(shape: Shape) -> None:
    asked = ", ".join(f"{name}={getattr(shape, name)}" for name in ("hidden", "layers", "feed_forward", "vocab"))
    check_memory(OF_A_PARAMETER * shape.parameters, f"model.shape with {asked}")
