"""Units of work side by side: each in one of a few processes, as soon as what it needs is there.

What a unit leaves does not depend on where it ran, nor on what ran beside it. A process that is told to end leaves its
unit as a failure would, its checkpoint kept; one whose parent is gone ends at once.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.store import finished, writable
from records.work import Progress, Unit, check, do, keys

__all__ = ["run_side_by_side", "spared"]

Started = Callable[[Unit, bool], Progress]
LOOK = 0.1  # seconds between looks at what the others say


def spared(units: Sequence[Unit], workers: int) -> float:
    """The seconds that so many processes would spare, by the rough seconds of each unit that may run beside others."""
    free = [unit for unit in units if not unit.alone]
    total = sum(unit.seconds for unit in free)
    return total - max(total / workers, *_until_end(free).values(), 0.0)


def _until_end(units: Sequence[Unit]) -> dict[str, float]:
    """Rough seconds from the start of each unit to the end of the longest chain that waits for it."""
    found: dict[str, float] = {}
    for unit in reversed(units):
        after = (found[later.name] for later in units if later.name in found and unit.name in later.needs)
        found[unit.name] = unit.seconds + max(after, default=0.0)
    return found


@dataclass
class _Board:
    """What is done, and what waits: the longest chain of units first."""

    out: Path
    keys: Mapping[str, str]
    started: Started
    waiting: list[Unit]
    done: set[str] = field(default_factory=set)

    def ready(self, *, alone: bool) -> list[Unit]:
        """Waiting units whose needs are there."""
        return [unit for unit in self.waiting if unit.alone == alone and self.done.issuperset(unit.needs)]

    def start(self, unit: Unit) -> Progress:
        """Take a unit from those that wait."""
        self.waiting.remove(unit)
        return self.started(unit, False)


def run_side_by_side(
    units: Sequence[Unit], out: Path, started: Started, *, workers: int, prepare: Callable[[], None]
) -> None:
    """Run the missing units by so many processes, those that must be alone in this one; `prepare` readies each process.

    `started(unit, cached)` is told of each, here. Where a unit fails those at work are waited for, and no other starts.
    """
    writable(out)
    by_name = keys(units)
    check(units, by_name, out)
    longest = _until_end(units)
    board = _Board(out, by_name, started, sorted(units, key=lambda unit: -longest[unit.name]))
    for unit in units:
        if finished(out / unit.name, by_name[unit.name]):
            board.waiting.remove(unit)
            board.done.add(unit.name)
            started(unit, True)(1, 1)
    while board.waiting:
        if board.ready(alone=False):
            with _workers(workers, prepare) as (pool, messages):
                _spread(board, pool, messages, workers)
        else:
            unit = board.ready(alone=True)[0]
            progress = board.start(unit)
            do(unit, by_name[unit.name], out, progress)
            board.done.add(unit.name)
            progress(1, 1)


def _spread(board: _Board, pool: ProcessPoolExecutor, messages: Any, workers: int) -> None:
    """Hand out ready units until none is left, or one has failed."""
    running: dict[Future[None], Unit] = {}
    shown: dict[str, Progress] = {}
    failed: BaseException | None = None
    while True:
        for unit in board.ready(alone=False)[: 0 if failed else workers - len(running)]:
            shown[unit.name] = board.start(unit)
            running[pool.submit(_work, unit, board.keys[unit.name], board.out)] = unit
        if not running:
            break
        ended, _ = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED)
        while not messages.empty():
            name, at, total = messages.get()
            shown[name](at, total)
        for future in ended:
            if isinstance(error := future.exception(), BrokenProcessPool):
                raise _killed(running.values()) from error
            unit = running.pop(future)
            failed = failed or error
            if error is None:
                board.done.add(unit.name)
                shown[unit.name](1, 1)
    if failed:
        raise failed


def _killed(units: Any) -> UserError:
    return UserError(
        f"A process that worked on one of {', '.join(unit.name for unit in units)} was killed, most often because "
        "memory ran out. Finished pieces are kept: give the same command again, with NPO_WORKERS=1 before it for one "
        "at a time."
    )


@contextmanager
def _workers(count: int, prepare: Callable[[], None]) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """Processes that are started as they are needed, and the queue that they tell their progress by."""
    context = get_context("spawn")  # a process that was forked beside threads may hang
    messages = context.SimpleQueue()
    pool = ProcessPoolExecutor(count, context, _settle_in, (messages, prepare))
    try:
        yield pool, messages
    except BaseException:
        for process in active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# --- in the processes -------------------------------------------------------------------------------------------

_messages: "SimpleQueue[tuple[str, int, int]]"
_at_work = False


def _settle_in(messages: "SimpleQueue[tuple[str, int, int]]", prepare: Callable[[], None]) -> None:
    """Ctrl-C is the parent's to hear: it tells this process to end."""
    global _messages
    _messages = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare()


def _end(*_: object) -> None:
    global _at_work
    if not _at_work:
        os._exit(1)
    _at_work = False
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(unit: Unit, key: str, out: Path) -> None:
    """Do a unit, and tell of its progress now and then."""
    global _at_work
    told = 0.0

    def progress(at: int, total: int) -> None:
        nonlocal told
        if time.monotonic() > told + LOOK:
            told = time.monotonic()
            _messages.put((unit.name, at, total))

    _at_work = True
    try:
        do(unit, key, out, progress)
    except KeyboardInterrupt:
        os._exit(1)
    finally:
        _at_work = False
