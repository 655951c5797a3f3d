"""Files that are whole or absent, and pieces of work that are done once.

A piece of work is a folder. It is built beside its place and renamed into it, so a killed process leaves either all
of it or nothing there (and a checkpoint beside it, where the work makes one). Its manifest holds the hash of the
settings, sources and inputs that made it, so a change of these makes it anew; versions of libraries are recorded there,
and a change of those does not.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from records.arrays import read_arrays
from records.errors import UserError
from records.files import opened, write_json
from records.json_lines import parse_json
from records.ownership import (
    MANIFEST,
    MARK,
    check_inputs,
    check_replaceable,
    foreign,
    is_piece,
    listed,
    manifest,
    names,
    remove,
    verify,
)

__all__ = [
    "ALONE",
    "CHECKPOINT",
    "Crew",
    "Data",
    "content_hash",
    "finish",
    "finished",
    "load",
    "locked",
    "save",
    "writable",
]

LOCKS, CHECKPOINT = ".locks", "checkpoint"


@dataclass(frozen=True)
class Data:
    """What a piece of work leaves: arrays and JSON values, by name."""

    arrays: Mapping[str, np.ndarray]
    values: Mapping[str, Any]


def content_hash(value: Any) -> str:
    """A hash of any JSON-able value, the same for any order of keys.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def writable(folder: Path) -> Path:
    """The folder, made if needed; UserError where it can't be written to, or is a piece of work or inside one."""
    for above in (folder, *folder.parents):
        if is_piece(above):
            raise UserError(f"{folder}: {above} is a finished piece of work, and stays as it is. Choose another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"Can't write to the folder {folder}: {error.strerror}. Choose another with --out.") from error
    return folder


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the piece of work `name` in a folder for this process alone; UserError where another holds it.

    The lock is the operating system's, which lets go of it when the process ends, however it ends: the file below
    `.locks` that stays behind means nothing. Where there are no such locks (Windows, some network drives) none is
    taken.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    place = folder / LOCKS / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place, "a", encoding="utf8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another run is working on {name} in {folder}. Wait until it has ended, or choose another folder "
                "with --out."
            ) from None
        except OSError:
            pass  # this file system has no locks
        yield


def save(folder: Path, data: Data) -> None:
    """Save arrays as data.npz and values as data.json, each file whole or not at all."""
    with opened(folder / "data.npz", "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **data.arrays)
    write_json(folder / "data.json", dict(data.values))


def load(folder: Path) -> Data:
    """What `save` saved; nothing is unpickled. UserError where it is absent, damaged, or not what was written."""
    path = folder / "data.json"
    remedy = f"If nothing else is in {folder}, delete it and run again what made it."
    try:
        arrays = read_arrays(folder / "data.npz")
        values = parse_json(path.read_text(encoding="utf8"))
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
    except UserError as error:
        raise UserError(f"{error} {remedy}") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}. {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}. {remedy}") from None
    for name in ("data.npz", "data.json"):
        verify(folder / name)
    return Data(arrays, values)


def finished(folder: Path, key: str) -> bool:
    """Is this piece of work there, with all its files, and made from the inputs that `key` hashes?

    Files are compared by their names and sizes; whoever reads them compares the hashes too (`records.ownership`).
    """
    try:
        found = manifest(folder)
        sizes = {name: facts["bytes"] for name, facts in found["files"].items()}
        return bool(found["key"] == key and sizes == {name: (folder / name).stat().st_size for name in names(folder)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


class Crew(Protocol):
    """The processes that do a piece of work together; most often there is one."""

    @property
    def first(self) -> bool:
        """Is this the one that writes?"""

    def agreed(self, decide: Callable[[], bool]) -> bool:
        """What the first decides, told to all."""

    def wait(self) -> None:
        """Until all have come here."""


class Alone:
    """A crew of one."""

    first = True

    def agreed(self, decide: Callable[[], bool]) -> bool:
        """Its own decision."""
        return decide()

    def wait(self) -> None:
        """For nobody."""


ALONE: Crew = Alone()


def finish(
    folder: Path,
    key: str,
    settings: Mapping[str, Any],
    build: Callable[[Path], None],
    crew: Crew = ALONE,
    reads: Iterable[Path] = (),
) -> None:
    """Build a piece of work into `folder`, replacing a stale one; until the last moment nothing is there.

    It is built in a hidden folder beside it that is named after the key. What `build` puts into its `checkpoint/`
    there outlives a failure or a kill, and the next try with the same key finds it; all else is thrown away.
    UserError where something in the way is not npo's own or is one of the inputs (`reads`), where the disk is full or
    the folder can't be written to.
    """
    work = folder.parent / f".{folder.name}.{key}"
    check_replaceable(folder)
    check_inputs(folder, reads)
    try:
        try:
            if crew.first:
                _clear_left(folder, work)
            crew.wait()
            if not crew.agreed(partial(finished, work, key)):  # else a kill came between the last two steps
                _build(work, key, settings, build, crew)
            if crew.first:
                remove(folder)
                os.replace(work, folder)
            crew.wait()
        except BaseException:
            if crew.first and (work / MARK).is_file():
                _empty(work, checkpoint_too=False)
            raise
    except OSError as error:
        raise UserError(
            f"Can't write {folder}: {error.strerror or error}. Make room or choose another folder with --out; "
            "finished pieces are kept, the same command goes on from there."
        ) from error


def _clear_left(folder: Path, work: Path) -> None:
    """Take away what killed runs left of this piece of work: all but the checkpoints of the same key."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    form = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-z]+")
    for name in os.listdir(folder.parent):
        left = folder.parent / name
        if not form.fullmatch(name):
            continue
        if (left / MARK).is_file():
            _empty(left, checkpoint_too=left != work)
        elif left != work and (left / MANIFEST).is_file() and not foreign(left):
            remove(left)  # whole, but its place was never taken
    check_replaceable(work)
    work.mkdir(exist_ok=True)


def _empty(work: Path, *, checkpoint_too: bool) -> None:
    """Empty a folder of unfinished work, and take it away where no checkpoint stays in it; its mark goes last."""
    for path in work.iterdir():
        if path.name != MARK and (checkpoint_too or path.name not in (CHECKPOINT, f"{CHECKPOINT}.old")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if {path.name for path in work.iterdir()} <= {MARK}:
        (work / MARK).unlink(missing_ok=True)
        work.rmdir()


def _build(work: Path, key: str, settings: Mapping[str, Any], build: Callable[[Path], None], crew: Crew) -> None:
    started = time.time()
    if crew.first:
        (work / MARK).touch()
    build(work)
    crew.wait()
    if crew.first:
        for left in work.glob(f"{CHECKPOINT}*"):
            shutil.rmtree(left)
        facts = {"key": key, "settings": dict(settings), "seconds": round(time.time() - started, 2)}
        write_json(work / MANIFEST, {**facts, "environment": environment(), "files": listed(work)})
        (work / MARK).unlink()


def environment() -> dict[str, str]:
    """Versions that a result may depend on."""
    names = ("npo-playground", "torch", "numpy", "scipy", "transformers", "tokenizers", "accelerate", "peft", "numba")
    found = {"python": sys.version.split()[0], "platform": sys.platform}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
