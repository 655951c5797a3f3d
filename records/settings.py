"""Overriding the fields of a frozen dataclass by `key=value` words, with every mistake reported at once."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from records.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["override", "parse_words"]

Settings = TypeVar("Settings", bound="DataclassInstance")


def parse_words(words: Sequence[str]) -> dict[str, str]:
    """{"key": "value"} from words of the form key=value; UserError naming each that is not.

    >>> parse_words(["logistic.alpha=0"])
    {'logistic.alpha': '0'}
    """
    wrong = [word for word in words if "=" not in word or word.startswith("=")]
    if wrong:
        raise UserError(f"Settings are written key=value; these are not: {', '.join(map(repr, wrong))}.")
    return dict(word.split("=", 1) for word in words)


def override(settings: Settings, changes: Mapping[str, str], *, label: str) -> Settings:
    """The same settings with some fields changed, types and constraints checked as the dataclass declares them.

    A field that is itself a dataclass is reached by a dot (`finetune.lr`), a sequence is written with commas.
    Raises UserError with all errors: unknown keys (with the nearest known one) and values that do not fit.
    `label` names the settings in messages.
    """
    changed, wrong = _override(settings, changes, label)
    if wrong:
        raise UserError("\n".join(wrong))
    return changed


def _override(settings: Settings, changes: Mapping[str, str], label: str) -> tuple[Settings, list[str]]:
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    given: dict[str, Any] = {}
    inner: dict[str, dict[str, str]] = {}
    wrong = []
    for key, text in changes.items():
        head, _, rest = key.partition(".")
        if head not in values or bool(rest) != dataclasses.is_dataclass(values[head]):
            wrong.append(_unknown(key, values, label))
        elif rest:
            inner.setdefault(head, {})[rest] = text
        else:
            given[head] = text.split(",") if isinstance(values[head], tuple) else text
    for head, deeper in inner.items():
        given[head], more = _override(values[head], deeper, f"{label}.{head}")
        wrong += more
    try:
        return TypeAdapter(type(settings)).validate_python(values | given), wrong
    except ValidationError as error:
        for e in error.errors():
            place = ".".join([label, *map(str, e["loc"])])
            wrong.append(f"{place}: {e['msg']}, got {e['input']!r}.")
        return settings, wrong


def _unknown(key: str, values: Mapping[str, Any], label: str) -> str:
    names = [name for name, value in values.items() if not dataclasses.is_dataclass(value)]
    for name, value in values.items():
        if dataclasses.is_dataclass(value):
            names += [f"{name}.{f.name}" for f in dataclasses.fields(value)]
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"Did you mean {label}.{near[0]}?" if near else f"Known keys: {', '.join(names)}."
    return f"Unknown key {label}.{key}. {hint}"
