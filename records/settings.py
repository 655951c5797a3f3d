"""Overriding the fields of a frozen dataclass by `key=value` words, with every mistake reported at once."""

import dataclasses
import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from records.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic_core import ErrorDetails

__all__ = ["NotNegative", "Positive", "Seed", "distinct", "override", "parse_words"]

Settings = TypeVar("Settings", bound="DataclassInstance")

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What numpy's and torch's generators take."""


def distinct(name: str, values: Sequence[float]) -> None:
    """ValueError where `values` is empty or holds a number twice, as far as the six digits of a label tell.

    >>> distinct("betas", (0.5, 1.0))
    """
    if not values:
        raise ValueError(f"{name} needs at least one value")
    if twice := [label for label, count in Counter(f"{x:g}" for x in values).items() if count > 1]:
        raise ValueError(f"{name} holds {', '.join(twice)} more than once")


def parse_words(words: Sequence[str]) -> dict[str, str]:
    """{"key": "value"} from words of the form key=value; UserError naming each that is not, or a key given twice.

    >>> parse_words(["logistic.alpha=0"])
    {'logistic.alpha': '0'}
    """
    wrong = [word for word in words if "=" not in word or word.startswith("=")]
    if wrong:
        raise UserError(f"Settings are written key=value; these are not: {', '.join(map(repr, wrong))}.")
    pairs = [(key, value) for key, _, value in (word.partition("=") for word in words)]
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise UserError(f"Each setting can be given once; given more often: {', '.join(twice)}.")
    return dict(pairs)


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
            given[head] = (text.split(",") if text else []) if isinstance(values[head], tuple) else text
    for head, deeper in inner.items():
        given[head], more = _override(values[head], deeper, f"{label}.{head}")
        wrong += more
    try:
        return TypeAdapter(type(settings)).validate_python(values | given), wrong
    except ValidationError as error:
        return settings, wrong + [_message(label, e) for e in error.errors()]


def _message(label: str, error: "ErrorDetails") -> str:
    """One of pydantic's errors in a sentence; where it is about several fields together, no value is shown."""
    place = ".".join([label, *map(str, error["loc"])])
    said = error["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{place}: {said}, got {error['input']!r}." if error["loc"] else f"{place}: {said}."


def _unknown(key: str, values: Mapping[str, Any], label: str) -> str:
    names = [name for name, value in values.items() if not dataclasses.is_dataclass(value)]
    for name, value in values.items():
        if dataclasses.is_dataclass(value):
            names += [f"{name}.{f.name}" for f in dataclasses.fields(value)]
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"Did you mean {label}.{near[0]}?" if near else f"Known keys: {', '.join(names)}."
    return f"Unknown key {label}.{key}. {hint}"
