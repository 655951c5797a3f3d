"""Values and lists of names in few characters, for a message."""

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["few", "first_lines", "named", "shown"]

_LETTERS = 60
_LINES = 5


def shown(value: Any) -> str:
    """Any value as Python writes it, cut where it is long.

    >>> shown([0] * 1000)
    '[0, 0, 0, 0, 0, 0, …]'
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = _LETTERS
    short.fillvalue = "…"
    return short.repr(value)


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    >>> few(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def named(keys: Iterable[str]) -> str:
    """The keys of an object, in their order.

    >>> named({"b": 1, "a": 2})
    'a, b'
    """
    return few([name if len(name) <= _LETTERS else shown(name) for name in sorted(keys)], 8) or "none"


def first_lines(mistakes: Sequence[str]) -> list[str]:
    """The first of many mistakes, indented, and a line that counts the others."""
    rest = len(mistakes) - _LINES
    return [f"  {mistake}" for mistake in mistakes[:_LINES]] + ([f"  … and {rest} more"] if rest > 0 else [])
