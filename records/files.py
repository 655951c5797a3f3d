"""Files that are whole or absent: written under another name beside their place, then renamed.

A draft, which is a file or a folder of them, carries the machine and the process that write it in its name. So one that
a killed process left behind is known for what it is, and taken away the next time something is written there. A piece
of work that was begun is no draft: its checkpoint is wanted (`records.store`).
"""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from records.ownership import MARK

__all__ = ["alive", "clear_drafts", "draft_beside", "draft_of", "opened", "tag", "write_json", "write_text"]

_DRAFT = re.compile(r"\..+\.([^.]+\.\d+)\.npo-draft")


def tag() -> str:
    """This process's part of a draft's name: its machine and its number."""
    machine = re.sub(r"[^A-Za-z0-9]", "-", socket.gethostname()) or "here"
    return f"{machine}.{os.getpid()}"


def alive(found: str) -> bool:
    """May the process of that tag still be at work? On another machine nobody here can know, so it may."""
    machine, _, number = found.rpartition(".")
    if machine != tag().rpartition(".")[0]:
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file under; it is renamed to `path` at the end, and gone after a failure.

    Drafts in that folder by processes that were killed are taken away. The file has the rights that the user's umask
    gives.
    """
    clear_drafts(path.parent)
    draft = draft_beside(path)
    try:
        yield draft
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def draft_beside(path: Path) -> Path:
    """The name under which this process makes what becomes `path`, or goes from there to its places."""
    return path.with_name(f".{path.name}.{tag()}.npo-draft")


def clear_drafts(folder: Path) -> None:
    """Take away what killed processes left half made: files, and folders with our mark."""
    for name in os.listdir(folder):
        if (found := _DRAFT.fullmatch(name)) and not alive(found[1]):
            left = folder / name
            if (left / MARK).is_file():
                shutil.rmtree(left, ignore_errors=True)
            elif not left.is_dir():
                left.unlink(missing_ok=True)


@contextmanager
def opened(path: Path, mode: str, encoding: str | None = None) -> Iterator[IO[Any]]:
    """A file to write that becomes `path` once it is closed."""
    with draft_of(path) as draft, open(draft, mode, encoding=encoding) as file:
        yield file


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either the old one or the new one, whatever happens on the way."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text so that the file is either the old one or the new one."""
    with opened(path, "w", "utf8") as file:
        file.write(text)
