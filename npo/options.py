"""Kinds of options and arguments that typer does not have: paths, lists, numbers. Nothing heavy is imported here."""

from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import typer
from typer.models import OptionInfo

from records.errors import UserError
from records.list_words import split_list
from records.paths import user_path

__all__ = ["LAST_SEED", "PATH", "a_path", "listed", "number_options", "number_or_auto", "numbers", "plain_digits"]

LAST_SEED = 2**63 - 1
T = TypeVar("T", int, float)


def a_path(text: str) -> Path:
    """A path with `~` opened; UserError where it is empty, or where no file can be called so."""
    return user_path(text, "A path")


PATH: dict[str, Any] = {"parser": a_path, "metavar": "PATH"}
"""For typer.Option; an argument, which has a name of its own, takes the parser alone."""


def listed(words: list[str] | None, option: str = "--methods") -> tuple[str, ...]:
    """Values given one by one or with commas between them, each once; UserError where nothing is between them."""
    found = tuple(dict.fromkeys(x for word in words or () for x in split_list(word)))
    if "" in found:
        raise UserError(f"{option} {','.join(words or ())!r}: write names with single commas between them.")
    return found


def plain_digits(text: str) -> bool:
    """Is there nothing in it that Python reads into a number and nobody else does: 1_0, digits of other scripts?"""
    return "_" not in text and text.isascii()


def number_or_auto(option: str, text: str | None) -> float | Literal["auto"] | None:
    """A number, the word auto, or nothing; UserError for anything else. Which numbers make sense is not known here.

    >>> number_or_auto("--beta", "0.5"), number_or_auto("--beta", "auto"), number_or_auto("--beta", None)
    (0.5, 'auto', None)
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        return float(text) if plain_digits(text) else float("")
    except ValueError:
        raise UserError(f"{option} {text}: write a number, or auto.") from None


def number_options(app: typer.Typer) -> set[str]:
    """Every option of every verb that takes one number, as it is typed."""
    found = set()
    for command in app.registered_commands:
        for name, kind in get_type_hints(command.callback, include_extras=True).items():
            inner, *marks = get_args(kind) or (kind,)
            if {int, float} & {inner, *get_args(inner)}:
                given = next((x.param_decls or () for x in marks if isinstance(x, OptionInfo)), ())
                found |= set(given) or {f"--{name.replace('_', '-')}"}
    inside = (number_options(group.typer_instance) for group in app.registered_groups if group.typer_instance)
    return found.union(*inside)


def numbers(name: str, text: str, kind: type[T]) -> tuple[T, ...]:
    """Numbers with commas between them; UserError for anything else, and for a seed that is none."""
    try:
        if not plain_digits(text):
            raise ValueError
        found = tuple(kind(x) for x in text.split(","))
    except ValueError:
        raise UserError(f"--{name} must be numbers with commas between them, got {text!r}.") from None
    if kind is int and not all(0 <= x <= LAST_SEED for x in found):
        raise UserError(f"--{name} must be from 0 to {LAST_SEED}, got {text!r}.")
    return found
