"""Recipes as YAML files: the shipped ones, reading one with changes put over it, every mistake told at once.

A file may say `like: another`, and give only what differs. Unknown keys are told with the nearest known one. Reading a
recipe runs nothing; a method `file.py:name` of it is code, which runs where something is unlearned.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from records.errors import UserError
from records.paths import user_path
from records.settings import parse_words, said, scalar
from records.shown import shown
from records.text_file import read_text
from scale.evaluation.catalogue import known_metric
from scale.evaluation.protocols import protocol_of
from scale.recipes.recipe import Recipe
from scale.recipes.yaml_text import read_yaml
from scale.tasks.kinds import TASKS, nearest, task_of
from scale.tasks.task import TaskSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["read_recipe", "shipped"]

_LIST, _GROUP = "a list: [a, b]", "a group of keys: {key: value}"
_NAMES = {"protocol": protocol_of, "metric": known_metric}
"""What tells by a name whether there is such a thing, by what it is."""
_SHOULD_BE = {"list_type": _LIST, "tuple_type": _LIST}
_SHOULD_BE |= dict.fromkeys(("dict_type", "model_type", "dataclass_type", "model_attributes_type"), _GROUP)
"""What a value should be, by pydantic's kinds of errors, as YAML writes it."""


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("scale"))) / "recipes"
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.yaml")}
    return dict(sorted(found.items()))


def read_recipe(name: str, words: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or file, with `key.inner=value` words put over it.

    UserError with everything that is wrong with it. Nothing is coerced: text is no number, true no 1, 5.0 no 5.
    """
    content = _content(name)
    for key, text in parse_words(list(words)).items():
        _put(content, key.split("."), _value(key, text), name)
    try:  # as JSON: strict there, a list still fills a tuple
        return Recipe.model_validate_json(json.dumps(content), strict=True, context=_NAMES)
    except ValidationError as error:
        lines = [
            _told(e) for e in error.errors() if not (e["type"] == "too_short" and e["input"])
        ]  # its items are told
        raise UserError(f"The recipe {name} has {len(lines)} mistake(s):\n" + "\n".join(lines)) from None


def _content(name: str, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe's keys, put over those of the recipe that it is `like`; `below` are those that are like this one."""
    path = _found(name)
    if path.resolve() in below:
        raise UserError(f"The recipe {path} is like itself. Name another after `like:`, or take the line out.")
    content = read_yaml(read_text(path, "Name a recipe in YAML."), f"The recipe {path}")
    if not isinstance(content, dict):
        raise UserError(f"The recipe {path} is not a mapping of keys. See `npo ls recipes` for examples.")
    if (like := content.pop("like", None)) is None:
        return content
    if not isinstance(like, str):
        raise UserError(f"The recipe {path} is like {shown(like)}: name a recipe, or a YAML file in quotes.")
    return _over(_content(like, (path.resolve(), *below)), content)


def _found(name: str) -> Path:
    """The file of a recipe; UserError where there is none, with the nearest shipped one."""
    known = shipped()
    path = known.get(name) or user_path(name, "The recipe")
    if path.is_file():
        return path
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    what = f"{path} is no file" if path.exists() else f"There is no recipe {name}"
    raise UserError(f"{what}. {hint}Shipped: {', '.join(known)}; or name a YAML file.")


def _over(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` put over it, group by group; a null, another `name` or `kind` takes a group away."""
    for key, value in changes.items():
        inner = base.get(key)
        base[key] = _over(inner, value) if _alike(inner, value) else value
    return base


def _alike(inner: Any, value: Any) -> TypeGuard[dict[str, Any]]:
    """Are both groups of keys, and of one name and kind where the second has any?"""
    both = isinstance(inner, dict) and isinstance(value, Mapping)
    return both and all(value.get(key) in (None, inner.get(key)) for key in ("name", "kind"))


def _value(key: str, text: str) -> Any:
    """A word's value as YAML has it; as it is where the key takes text alone, so that a folder may be called 123."""
    kinds = _taken(key.split("."))
    if kinds <= {str, NoneType}:
        return None if NoneType in kinds and scalar(text) is None else text
    return read_yaml(text, f"{key}={text}"[:100]) if text.lstrip()[:1] in tuple("[{'\"") else scalar(text.strip())


def _put(content: dict[str, Any], keys: Sequence[str], value: Any, name: str) -> None:
    *outer, last = keys
    for key in outer:
        inner = content.setdefault(key, {})
        if inner is None:
            content[key] = inner = {}
        if not isinstance(inner, dict):
            raise UserError(f"{'.'.join(keys)}: in the recipe {name}, {key} is not a group of keys.")
        content = inner
    content[last] = value


def _told(error: "ErrorDetails") -> str:
    """One of pydantic's errors in a sentence."""
    loc = [part for part in error["loc"] if not str(part).startswith(("function-", "dataclass-"))]
    if loc[:1] == ["data"]:  # in the middle stands the task that its kind names
        del loc[1:2]
    place = ".".join(map(str, loc))
    if error["type"] == "union_tag_invalid":
        kind = str(error["ctx"]["tag"])
        return f"  {place}.kind: there is no kind of data {kind!r}. {nearest(kind)}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        model = _models(loc[:-1])[0] if loc[0] != "data" else task_of(str(error["loc"][1])).settings
        near = difflib.get_close_matches(str(loc[-1]), sorted(model.model_fields), n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(model.model_fields)}."
        return f"  {place}: there is no such key. {hint}"
    if error["type"] == "missing":
        return f"  {place}: is missing."
    words = f"Input should be {_SHOULD_BE[error['type']]}" if error["type"] in _SHOULD_BE else said(error)
    given = "" if isinstance(error["input"], dict | BaseModel) else f", got {shown(error['input'])}"
    return f"  {place or 'the recipe'}: {words}{given}."


def _models(place: Sequence[str | int]) -> list[type[BaseModel]]:
    """The groups of keys that a place may hold; the nearest around it where there is none."""
    models: list[type[BaseModel]] = [Recipe]
    for part in place:
        kinds = [kind for model in models for kind in _kinds(model.model_fields.get(str(part)))]
        inner = [x for kind in kinds for x in (kind, *get_args(kind))]
        models = [x for x in inner if isinstance(x, type) and issubclass(x, BaseModel)] or models
    return models


def _taken(place: Sequence[str]) -> set[Any]:
    """What a key takes, in whatever group it is; anything, where there is no such key."""
    fields = [field for model in _models(place[:-1]) if (field := model.model_fields.get(place[-1]))]
    return {kind for field in fields for kind in _kinds(field)} or {Any}


def _kinds(field: FieldInfo | None) -> set[Any]:
    """What a field takes, each kind of a union for itself; of no field, anything."""
    if field is None:
        return {Any}
    if field.annotation is TaskSettings:
        return {task.settings for task in TASKS}
    union = get_origin(field.annotation) in (Union, UnionType)
    return set(get_args(field.annotation)) if union else {field.annotation}
