"""A unit of work, and running those that are missing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from records.errors import UserError
from records.ownership import check_inputs, check_replaceable
from records.sources import source_hash
from records.store import ALONE, Crew, content_hash, finish, finished, locked, writable

__all__ = ["Progress", "Unit", "Work", "check", "do", "keys", "missing", "run_missing", "silent"]

Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""


class Work(Protocol):
    """The work of a unit: write files into `folder`, read the needed units' folders from `inputs`."""

    def __call__(self, folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None: ...


def silent(done: int, total: int) -> None:
    """A progress display that shows nothing."""


@dataclass(frozen=True)
class Unit:
    """One piece of work of a run; its folder is `<run folder>/<name>`.

    `run` writes its files into that folder and reads the folders of the units it `needs`. `settings` and the source
    behind `run` (`records.sources`) are all that the result depends on beside these. `reads` are the user's own files
    and folders that go in: no folder that holds one of them is ever replaced.

    A unit runs on one thread, beside others; one that is `alone` has all threads and the machine, or the other
    processes of its crew. `seconds` is roughly how long it takes on one core, and decides nothing but the order.
    """

    name: str
    settings: Mapping[str, Any]
    run: Work
    needs: tuple[str, ...] = field(default=())
    reads: tuple[Path, ...] = field(default=())
    alone: bool = False
    seconds: float = 1.0


def keys(units: Sequence[Unit]) -> dict[str, str]:
    """The content hash of each unit, that of its needs included; needs come before those who need them.

    ValueError where two units share a name, and so a folder.
    """
    found: dict[str, str] = {}
    for unit in units:
        if unit.name in found:
            raise ValueError(f"Two units are named {unit.name}.")
        upstream = [found[name] for name in unit.needs]
        found[unit.name] = content_hash([unit.name, dict(unit.settings), source_hash(unit.run), upstream])
    return found


def run_missing(
    units: Sequence[Unit],
    out: Path,
    started: Callable[[Unit, bool], Progress] = lambda unit, cached: silent,
    crew: Crew = ALONE,
) -> None:
    """Run the units that are missing or stale, in order; `started(unit, cached)` is told of each.

    Every process of a crew calls it. UserError where another run is at work on one of them in `out`, and, before
    anything runs, where a folder in the way is not npo's own or holds an input.
    """
    writable(out)
    by_name = keys(units)
    check(units, by_name, out)
    for unit, key in zip(units, by_name.values(), strict=True):
        cached = crew.agreed(partial(finished, out / unit.name, key))
        progress = started(unit, cached)
        if not cached:
            do(unit, key, out, progress, crew)
        progress(1, 1)


def missing(units: Sequence[Unit], out: Path) -> list[Unit]:
    """Those that are not there as they would be made."""
    by_name = keys(units)
    return [unit for unit in units if not finished(out / unit.name, by_name[unit.name])]


def do(unit: Unit, key: str, out: Path, progress: Progress, crew: Crew = ALONE) -> None:
    """Do a unit under its lock, unless another run has just finished it."""
    with locked(out, unit.name) if crew.first else nullcontext():
        if not crew.agreed(partial(finished, out / unit.name, key)):
            inputs = {name: out / name for name in unit.needs}
            build = partial(unit.run, inputs=inputs, progress=progress)
            finish(out / unit.name, key, unit.settings, build, crew, unit.reads)


def check(units: Sequence[Unit], by_name: Mapping[str, str], out: Path) -> None:
    """UserError with every folder that would have to be replaced and must not be."""
    reads = [path for unit in units for path in unit.reads]
    wrong = []
    for unit in units:
        if not finished(out / unit.name, by_name[unit.name]):
            try:
                check_replaceable(out / unit.name)
                check_inputs(out / unit.name, reads)
            except UserError as error:
                wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))
