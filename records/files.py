"""Files that are whole or absent: written under another name beside their place, then renamed.

A draft carries the machine and the process that write it in its name. So one that a killed process left behind is known
for what it is, and taken away the next time a file of that name is written.
"""

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["alive", "draft_of", "tag", "write_json", "write_text"]


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
    except PermissionError:
        return True
    return True


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file under; it is renamed to `path` at the end, and gone after a failure.

    Drafts of the same file by processes that were killed are taken away. The file has the rights that the user's umask
    gives.
    """
    _clear(path)
    draft = path.with_name(f".{path.name}.{tag()}.draft")
    try:
        yield draft
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _clear(path: Path) -> None:
    ours = re.compile(rf"\.{re.escape(path.name)}\.(.+\.\d+)\.draft")
    for other in os.listdir(path.parent):
        if (found := ours.fullmatch(other)) and not alive(found[1]):
            (path.parent / other).unlink(missing_ok=True)


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
