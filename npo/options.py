"""Kinds of options and arguments: what typer can't tell of a path. Nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from records.paths import user_path

__all__ = ["PATH", "a_path"]


def a_path(text: str) -> Path:
    """A path with `~` opened; UserError where it is empty, or where no file can be called so."""
    return user_path(text, "A path")


PATH: dict[str, Any] = {"parser": a_path, "metavar": "PATH"}
"""For typer.Option; an argument, which has a name of its own, takes the parser alone."""
