"""Is the model there that a recipe starts from? Looked for before anything runs; its weights are not read."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from records.errors import UserError, together
from records.memory import check_memory
from scale.models.loading.merged import base_of, is_adapter
from scale.models.loading.scratch import Shape
from scale.models.loading.whole import described, place_of
from scale.recipes.method import Method
from scale.recipes.recipe import ModelSettings, Recipe
from scale.training.asked import ANSWERS, asked_of

__all__ = ["ask_hub", "check_blocks", "look_for", "look_for_trained"]

_HIDDEN = {"hidden", "ref_hidden"}
OF_A_PARAMETER = 16.0  # bytes: itself, its gradient and two moments


def look_for(model: ModelSettings) -> None:
    """UserError where the model is too large from scratch, not in its folder, or not called as one of the hub."""
    if model.scratch is not None:
        _fits(model.scratch)
    else:
        _look("model.base", model.base)


def look_for_trained(recipe: Recipe) -> None:
    """UserError where a model that is trained already is not in its folder, or not called as one of the hub."""
    named = {"finetuned": recipe.finetuned, "retrained": recipe.retrained}
    named |= {"unlearn.wanted_drop.base": recipe.unlearn.wanted_drop.base}
    together(*(partial(_look, key, name) for key, name in named.items() if name is not None))


def _look(key: str, name: str) -> None:
    try:
        source = place_of(name)
        if Path(source).is_dir() and not is_adapter(source):
            described(source)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None


def ask_hub(model: ModelSettings) -> None:
    """UserError where a model by `owner/name` can't be had, neither from the hub nor from what was had of it before."""
    look_for(model)
    if model.scratch is None and not Path(place_of(model.base)).is_dir():
        try:
            described(model.base, model.revision)
        except UserError as error:
            raise UserError(f"model.base: {error}") from None


def check_blocks(model: ModelSettings, methods: Sequence[Method]) -> None:
    """UserError naming every method that reads hidden states after a block that the model does not have."""
    reading = [one for one in methods if _HIDDEN & (one.objective.forget_needs | one.objective.retain_needs)]
    if not reading or (blocks := _blocks(model)) is None:
        return
    wrong = []
    for method in reading:
        try:
            for kind in ANSWERS:
                asked_of(method.objective, kind, blocks)
        except UserError as error:
            wrong.append(f"unlearn.methods {method.label}: {error}")
    if wrong:
        raise UserError("\n".join(wrong))


def _blocks(model: ModelSettings) -> int | None:
    """How many blocks the model has; None where its configuration is not here yet."""
    if model.scratch is not None:
        return model.scratch.layers
    source = place_of(model.base)
    while is_adapter(source):
        source = base_of(Path(source))
    return int(described(source)[0].get_text_config().num_hidden_layers) if Path(source).is_dir() else None


def _fits(shape: Shape) -> None:
    asked = ", ".join(f"{name}={getattr(shape, name)}" for name in ("hidden", "layers", "feed_forward", "vocab"))
    check_memory(OF_A_PARAMETER * shape.parameters, f"model.shape with {asked}")
