"""Recipes as YAML files: the shipped ones, reading one with changes put over it, every mistake told at once.

A file may say `like: another`, and give only what differs. Unknown keys are told with the nearest known one.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from records.errors import UserError
from records.settings import parse_words
from scale.recipe import Recipe

__all__ = ["read_recipe", "shipped"]


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("scale"))) / "recipes"
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.yaml")}
    return dict(sorted(found.items()))


def read_recipe(name: str, words: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or file, with `key.inner=value` words put over it.

    UserError with everything that is wrong with it.
    """
    content = _content(name)
    for key, text in parse_words(list(words)).items():
        _put(content, key.split("."), _value(text), name)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        lines = [_told(e) for e in error.errors()]
        raise UserError(f"The recipe {name} has {len(lines)} mistake(s):\n" + "\n".join(lines)) from None


def _content(name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe's keys, put over those of the recipe that it is `like`; `below` are those that are like this one."""
    known = shipped()
    path = known.get(name, Path(name).expanduser())
    if not path.is_file():
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UserError(f"There is no recipe {name}. {hint}Shipped: {', '.join(known)}; or name a YAML file.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"The recipe {path} can't be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"The recipe {path} is not a mapping of keys. See `npo ls recipes` for examples.")
    if (like := content.pop("like", None)) is None:
        return content
    if str(like) in (name, *below):
        raise UserError(f"The recipe {path} is like itself. Name another after `like:`, or take the line out.")
    return _over(_content(str(like), (name, *below)), content)


def _over(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` put over it, group by group; a null takes a group away."""
    for key, value in changes.items():
        inner = base.get(key)
        base[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return base


def _value(text: str) -> Any:
    """A word's value as YAML has it; numbers such as 1e-5 too, which YAML takes for text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, str) else value


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


def _told(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors in a sentence."""
    place = ".".join(str(part) for part in error["loc"] if not str(part).startswith(("function-", "dataclass-")))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), sorted(_keys(error["loc"])), n=1)
        return f"  {place}: there is no such key.{f' Did you mean {near[0]}?' if near else ''}"
    if error["type"] == "missing":
        return f"  {place}: is missing."
    said = error["msg"].removeprefix("Value error, ").rstrip(".")
    given = "" if isinstance(error["input"], dict | BaseModel) else f", got {error['input']!r}"
    return f"  {place or 'the recipe'}: {said}{given}."


def _keys(place: Sequence[str | int]) -> Iterator[str]:
    """The keys that are known where an unknown one was found."""
    model: Any = Recipe
    for part in place[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            break
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        options += [inner for option in options for inner in getattr(option, "__args__", ())]
        model = next((x for x in options if isinstance(x, type) and issubclass(x, BaseModel)), model)
    yield from model.model_fields
