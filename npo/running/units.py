"""What every command that runs units shares: the missing ones are run under a live display."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as Bars

from npo.running.display import COLUMNS
from records.plain import plain
from records.store import ALONE, Crew
from records.work import Progress, Unit, run_missing

__all__ = ["run_units"]


def run_units(
    units: Sequence[Unit],
    folder: Path,
    title: str,
    threads_of: Callable[[Unit], int] | None,
    crew: Crew = ALONE,
    *,
    quiet: bool = False,
) -> None:
    """Run the missing units under one live display: the whole above, the unit at work below.

    `threads_of` says how many threads a unit is worth. What is too small for a second one merely waits with it: on a
    busy machine a hundred times longer than the work takes. `quiet` is for the processes of a crew that do not speak.
    """
    console = Console(stderr=True, quiet=quiet)
    with Bars(*COLUMNS, console=console, disable=quiet) as bars:
        whole = bars.add_task(plain(title), total=len(units))
        current = bars.add_task("", total=None, visible=False)
        done = 0

        def started(unit: Unit, cached: bool) -> Progress:
            nonlocal done
            if threads_of is not None:
                torch.set_num_threads(threads_of(unit))
            bars.update(whole, completed=done, description=plain(f"{title}: {unit.name}"))
            done += 1
            bars.reset(current, total=None, visible=not cached, description=plain(f"  {unit.name}"))
            if not console.is_terminal:
                line = f"{done}/{len(units)} {unit.name}: {'kept' if cached else 'running'}"
                console.print(plain(line), highlight=False, markup=False)

            def progress(at: int, total: int) -> None:
                bars.update(current, completed=at, total=total)

            return progress

        run_missing(units, folder, started, crew)
        bars.update(whole, completed=len(units), description=plain(title))
        bars.update(current, visible=False)
