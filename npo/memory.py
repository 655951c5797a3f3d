"""Memory that runs out, in words."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from records.errors import UserError

__all__ = ["enough_memory"]

_SAID = ("out of memory", "not enough memory", "can't allocate memory")


@contextmanager
def enough_memory() -> Iterator[None]:
    """UserError where the memory of this machine or its GPU runs out inside."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        first = str(error).strip().split("\n")[0][:200]
        known = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(said in first for said in _SAID)
        if not known:
            raise
        raise UserError(
            f"Memory ran out ({first or type(error).__name__}). Ask for less at once: fewer rows a piece (--piece, "
            "unlearn.piece), shorter texts (--max-length, model.longest), activations that are computed again "
            "(--recompute, unlearn.recompute=true), an adapter (--lora, model.lora), or a smaller problem. What is "
            "finished is kept."
        ) from None
