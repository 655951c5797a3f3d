"""`npo atlas --optimizer`: a loss under an optimiser, step by step, and the class that is left of its growth."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from records.errors import UserError
from records.plain import plain
from theory.atlas.optimisers.classes import Measured, classify_run
from theory.atlas.optimisers.loop import fast
from theory.atlas.optimisers.scalar import OPTIMISERS, force, simulate
from theory.atlas.table import AtlasRow
from theory.theorems.paper.margins import log_grid

__all__ = ["OptimisedLoss", "cell_facts", "cells_of", "cells_table", "chosen_optimisers", "steps_said"]

STEPS, PLAIN = 1_000_000, 10_000
"""Steps of a run; without the extra `fast` a loop of Python takes them."""
SURE = 0.5


@dataclass(frozen=True)
class OptimisedLoss:
    """A loss under an optimiser: class and law in steps t, and the margin after the last one.

    `found` is None, and `why` says it, where the loss does not push its answer down from the start.
    """

    loss: str
    optimiser: str
    found: Measured | None
    margin: float
    why: str = ""


def chosen_optimisers(words: Sequence[str]) -> list[str]:
    """The optimisers of these names, of a beginning all that begin so, of `all` all; UserError with the nearest.

    >>> chosen_optimisers(["gd", "sophia"])
    ['GD', 'Sophia (SOUL)']
    """
    found: dict[str, None] = {}
    for word in words:
        exact = [name for name in OPTIMISERS if name.lower() == word.lower()]
        family = [name for name in OPTIMISERS if word and name.lower().split(",")[0].startswith(word.lower())]
        of_its_own = [name for name in family if name.lower().split(",")[0] == word.lower()]
        mine = list(OPTIMISERS) if word.lower() == "all" else exact or of_its_own or family
        if not mine:
            near = difflib.get_close_matches(word.lower(), {name.lower(): name for name in OPTIMISERS}, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UserError(f"--optimizer {word}: there is none.{hint} There are {'; '.join(OPTIMISERS)}; or all.")
        found |= dict.fromkeys(mine)
    return list(found)


def cells_of(rows: Sequence[AtlasRow], optimisers: Sequence[str]) -> list[OptimisedLoss]:
    """Every loss under every optimiser."""
    return [cell for row in rows for cell in _of_one(row, optimisers)]


def _of_one(row: AtlasRow, optimisers: Sequence[str]) -> list[OptimisedLoss]:
    at = log_grid(_steps(), 120)
    try:
        table = force(row.loss)
    except ValueError as error:
        return [OptimisedLoss(row.name, name, None, math.nan, str(error)) for name in optimisers]
    runs = {name: simulate(table, OPTIMISERS[name], at) for name in optimisers}
    return [OptimisedLoss(row.name, name, classify_run(at, run), float(run[-1])) for name, run in runs.items()]


def _steps() -> int:
    return STEPS if fast() else PLAIN


def steps_said() -> str:
    """What the table rests on."""
    slow = "" if fast() else "; with the extra `fast` there are more"
    return (
        f"Margins over {_steps():.0e} steps of one coordinate (x = 1, c = 2), class over the last decade of them; "
        f"an optimiser's options are in its name{slow}."
    )


def cells_table(cells: Sequence[OptimisedLoss]) -> Table:
    """A line for each loss and optimiser."""
    table = Table("loss", "optimiser", "class", "law in steps t", "margin at the end", title_justify="left")
    table.title = "Does its growth survive the optimiser?"
    for cell in cells:
        if cell.found is None:
            words = ("–", cell.why, "")
        else:
            sure = "" if cell.found.sure >= SURE else " (not sure)"
            law = str(cell.found.growth).replace("τ", "t")
            words = (f"{cell.found.growth.kind}{sure}", law, f"{cell.margin:.4g}")
        table.add_row(*(Text(plain(word)) for word in (cell.loss, cell.optimiser, *words)))
    return table


def cell_facts(cell: OptimisedLoss) -> dict[str, Any]:
    """A cell as JSON."""
    found = cell.found
    known = {"law": str(found.growth), **vars(found.growth), "sure": found.sure} if found else {"why": cell.why}
    margin = cell.margin if math.isfinite(cell.margin) else None
    return {"loss": cell.loss, "optimiser": cell.optimiser, "margin": margin, **known}
