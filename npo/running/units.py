"""What every command that runs units shares: the missing ones are run under a live display."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID

from npo.running.display import COLUMNS
from npo.running.workers import STARTING, asked, prepare, usual
from records.doing import Hears, heard_by
from records.plain import plain
from records.side_by_side import run_side_by_side, spared
from records.store import ALONE, Crew
from records.work import Progress, Unit, missing, run_missing

__all__ = ["run_units"]

SELDOM = 30.0
"""Seconds between lines about steps where there is no terminal."""


def run_units(units: Sequence[Unit], folder: Path, title: str, crew: Crew = ALONE, *, quiet: bool = False) -> None:
    """Run the missing units under one live display, side by side where that spares time.

    `quiet` is for the processes of a crew that do not speak.
    """
    wanted, threads = asked(), torch.get_num_threads()
    count = wanted or usual()
    gain = spared(missing(units, folder), count)
    try:
        with _shown(units, title, threads, quiet=quiet) as started:
            if gain > (0 if wanted else STARTING):
                run_side_by_side(
                    units, folder, started, workers=count, prepare=partial(prepare, warnings.formatwarning)
                )
            else:
                run_missing(units, folder, started, crew)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _shown(
    units: Sequence[Unit], title: str, threads: int, *, quiet: bool
) -> Iterator[Callable[[Unit, bool], Progress]]:
    """The live display, the whole above and a line for each unit at work below; what is to be told of each unit.

    A unit in this process has one thread, all where it is alone: what is too small for a second one merely waits with
    it, on a busy machine a hundred times longer than the work takes.
    """
    console = Console(stderr=True, quiet=quiet)
    begun, ended, at_work = list[str](), set[str](), dict[TaskID, str]()
    with Bars(*COLUMNS, console=console, disable=quiet) as bars, heard_by(_shows(bars, console, at_work)):
        whole = bars.add_task(plain(title), total=len(units))

        def started(unit: Unit, cached: bool) -> Progress:
            torch.set_num_threads(threads if unit.alone else 1)
            begun.append(unit.name)
            if not console.is_terminal:
                line = f"{len(begun)}/{len(units)} {unit.name}: {'kept' if cached else 'running'}"
                console.print(plain(line), highlight=False, markup=False)
            mine = bars.add_task(plain(f"  {unit.name}"), total=None, visible=not cached)
            at_work.clear()  # what this process says from now on is of this unit
            at_work[mine] = unit.name

            def progress(at: int, total: int) -> None:
                bars.update(mine, completed=at, total=total, visible=at < total)
                if at >= total:
                    ended.add(unit.name)
                    bars.update(whole, completed=len(ended))

            return progress

        yield started


def _shows(bars: Bars, console: Console, at_work: Mapping[TaskID, str]) -> Hears:
    """What a unit in this process is doing: behind its name, or where there is no terminal a line now and then."""
    last = 0.0

    def hears(words: str, often: bool) -> None:
        nonlocal last
        for task, name in at_work.items():
            bars.update(task, description=plain(f"  {name}: {words}"))
            if not console.is_terminal and (not often or time.monotonic() - last > SELDOM):
                console.print(plain(f"  {name}: {words}"), highlight=False, markup=False)
                last = time.monotonic()

    return hears
