"""A word on a terminal while nothing else can be shown yet: libraries take seconds to load."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from records.plain import plain

__all__ = ["waiting"]


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """The words on standard error until what is inside has ended; none where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(plain(words)):
        yield
