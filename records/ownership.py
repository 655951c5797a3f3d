"""What npo made: it replaces a folder only if every file in it is as npo left it, and an input never.

A folder that npo made has a manifest with the hash of each of its files, and one that it is still building a mark. Two
rules follow: what is not in the manifest, or is not as the manifest says, is somebody's own and stays; and what is read
must be what was written.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.shown import few

__all__ = [
    "MANIFEST",
    "MARK",
    "check_inputs",
    "check_replaceable",
    "file_hash",
    "foreign",
    "is_piece",
    "listed",
    "manifest",
    "names",
    "remove",
    "verify",
]

MANIFEST = "manifest.json"
MARK = ".npo-unfinished"
"""An empty file in a folder that is being built: all that lies there is ours."""
_DEEP = 3  # folders above a file, in whose manifest it may stand

_FRESH = 2 * 10**9
"""Nanoseconds in which a file may be written again and keep its times, which count coarsely on some disks."""
_HASHES: dict[tuple[int, ...], str] = {}

Listed = Mapping[str, Mapping[str, Any]]


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished piece of work: key, settings, seconds, environment, files with bytes and SHA-256."""
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
    return found


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """Bytes and SHA-256 of every file below `folder`, the manifest and the mark aside."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_hash(folder / name)} for name in names(folder)
    }


def names(folder: Path) -> list[str]:
    """Every file, link and odd thing below `folder`, by its path from there; the manifest and the mark aside."""
    return sorted(path.relative_to(folder).as_posix() for path in _below(folder))


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        inside = [*files, *(name for name in folders if (Path(place) / name).is_symlink())]
        top = Path(place) == folder
        yield from (Path(place) / name for name in inside if not (top and name in (MANIFEST, MARK)))


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, computed once in a process as long as the file stays as it is."""
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        known = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if known not in _HASHES:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _FRESH:
                return digest
            _HASHES[known] = digest
        return _HASHES[known]


def _files_of(folder: Path) -> Listed:
    """What the manifest lists; nothing where there is none of ours."""
    try:
        found = manifest(folder)["files"]
        return found if all({"bytes", "sha256"} <= found[name].keys() for name in found) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _same(path: Path, known: Mapping[str, Any]) -> bool:
    plain = path.is_file() and not path.is_symlink()
    return plain and path.stat().st_size == known["bytes"] and file_hash(path) == known["sha256"]


def foreign(folder: Path) -> list[str]:
    """The files of a folder that npo did not make, or not as they are now; empty folders are nobody's."""
    if (folder / MARK).is_file():
        return []
    known = _files_of(folder)
    odd = [name for name in names(folder) if name not in known or not _same(folder / name, known[name])]
    return [MANIFEST, *odd] if not known and (folder / MANIFEST).exists() and not is_piece(folder) else odd


def is_piece(folder: Path) -> bool:
    """Has it a manifest of ours, though that may list nothing?"""
    try:
        return {"key", "settings", "files"} <= manifest(folder).keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def check_replaceable(folder: Path) -> None:
    """UserError unless `folder` is absent, empty, or holds nothing but what npo made."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder} is in the way: npo did not make it. Move it, or choose another folder with --out.")
    if folder.is_dir() and (found := foreign(folder)):
        raise UserError(
            f"{folder} would be replaced, and npo did not make {few(found)} in it, or not as "
            "it is now. Move it, or choose another folder with --out; nothing was changed."
        )


def check_inputs(folder: Path, inputs: Iterable[Path]) -> None:
    """UserError where replacing `folder` would take away one of the files or folders that the work reads."""
    place = folder.resolve()
    for path in inputs:
        if path.exists() and path.resolve().is_relative_to(place) and folder.exists():
            raise UserError(
                f"{folder} would be replaced, and {path} in it is read. Choose another folder with --out; nothing was "
                "changed."
            )


def remove(folder: Path) -> None:
    """Take away the files that npo made, then the manifest, then empty folders; killed on the way, it can go on."""
    check_replaceable(folder)
    if not folder.exists():
        return
    for name in names(folder):
        (folder / name).unlink()
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / MARK).unlink(missing_ok=True)
    for place, _, _ in os.walk(folder, topdown=False):
        Path(place).rmdir()


def verify(path: Path) -> None:
    """UserError where files in `path` are not what the manifest there or above says; no manifest, no error."""
    for folder in (path, *path.parents[:_DEEP]):
        mine = {name: facts for name, facts in _files_of(folder).items() if (folder / name).is_relative_to(path)}
        if wrong := [name for name, facts in mine.items() if not _same(folder / name, facts)]:
            raise UserError(
                f"{folder / wrong[0]} is not what was written: it is damaged, or was changed. Delete the folder "
                f"{folder}, and the command that made it makes it again; if the change is yours, move "
                f"{folder / MANIFEST} away."
            )
        if mine:
            return
