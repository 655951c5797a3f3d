"""What every command that runs units shares: the live display, the figures, and the ledger."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from figures.canvas import save as save_figure
from npo.ledger import Entry, Results
from npo.report.gallery import GALLERY, Plate
from npo.running.display import COLUMNS
from records.plain import plain
from records.store import ALONE, Crew, writable
from records.work import Progress, Unit, run_missing

__all__ = ["PAGES", "draw_plates", "ledger", "ledger_markdown", "run_units"]

PAGES = (
    "claims.json",
    "claims.md",
    "report.html",
    *(f"figures/{plate.name}.{kind}" for plate in GALLERY for kind in ("svg", "png")),
)
"""What the main job may write beside the units of work."""


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


def draw_plates(results: Results, folder: Path) -> list[Plate]:
    """Draw every figure whose data is there into figures/."""
    place = writable(folder / "figures")
    drawn = []
    for plate in GALLERY:
        wanted = plate.units + plate.optional
        mine = {name: data for name, data in results.items() if any(fnmatch(name, p) for p in wanted)}
        if all(any(fnmatch(name, p) for name in mine) for p in plate.units):
            save_figure(plate.draw(mine), place, plate.name)
            drawn.append(plate)
    return drawn


def ledger(entries: Sequence[Entry]) -> Table:
    """The claims with verdict, effect and interval; what the effect is a number of stands in report and claims.json."""
    table = Table("claim", "verdict", "effect", "95 % interval", title="The ledger", title_justify="left")
    colours = {"holds": "green", "fails": "red"}
    for e in entries:
        verdict, interval = str(e["verdict"]), e["interval"]
        table.add_row(
            Text(f"{e['statement']}"),
            Text(verdict, style=colours.get(verdict, "yellow")),
            _number(e["effect"]),
            " … ".join(map(_number, interval)) if isinstance(interval, list) else "",
        )
    return table


def ledger_markdown(entries: Sequence[Entry]) -> str:
    """The ledger as a Markdown table."""
    lines = ["| claim | verdict | effect | what the effect is |", "|---|---|---|---|"]
    for e in entries:
        interval = e["interval"]
        spread = f" ({' … '.join(map(_number, interval))})" if isinstance(interval, list) else ""
        reason = f"; {e['reason']}" if e["reason"] else ""
        cells = (e["statement"], f"**{e['verdict']}**", _number(e["effect"]) + spread, f"{e['measure']}{reason}")
        lines.append("| " + " | ".join(plain(str(cell)).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _number(x: object) -> str:
    return f"{x:.4g}" if isinstance(x, float) else ""
