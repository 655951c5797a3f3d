"""`key.inner=value` words of a command line, put over the keys of a recipe: any key of any depth, items of lists too.

    unlearn.lr=1e-5   unlearn.methods=[NPO,GA+RT]   unlearn.methods.0.lr=2e-5   finetune.optimizer.betas=[0.9,0.95]

The items of a list are counted from 0. A method or an optimizer that is a name alone becomes a group of keys where one
of its keys is set.
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any

from records.errors import UserError
from records.option_words import name_and_options
from records.settings import parse_words, scalar
from scale.recipes.evaluate_settings import in_full
from scale.recipes.keys import models_at, taken, usual
from scale.recipes.yaml_text import read_yaml

__all__ = ["put_words"]


def put_words(content: dict[str, Any], words: Sequence[str]) -> list[str]:
    """Put each word's value into `content`; what can't be put, a sentence each.

    UserError where a word is no `key=value`, or a key is there twice.

    >>> content = {"unlearn": {"methods": ["GA", "NPO"]}}
    >>> put_words(content, ["unlearn.methods.1.lr=1e-5", "seed.x.y=1", "seed=3"])
    []
    >>> content["unlearn"]
    {'methods': ['GA', {'name': 'NPO', 'lr': 1e-05}]}
    """
    wrong = []
    for key, text in parse_words(list(words)).items():
        try:
            _put(content, key.split("."), _value(key, text))
        except UserError as error:
            wrong += str(error).split("\n")
    return wrong


def _value(key: str, text: str) -> Any:
    """A word's value as YAML has it; as it is where the key takes text alone, so that a folder may be called 123."""
    kinds = taken(key.split("."))
    if kinds <= {str, NoneType}:
        return None if NoneType in kinds and scalar(text) is None else text
    return read_yaml(text, f"{key}={text}"[:100]) if text.lstrip()[:1] in tuple("[{'\"") else scalar(text.strip())


def _put(content: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Into the group or list that the keys before the last lead to; what is not there yet is made."""
    place: dict[str, Any] | list[Any] = content
    for i, key in enumerate(keys[:-1]):
        above, found = keys[: i + 1], _get(place, key, keys[: i + 1])
        inner = _opened(found, above, keys[i + 1])
        if not isinstance(inner, dict | list):
            raise UserError(f"{'.'.join(keys)}: {'.'.join(above)} is not a group of keys.")
        _set(place, key, inner, above)
        place = inner
    _set(place, keys[-1], in_full(keys[0], value, content.get(keys[0])) if len(keys) == 1 else value, keys)


def _opened(found: Any, above: Sequence[str], following: str) -> Any:
    """A group or a list where a key below it is set: none yet, names with commas, or one name."""
    if found is None:
        default = usual(above)
        found = default if isinstance(default, str) and _named(above) else {}
    if isinstance(found, str) and following.isdecimal():
        return [one.strip() for one in found.split(",")]
    if isinstance(found, str) and _named(above):
        name, options = name_and_options(found)
        return {"name": name, **options}
    return found


def _named(above: Sequence[str]) -> bool:
    """May a group of keys stand there that has a name, for which the name alone is short?"""
    return any("name" in model.model_fields for model in models_at(above))


def _get(place: dict[str, Any] | list[Any], key: str, keys: Sequence[str]) -> Any:
    return place.get(key) if isinstance(place, dict) else place[_index(place, key, keys)]


def _set(place: dict[str, Any] | list[Any], key: str, value: Any, keys: Sequence[str]) -> None:
    if isinstance(place, dict):
        place[key] = value
    else:
        place[_index(place, key, keys)] = value


def _index(place: list[Any], key: str, keys: Sequence[str]) -> int:
    """The item of a list that a key names; UserError where there is none."""
    if not key.isdecimal() or int(key) >= len(place):
        outer = ".".join(keys[:-1])
        raise UserError(
            f"{'.'.join(keys)}: {outer} is a list of {len(place)}: its items are {outer}.0"
            f"{f' to {outer}.{len(place) - 1}' if len(place) > 1 else ''}. Or give it whole: {outer}=[…]."
        )
    return int(key)
