"""Which pieces of work in a run's folder are finished: their manifests say so, not their names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError
from records.json_lines import read_json
from records.ownership import MANIFEST
from records.store import finished

__all__ = ["Pieces", "check_outside", "distinct_names", "pieces_in", "settings_of", "why_unfinished"]

_DRAFT = re.compile(r"\.(.+)\.[0-9a-z]+")


class Pieces(NamedTuple):
    """The finished pieces of work in a folder, and a sentence about each other thing that lies there."""

    finished: list[Path]
    told: list[str]


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a piece of work; UserError where it is absent or damaged."""
    path = folder / MANIFEST
    found = read_json(path, f"It is written when {folder} is finished.")
    kinds: dict[str, type] = {"key": str, "settings": dict, "files": dict}
    if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise UserError(f"{path} is no manifest of npo, which has {', '.join(kinds)}.")
    return found


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings that made a finished piece of work; UserError where there is none."""
    return dict(_manifest(folder)["settings"])


def why_unfinished(folder: Path) -> str:
    """Why a folder holds no finished piece of work, in words; empty where it does."""
    if not (folder / MANIFEST).is_file():
        return f"it has no {MANIFEST}: npo has not finished it, or did not make it"
    try:
        key = _manifest(folder)["key"]
    except UserError:
        return f"its {MANIFEST} is damaged"
    return "" if finished(folder, key) else f"its files are not those that its {MANIFEST} lists: they were changed"


def pieces_in(folder: Path) -> Pieces:
    """The pieces of work in a folder such as `RUN/unlearn`; none where there is no such folder."""
    found, told = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if draft := _DRAFT.fullmatch(path.name):
            told.append(f"{folder / draft[1]} is not finished: its run was stopped, or is still at work.")
        elif path.is_dir() and not path.name.startswith("."):
            reason = why_unfinished(path)
            found += [] if reason else [path]
            told += [f"{path} is left out: {reason}."] if reason else []
    return Pieces(found, told)


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """A name for each folder, as short as tells them apart: the last parts of its path.

    >>> distinct_names([Path("/x/out"), Path("/y/out")])
    ['x/out', 'y/out']
    """
    parts = [folder.resolve().parts for folder in folders]
    for k in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(each[-k:]) for each in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return [str(folder) for folder in folders]


def check_outside(out: Path) -> None:
    """UserError where `out` lies in a finished piece of work, whose files are all listed in its manifest."""
    place = out.resolve()
    for folder in (place, *place.parents):
        if (folder / MANIFEST).is_file() and not why_unfinished(folder):
            raise UserError(
                f"{out} lies in {folder}, a finished piece of work, which would no longer be what its {MANIFEST} "
                "says. Choose another folder with --out."
            )
