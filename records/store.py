"""Files that are whole or absent, and pieces of work that are done once.

A piece of work is a folder. It is built beside its place and renamed into it, so a killed process leaves either all
of it or nothing; its manifest holds the hash of everything that the result depends on, so it is never stale.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError

__all__ = [
    "Data",
    "content_hash",
    "finish",
    "finished",
    "load",
    "save",
    "source_hash",
    "writable",
    "write_json",
]

MANIFEST = "manifest.json"


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


def source_hash(packages: Iterable[str]) -> str:
    """A hash of the source text of packages, so that a result is redone when the code that made it has changed."""
    digest = hashlib.sha256()
    for package in packages:
        folder = Path(__file__).resolve().parent.parent / package
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder.parent).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def writable(folder: Path) -> Path:
    """The folder, made if needed; UserError where it can't be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"Can't write to the folder {folder}: {error.strerror}. Choose another with --out.") from error
    return folder


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either the old one or the new one, whatever happens on the way."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text atomically: a temporary file beside it, then a rename."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False, encoding="utf8") as file:
        try:
            file.write(text)
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).chmod(0o644)
    os.replace(file.name, path)


def save(folder: Path, data: Data) -> None:
    """Save arrays as data.npz and values as data.json."""
    np.savez_compressed(folder / "data.npz", allow_pickle=False, **data.arrays)
    write_json(folder / "data.json", dict(data.values))


def load(folder: Path) -> Data:
    """What `save` saved; nothing is unpickled."""
    with np.load(folder / "data.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Data(arrays, json.loads((folder / "data.json").read_text(encoding="utf8")))


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished piece of work: key, settings, seconds, environment."""
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
    return found


def finished(folder: Path, key: str) -> bool:
    """Is this piece of work there, whole, and made from the inputs that `key` hashes?"""
    try:
        return bool(manifest(folder)["key"] == key)
    except (OSError, ValueError, KeyError):
        return False


def finish(folder: Path, key: str, settings: Mapping[str, Any], build: Callable[[Path], None]) -> None:
    """Build a piece of work into `folder`, replacing a stale one; until the last moment nothing is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left, ignore_errors=True)  # of a killed run
    started = time.time()
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        build(work)
        seconds = round(time.time() - started, 2)
        facts = {"key": key, "settings": dict(settings), "seconds": seconds, "environment": environment()}
        write_json(work / MANIFEST, facts)
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def environment() -> dict[str, str]:
    """Versions that a result may depend on."""
    names = ("npo-playground", "torch", "numpy", "scipy", "transformers", "tokenizers", "accelerate", "numba")
    found = {"python": sys.version.split()[0], "platform": sys.platform}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
