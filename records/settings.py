"""Overriding the fields of a frozen dataclass by `key=value` words, with every mistake reported at once."""

import dataclasses
import difflib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from records.errors import UserError
from records.list_words import split_list
from records.shown import shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic_core import ErrorDetails

__all__ = [
    "MOST_STEPS",
    "NotNegative",
    "Positive",
    "Seed",
    "SettingsError",
    "Steps",
    "distinct",
    "override",
    "parse_words",
    "said",
    "scalar",
]

AnySettings = TypeVar("AnySettings", bound="DataclassInstance")

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What numpy's and torch's generators take."""

MOST_STEPS = 10**9
Steps = Annotated[int, Field(gt=0, le=MOST_STEPS)]
"""Of a loop: beyond, it would be a mistake that nobody sees the end of."""
LONGEST_NUMBER = 40  # digits of a whole number; a longer one is text
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}


class SettingsError(UserError):
    """Settings that do not fit: `mistakes` has the place of each (`law.betas.1`, "" for all together) and its words."""

    def __init__(self, label: str, mistakes: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{'.'.join(filter(None, [label, place]))}: {words}" for place, words in mistakes))
        self.mistakes = mistakes


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
    wrong = [word for word in words if "=" not in word or "" in word.partition("=")[0].split(".")]
    wrong += [word for word in words if any("\ud800" <= c <= "\udfff" for c in word)]  # bytes that are no text
    told = [f"Settings are written key=value; these are not: {', '.join(map(shown, wrong))}."] if wrong else []
    pairs = [(key, value) for key, _, value in (word.partition("=") for word in words if word not in wrong)]
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        told.append(f"Each setting can be given once; given more often: {', '.join(twice)}.")
    if told:
        raise UserError("\n".join(told))
    return dict(pairs)


def scalar(text: str) -> int | float | bool | str | None:
    """A plain word's value, as JSON and YAML 1.2 have it: a number, true, false, null; anything else is text.

    >>> [scalar(word) for word in ("12", "1e-5", "012", "1_000", "nan", "yes", "null")]
    [12, 1e-05, '012', '1_000', 'nan', 'yes', None]
    """
    if _WHOLE.fullmatch(text):
        return int(text) if len(text) < LONGEST_NUMBER else text
    if _DECIMAL.fullmatch(text):
        return float(text)
    return _WORDS.get(text, text)


def override(settings: AnySettings, changes: Mapping[str, str], *, label: str) -> AnySettings:
    """Settings with some fields changed, types and constraints checked as the dataclass declares them.

    A field that is itself a dataclass is reached by a dot (`finetune.lr`), a sequence is written with commas.
    Raises SettingsError with all errors: unknown keys (with the nearest known one) and values that do not fit.
    `label` names the settings in messages.
    """
    given: dict[str, Any] = dataclasses.asdict(settings)
    wrong: list[tuple[str, str]] = []
    for key, text in changes.items():
        *outer, last = key.split(".")
        group: Any = given
        for part in outer:
            group = group.get(part) if isinstance(group, dict) else None
        if not isinstance(group, dict) or isinstance(group.get(last, {}), dict):
            wrong.append(_unknown(key, given, label))
        elif isinstance(group[last], list | tuple):
            group[last] = [scalar(word) for word in split_list(text)] if text else []
        else:
            group[last] = scalar(text)
    try:  # as JSON: strict there, a list still fills a tuple
        changed = TypeAdapter(type(settings)).validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        wrong += [(".".join(map(str, e["loc"])), _sentence(e)) for e in error.errors()]
    if wrong:
        raise SettingsError(label, wrong)
    return changed


def said(error: "ErrorDetails") -> str:
    """What one of pydantic's errors says; a check of our own in its own words alone."""
    own = error.get("ctx", {}).get("error")
    return (str(own) if isinstance(own, ValueError) else error["msg"]).rstrip(".")


def _sentence(error: "ErrorDetails") -> str:
    """One of pydantic's errors; where it is about several fields together, no value is shown."""
    together = isinstance(error["input"], dict)
    return f"{said(error)}." if together else f"{said(error)}, got {shown(error['input'])}."


def _unknown(key: str, given: Mapping[str, Any], label: str) -> tuple[str, str]:
    names = []
    for name, value in given.items():
        names += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"Did you mean {label}.{near[0]}?" if near else f"Known keys: {', '.join(names)}."
    return key, f"there is no such key. {hint}"
