"""What is wrong on purpose: a command in a prepared folder, run in this process, and the verdict on how it ended.

A case is a row: a name, the words after `npo`, the files that lie in the folder, and what its message must name. It
fails where the command ends by anything but a clear refusal: another exit code, an exception, a second message, a
warning of a library, a file of the user's changed or gone, a file left, a command that does not end.
"""

import contextlib
import hashlib
import io
import logging
import os
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

__all__ = ["Case", "Content", "changed", "check", "copied", "fifo", "params"]

SECONDS = 900.0
"""After so many a command hangs: hundreds of times what any of these takes, whatever else the machine does."""

MEMORY = 6 * 2**30
"""Bytes of address space that a case may take beyond what the tests have: no case may fill a machine."""

Content = str | bytes | None | Callable[[Path, Path], None]
"""Of a file: text, bytes, None for a folder, or what makes it, given its place and the folder of prepared things."""


@dataclass(frozen=True)
class Case:
    """One row. `says` are parts of the message; `code` 0 with `says` is a warning, without it a silent success.

    `leaves` are the folders in which a refused command may leave what was finished before. What is much like another
    row is of a later tier: `integration`, or `slow`.
    """

    name: str
    words: str | Sequence[str]
    says: str | Sequence[str] = ()
    files: Mapping[str, Content] = field(default_factory=dict)
    code: int = 2
    leaves: Sequence[str] = ()
    slow: bool = False
    integration: bool = False

    @property
    def argv(self) -> list[str]:
        """The words after `npo`."""
        return shlex.split(self.words) if isinstance(self.words, str) else list(self.words)

    @property
    def parts(self) -> tuple[str, ...]:
        """What the message must hold."""
        return (self.says,) if isinstance(self.says, str) else tuple(self.says)


@dataclass(frozen=True)
class End:
    """How a command ended."""

    code: int
    out: str
    err: str
    raised: str
    stray: Sequence[str]


def params(cases: Sequence[Case]) -> list[Any]:
    """The cases for `pytest.mark.parametrize`, those of a later tier marked; their names must differ."""
    assert len({case.name for case in cases}) == len(cases)
    tiers = (pytest.mark.slow, pytest.mark.integration)
    return [
        pytest.param(c, id=c.name, marks=[m for m, is_it in zip(tiers, (c.slow, c.integration), strict=True) if is_it])
        for c in cases
    ]


def check(case: Case, folder: Path, prepared: Path) -> None:
    """Put the files into `folder`, run the command there, and fail with all that is wrong with how it ended."""
    for name, content in case.files.items():
        _put(folder / name, content, prepared)
    before = _tree(folder)
    end = _run(case.argv, folder)
    wrong = [*_verdict(case, end), *_touched(case, before, _tree(folder))]
    said = f"npo {shlex.join(case.argv)[:300]}\n  " + "\n  ".join(wrong)
    assert not wrong, f"{said}\n{end.raised}\nstandard error: {end.err[-1500:]}"


# --- files ----------------------------------------------------------------------------------------------------------


def copied(name: str, **changes: Content) -> Callable[[Path, Path], None]:
    """A copy of a prepared file or folder; `changes` by key with `__` for a dot replace files in it, None removes."""
    return changed(name, {key.replace("__", "."): content for key, content in changes.items()})


def changed(name: str, changes: Mapping[str, Content]) -> Callable[[Path, Path], None]:
    """A copy of a prepared file or folder in which the files at some paths are replaced, or removed (None)."""

    def make(place: Path, prepared: Path) -> None:
        source = prepared / name
        if source.is_file():
            shutil.copyfile(source, place)
            return
        shutil.copytree(source, place)
        for path, content in changes.items():
            there = place / path
            if there.exists():
                shutil.rmtree(there) if there.is_dir() else there.unlink()
            if content is not None:
                _put(place / path, content, prepared)

    return make


def fifo(place: Path, prepared: Path) -> None:
    """A pipe that nobody writes to: reading it waits for ever."""
    del prepared
    os.mkfifo(place)


def _put(place: Path, content: Content, prepared: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        place.mkdir(exist_ok=True)
    elif isinstance(content, str):
        place.write_text(content, encoding="utf8")
    elif isinstance(content, bytes):
        place.write_bytes(content)
    else:
        content(place, prepared)


def _tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(folder).as_posix()] = (mode, content)
    return found


def _touched(case: Case, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What the command did to files: nothing of the user's may change, and a refused one leaves at most folders."""
    wrong = [f"deleted {path}" for path in before if path not in after]
    wrong += [f"changed {path}" for path, was in before.items() if after.get(path, was) != was]
    for path, (_, content) in after.items():
        ours = ".locks" in path.split("/") or any(path == p or path.startswith(f"{p}/") for p in case.leaves)
        if path not in before and content and not ours and case.code:
            wrong.append(f"left {path}")
    return wrong[:5]


# --- running and judging --------------------------------------------------------------------------------------------


class Hang(BaseException):
    """The time is over."""


def _verdict(case: Case, end: End) -> list[str]:
    wrong = [] if end.code == case.code else [f"exit code {end.code}, not {case.code}"]
    if end.raised:
        wrong.append(f"raised {end.raised.strip().splitlines()[-1][:300]}")
    if "Traceback" in end.out + end.err:
        wrong.append("a traceback")
    flat = " ".join(end.err.replace("│", " ").split())
    wrong += [f"does not say {part!r}" for part in case.parts if " ".join(part.split()) not in flat]
    messages = [line for line in end.err.splitlines() if line.startswith(("npo: ", "╭─ Error"))]
    if not (len(messages) == 1 or (len(messages) == 0 and case.code == 0)) and not end.raised:
        wrong.append(f"{len(messages)} messages")
    return wrong + [f"stray: {words[:300]}" for words in end.stray]


def _run(argv: Sequence[str], folder: Path) -> End:
    """`npo` with these words in `folder`, in this process; it is answered y to whatever it asks."""
    from npo.cli import main

    out, err, code, raised = io.StringIO(), io.StringIO(), 0, ""
    told = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with _there(folder, argv), _limits(), _stray() as stray, told[0], told[1]:
        try:
            main()
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        except Hang:
            signal.setitimer(signal.ITIMER_REAL, 0)
            code, raised = -1, f"{''.join(traceback.format_exc()[-1500:])}\nhangs"
        except BaseException:
            code, raised = 1, traceback.format_exc()[-3000:]
    return End(code, out.getvalue(), err.getvalue(), raised, stray)


@contextlib.contextmanager
def _there(folder: Path, argv: Sequence[str]) -> Iterator[None]:
    """The folder, the words, what is typed, and an environment in which nothing of this machine is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["npo", *argv])
        patch.setattr(sys, "stdin", io.StringIO("y\n" * 20))
        patch.setenv("COLUMNS", "400")
        patch.setenv("HOME", str(folder))
        patch.setenv("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "npo-matplotlib"))  # its list of fonts
        patch.setenv("NPO_MODELS", str(folder / "npo-models"))
        patch.delenv("NPO_DATA", raising=False)
        yield


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """An end to time and memory."""

    def over(number: int, frame: FrameType | None) -> None:
        raise Hang

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, over)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)  # again and again: a library may swallow one
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def _stray() -> Iterator[list[str]]:
    """What a user would see beside our own message: warnings of Python, and what libraries log."""
    found: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(f"{record.name}: {record.getMessage()}")

    loggers = [logging.getLogger(name) for name in (None, "transformers", "huggingface_hub", "accelerate")]
    ear = Listening(logging.WARNING)
    for logger in loggers:
        logger.addHandler(ear)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", unseen)
            yield found
    finally:
        found += [f"{w.category.__name__}: {w.message}" for w in warned]
        for logger in loggers:
            logger.removeHandler(ear)
