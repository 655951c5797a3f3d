"""Calls of theory without the check of their shapes, which takes ten times as long as a small function itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import config

__all__ = ["unchecked"]


@contextmanager
def unchecked() -> Iterator[None]:
    """For loops of thousands of calls, of functions whose own tests have their shapes checked."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)
