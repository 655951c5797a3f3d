"""Kinds of options and arguments that typer does not have: paths, lists, numbers. Nothing heavy is imported here."""

from pathlib import Path
from typing import Any, TypeVar

from records.errors import UserError
from records.paths import user_path

__all__ = ["LAST_SEED", "PATH", "a_path", "listed", "numbers"]

LAST_SEED = 2**63 - 1
T = TypeVar("T", int, float)


def a_path(text: str) -> Path:
    """A path with `~` opened; UserError where it is empty, or where no file can be called so."""
    return user_path(text, "A path")


PATH: dict[str, Any] = {"parser": a_path, "metavar": "PATH"}
"""For typer.Option; an argument, which has a name of its own, takes the parser alone."""


def listed(words: list[str] | None, option: str = "--methods") -> tuple[str, ...]:
    """Values given one by one or with commas between them, each once; UserError where nothing is between them."""
    found = tuple(dict.fromkeys(x.strip() for word in words or () for x in word.split(",")))
    if "" in found:
        raise UserError(f"{option} {','.join(words or ())!r}: write names with single commas between them.")
    return found


def numbers(name: str, text: str, kind: type[T]) -> tuple[T, ...]:
    """Numbers with commas between them; UserError for anything else, and for a seed that is none."""
    try:
        if "_" in text:
            raise ValueError  # which Python would read
        found = tuple(kind(x) for x in text.split(","))
    except ValueError:
        raise UserError(f"--{name} must be numbers with commas between them, got {text!r}.") from None
    if kind is int and not all(0 <= x <= LAST_SEED for x in found):
        raise UserError(f"--{name} must be from 0 to {LAST_SEED}, got {text!r}.")
    return found
