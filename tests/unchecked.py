"""Calls of theory without the check of their shapes, which takes ten times as long as a small function itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import config

__all__ = ["unchecked"]


@contextmanager
def unchecked() -> Iterator[None]:
    """For tests of all that calls theory, and for loops of thousands of calls in its own: see `tests/conftest.py`."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)
