"""Recipes as YAML files: the shipped ones, reading one with changes put over it, every mistake told at once.

A file may say `like: another`, and give only what differs. Unknown keys are told with the nearest known one. Reading a
recipe runs nothing; a method `file.py:name` of it is code, which runs where something is unlearned.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import BaseModel, ValidationError

from records.errors import UserError
from records.paths import user_path
from records.settings import said
from records.shown import shown
from records.text_file import read_text
from scale.evaluation.catalogue import known_metric
from scale.evaluation.protocols import protocol_of
from scale.recipes.evaluate_settings import in_full
from scale.recipes.key_words import put_words
from scale.recipes.keys import models_at, nearest_key
from scale.recipes.recipe import Recipe
from scale.recipes.yaml_text import read_yaml
from scale.tasks.kinds import nearest, task_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["changed", "read_recipe", "shipped", "told"]

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
    return _checked(_content(name), words, f"The recipe {name}")


def changed(recipe: Recipe, words: Sequence[str], name: str) -> Recipe:
    """A recipe that is there already, with `key.inner=value` words put over it; UserError as of `read_recipe`."""
    return _checked(recipe.model_dump(mode="json", exclude_unset=True), words, name) if words else recipe


def _checked(content: dict[str, Any], words: Sequence[str], name: str) -> Recipe:
    """The recipe of these keys with words put over them; UserError, begun with `name`, with all that is wrong."""
    lines = [f"  {line}" for line in put_words(content, words)]
    try:  # as JSON: strict there, a list still fills a tuple
        recipe = Recipe.model_validate_json(json.dumps(content), strict=True, context=_NAMES)
    except ValidationError as error:
        # a list that is too short for its items' mistakes is none: those are told
        lines += [told(e) for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
    if lines:
        raise UserError(f"{name} has {len(lines)} mistake(s):\n" + "\n".join(lines)) from None
    return recipe


def _content(name: str, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe's keys, put over those of the recipe that it is `like`; `below` are those that are like this one."""
    path = _found(name)
    if path.resolve() in below:
        raise UserError(f"The recipe {path} is like itself. Name another after `like:`, or take the line out.")
    content = read_yaml(read_text(path, "Name a recipe in YAML."), f"The recipe {path}")
    if not isinstance(content, dict):
        raise UserError(f"The recipe {path} is not a mapping of keys. See `npo ls recipes` for examples.")
    if (like := content.pop("like", None)) is None:
        return _over({}, content)
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
        base[key] = _over(inner, value) if _alike(inner, value) else in_full(key, value, inner)
    return base


def _alike(inner: Any, value: Any) -> TypeGuard[dict[str, Any]]:
    """Are both groups of keys, and of one name and kind where the second has any?"""
    both = isinstance(inner, dict) and isinstance(value, Mapping)
    return both and all(value.get(key) in (None, inner.get(key)) for key in ("name", "kind"))


def told(error: "ErrorDetails") -> str:
    """One of pydantic's errors about a recipe in a sentence, the key first."""
    loc = [part for part in error["loc"] if not str(part).startswith(("function-", "dataclass-"))]
    if loc[:1] == ["data"]:  # in the middle stands the task that its kind names
        del loc[1:2]
    place = ".".join(map(str, loc))
    if error["type"] == "union_tag_invalid":
        kind = str(error["ctx"]["tag"])
        return f"  {place}.kind: there is no kind of data {kind!r}. {nearest(kind)}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        model = models_at(loc[:-1])[0] if loc[0] != "data" else task_of(str(error["loc"][1])).settings
        return f"  {place}: there is no such key. {nearest_key(loc, model)}"
    if error["type"] == "missing":
        return f"  {place}: is missing."
    words = f"Input should be {_SHOULD_BE[error['type']]}" if error["type"] in _SHOULD_BE else said(error)
    given = (
        ""
        if isinstance(error["input"], dict | BaseModel) or error["input"] in ((), [])
        else f", got {shown(error['input'])}"
    )
    return f"  {place or 'the recipe'}: {words}{given}."
