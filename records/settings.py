"""Overriding the fields of a frozen dataclass by `key=value` words, with every mistake reported at once."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from records.errors import UserError

__all__ = ["override", "parse_words"]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def parse_words(words: Sequence[str]) -> dict[str, str]:
    """{"key": "value"} from words of the form key=value; UserError naming each that is not."""
    wrong = [word for word in words if "=" not in word or word.startswith("=")]
    if wrong:
        raise UserError(f"Settings are written key=value; these are not: {', '.join(map(repr, wrong))}.")
    return dict(word.split("=", 1) for word in words)


def _as_given(settings: Any, name: str, text: str) -> Any:
    """A comma-separated text becomes a list where the field holds a sequence."""
    return text.split(",") if isinstance(getattr(settings, name), tuple) else text


def override(settings: Settings, changes: Mapping[str, str], *, label: str) -> Settings:
    """The same settings with some fields changed, types and constraints checked as the dataclass declares them.

    Raises UserError with all errors: unknown keys (with the nearest known one) and values that do not fit.
    `label` names the settings in messages.
    """
    known = [f.name for f in dataclasses.fields(settings)]
    wrong = []
    for name in changes:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {label}.{near[0]}?" if near else f" Known keys: {', '.join(known)}."
            wrong.append(f"Unknown key {label}.{name}.{hint}")
    given = {name: _as_given(settings, name, text) for name, text in changes.items() if name in known}
    try:
        changed: Settings = TypeAdapter(type(settings)).validate_python(
            {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)} | given
        )
    except ValidationError as error:
        wrong += [f"{label}.{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}." for e in error.errors()]
    if wrong:
        raise UserError("\n".join(wrong))
    return changed
