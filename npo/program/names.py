"""Names as a user types them, against those that there are: of things, and of models' folders."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from records.errors import UserError

__all__ = ["check_models", "check_names", "nearest"]


def nearest(word: str, known: Iterable[str]) -> str:
    """A question after the nearest of the known words, with a space before it; "" where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def check_names(where: str, typed: Iterable[str], known: Iterable[str]) -> None:
    """UserError with every name that is none of the known ones, and those that there are; `where` begins each line.

    >>> check_names("--rungs", ["head"], ["head", "full"])
    >>> check_names("--rungs", ["hed"], ["head", "full"])
    Traceback (most recent call last):
    records.errors.UserError: --rungs hed: there is none of that name. Did you mean head?
    --rungs: there are head, full.
    """
    there = list(dict.fromkeys(known))
    listed = ", ".join(f"“{name}”" if "," in name else name for name in there)
    wrong = [name for name in dict.fromkeys(typed) if name not in there]
    lines = [f"{where} {name}: there is none of that name.{nearest(name, there)}" for name in wrong]
    if lines:
        raise UserError("\n".join([*lines, f"{where}: there {f'are {listed}' if there else 'is none'}."]))


def check_models(folders: Iterable[Path], advice: str) -> None:
    """UserError with every folder of a model that is not there; `advice` ends it."""
    missing = [f"There is no model {folder}." for folder in folders if not folder.is_dir()]
    if missing:
        raise UserError("\n".join([*missing, advice]))
