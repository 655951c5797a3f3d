"""Writing safetensors: what its library says of a disk is told as the OSError that it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

__all__ = ["tensors_written"]


@contextmanager
def tensors_written(path: Path) -> Iterator[None]:
    """Inside, safetensors writes to `path`; the one thing that it can't do there is writing, as of any file."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(str(error)) from error
