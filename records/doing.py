"""What a long piece of work is doing now, in a few words, for whoever shows it; nobody may be there to hear."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Hears", "doing", "heard_by"]

Hears = Callable[[str, bool], None]
"""Told the words, and whether more of the kind follow at once, as of steps: then one need not show each."""


def _nobody(words: str, often: bool) -> None:
    del words, often


_HEARS: ContextVar[Hears] = ContextVar("hears", default=_nobody)


def doing(words: str, *, often: bool = False) -> None:
    """Tell what begins now.

    >>> with heard_by(lambda words, often: print(words)):
    ...     doing("loading the model")
    loading the model
    """
    _HEARS.get()(words, often)


@contextmanager
def heard_by(hears: Hears) -> Iterator[None]:
    """Inside, it is told to this function."""
    before = _HEARS.set(hears)
    try:
        yield
    finally:
        _HEARS.reset(before)
