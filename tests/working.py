"""Work for units of tests, which other processes import: nothing heavy here."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from records.errors import UserError
from records.store import CHECKPOINT, Data, load, save
from records.work import Progress


def add(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    number: float,
    lasts: float = 0.0,
    meets: Path | None = None,
) -> None:
    """Save a number plus those of the needs, and which process it was when; it may wait for another to come too."""
    started = time.time()
    total = number + sum(float(load(path).arrays["sum"]) for path in inputs.values())
    time.sleep(lasts)
    if meets is not None:
        (meets / str(os.getpid())).touch()
        while len(list(meets.iterdir())) < 2:
            time.sleep(0.01)
    progress(1, 2)
    save(folder, Data({"sum": np.array(total)}, {"times": [started, time.time()], "process": os.getpid()}))


def fail(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
    """As a user's mistake does."""
    raise UserError("lr: choose another.")


def killed(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
    """As where memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, said: Path) -> None:
    """Leave a checkpoint and a rest, say which process it is, and wait for ever."""
    (folder / CHECKPOINT).mkdir()
    (folder / CHECKPOINT / "weights").touch()
    (folder / "rest").touch()
    said.write_text(str(os.getpid()))
    time.sleep(1000)


def nothing() -> None:
    """A process that needs no readying."""
