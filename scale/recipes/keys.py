"""The keys of a recipe: which groups and values a place may hold, and a list of all of them in words."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scale.recipes.recipe import Recipe
from scale.tasks.kinds import TASKS
from scale.tasks.task import TaskSettings

__all__ = ["RecipeKey", "every_key", "models_at", "nearest_key", "taken", "usual"]

_GROUP = "a group of keys"
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", Any: "anything"}


class RecipeKey(NamedTuple):
    """A key by its whole name, as the command line takes it, and in words: what it takes, its default, what it does."""

    name: str
    about: str


def models_at(place: Sequence[str | int]) -> list[type[BaseModel]]:
    """The groups of keys that a place may hold; the nearest around it where there is none.

    >>> [model.__name__ for model in models_at(["unlearn", "methods", 0])]
    ['MethodSettings']
    """
    models: list[type[BaseModel]] = [Recipe]
    for part in place:
        kinds = [kind for model in models for kind in _kinds(model.model_fields.get(str(part)))]
        models = _groups(kinds) or models
    return models


def taken(place: Sequence[str]) -> set[Any]:
    """What a key takes, in whatever group it is; anything, where there is no such key."""
    fields = [field for model in models_at(place[:-1]) if (field := model.model_fields.get(place[-1]))]
    return {kind for field in fields for kind in _kinds(field)} or {Any}


def usual(place: Sequence[str]) -> Any:
    """What a key has where it is not given; None where it must be, or there is no such key."""
    fields = (model.model_fields.get(place[-1]) for model in models_at(place[:-1]))
    return next((field.default for field in fields if field is not None and not field.is_required()), None)


def nearest_key(place: Sequence[str | int], model: type[BaseModel]) -> str:
    """What may have been meant by a key that its group does not have, as a sentence."""
    key = str(place[-1])
    if near := difflib.get_close_matches(key, sorted(model.model_fields), n=1):
        return f"Did you mean {near[0]}?"
    if elsewhere := [one.name for one in every_key() if one.name.rpartition(".")[2] == key]:
        return f"Did you mean {' or '.join(dict.fromkeys(elsewhere))}?"
    return f"Known keys: {', '.join(model.model_fields)}."


def every_key() -> list[RecipeKey]:
    """All keys of a recipe, those of every task under `data`; of a list's items that of the first.

    >>> [key.about for key in every_key() if key.name == "unlearn.seeds"]
    ['a list of whole numbers; default [0]']
    """
    return list(_of_model(Recipe, ""))


def _of_model(model: type[BaseModel], prefix: str) -> Iterator[RecipeKey]:
    for name, field in model.model_fields.items():
        place = f"{prefix}{name}"
        if field.annotation is TaskSettings:
            yield RecipeKey(place, f"{_GROUP}, by the task that its kind names")
            yield from _of_tasks(f"{place}.")
            continue
        yield RecipeKey(place, "; ".join(filter(None, [_takes(field), _default(field), field.description])))
        kinds = _kinds(field)
        items = f"{place}.0." if any(get_origin(kind) is tuple for kind in kinds) else f"{place}."
        for inner in _groups(kinds):
            yield from _of_model(inner, items)


def _of_tasks(prefix: str) -> Iterator[RecipeKey]:
    """The keys of every task's settings, each with the tasks that have it so."""
    having: dict[RecipeKey, list[str]] = {}
    for task in TASKS:
        for key in _of_model(task.settings, prefix):
            having.setdefault(key, []).append(task.name)
    for key, names in having.items():
        yield key._replace(about=f"{key.about} ({', '.join(names)})")


def _takes(field: FieldInfo) -> str:
    """The kinds of a field in words."""
    return " or ".join(dict.fromkeys(_word(kind) for kind in sorted(_kinds(field), key=str) if kind is not NoneType))


def _word(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _word(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_word, get_args(kind))))
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        one = _word(get_args(kind)[0])
        return f"a list of {one.removeprefix('a ').replace('number', 'numbers').replace('group ', 'groups ')}"
    if get_origin(kind) in (Mapping, dict):
        return "values by name"
    return _WORDS.get(kind, _GROUP)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "to be given"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel):
        return ""
    if isinstance(value, str):
        return f"default {value}" if value else ""
    if isinstance(value, tuple | dict):
        return f"default {list(value) if isinstance(value, tuple) else value}" if value else ""
    return f"default {str(value).lower() if isinstance(value, bool) else format(value, 'g')}"


def _groups(kinds: Sequence[Any] | set[Any]) -> list[type[BaseModel]]:
    """The groups of keys among some kinds, those inside a list too."""
    inner = [x for kind in kinds for x in (kind, *get_args(kind))]
    return [x for x in inner if isinstance(x, type) and issubclass(x, BaseModel)]


def _kinds(field: FieldInfo | None) -> set[Any]:
    """What a field takes, each kind of a union for itself; of no field, anything."""
    if field is None:
        return {Any}
    if field.annotation is TaskSettings:
        return {task.settings for task in TASKS}
    union = get_origin(field.annotation) in (Union, UnionType)
    return set(get_args(field.annotation)) if union else {field.annotation}
