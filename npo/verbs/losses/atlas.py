"""`npo atlas`: how fast losses run away, predicted and measured, as a table and a picture; one's own among them."""

import difflib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from figures import atlas as picture
from figures.canvas import save as save_figure
from npo.running.hyperparameters import Typed, typed
from npo.running.methods import hyperparameters_of, objective_of
from npo.verbs.losses.atlas_optimisers import (
    OptimisedLoss,
    cell_facts,
    cells_of,
    cells_table,
    chosen_optimisers,
    steps_said,
)
from records.errors import UserError, together
from records.files import write_json, write_text
from records.outputs import check_outputs, publish
from records.paths import may_write, user_path
from records.plain import plain
from records.store import Data, writable
from theory.atlas.coupled import CoupledPair
from theory.atlas.demonstration import TAU
from theory.atlas.family import FAMILY, Member, member
from theory.atlas.growth import Growth
from theory.atlas.scalar import ScalarLoss
from theory.atlas.table import CONFIDENCE, SATURATED, AtlasRow, atlas_arrays, atlas_row, of_member, pair_said
from theory.kernel import Kernel
from theory.methods import FORGET

__all__ = ["atlas_table", "facts", "markdown", "own_row", "print_atlas", "rows_of"]

FILES = ("atlas.md", "atlas.json", "atlas.png", "atlas.svg")
HEAD = ("loss", "class", "predicted law", "measured", "they differ by", "escape")
CLOSE = 1e-3
ABOUT = (
    "Margin m of one answer, π = σ(2 − m), in flow time τ. Measured to τ = 1e100; a difference is the largest "
    "relative one of a constant; escape is the τ in which an answer of π = 0.9975 gets to ½."
)


def print_atlas(
    names: Sequence[str],
    *,
    beta: float | None,
    settings: Sequence[str],
    optimisers: Sequence[str] = (),
    out: Path | None = None,
) -> None:
    """Print the rows of these losses, all without names, and write table and picture into `out`."""
    reads = [user_path(name.rpartition(":")[0], name) for name in names if ":" in name]
    rows, chosen, _ = together(
        lambda: rows_of(names, beta=beta, settings=settings),
        lambda: chosen_optimisers(optimisers),
        lambda: may_write(out) if out else None,
    )
    if out:
        check_outputs(writable(out), FILES, reads)
    console = Console(markup=False, highlight=False)
    console.print(atlas_table(rows))
    console.print(ABOUT)
    if not names:
        console.print(plain(pair_said(CoupledPair(beta=1.0))), soft_wrap=True)
    for row in rows:
        if not row.measured.sure:
            console.print(plain(f"{row.name}: not sure. {row.measured}"), soft_wrap=True)
    cells = cells_of(rows, chosen)
    if cells:
        console.print(cells_table(cells))
        console.print(steps_said())
    if out:
        publish(out, lambda place: _write(place, rows, cells), reads)
        console.print(plain(f"{out}: {', '.join(FILES)}"), soft_wrap=True)


# --- which losses -----------------------------------------------------------------------------------------------------


def rows_of(names: Sequence[str] = (), *, beta: float | None = None, settings: Sequence[str] = ()) -> list[AtlasRow]:
    """A row for each name: a member of the family, all of a method's, or one's own; UserError with all that is wrong.

    >>> [row.name for row in rows_of(["ga", "NPO(0.1)"])]
    ['GA', 'NPO(0.1)']
    """
    said = typed(settings, beta=beta)
    if beta is not None:
        said = Typed({**said.shared, "beta": beta}, said.alone)
    if not names:
        if said.shared or said.alone:
            raise UserError("--beta and --set are for losses that are named: npo atlas NPO --beta 0.5.")
        return [of_member(one) for one in FAMILY.values()]
    together(*(partial(_known, name) for name in names))
    takes = {name: _takes(name) for name in names}
    if wrong := said.astray(takes):
        raise UserError("\n".join(wrong))
    return [row for name in names for row in _rows_of_one(name, said.given(name, takes[name]))]


def _known(name: str) -> str:
    """UserError, with the nearest names, where nothing is called so; a user's file is run."""
    if name.endswith(".py"):
        raise UserError(f"{name} names a file and no function in it: write {name}:function_name.")
    if ":" in name:
        try:
            hyperparameters_of(name)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        return name
    every = {known.upper(): known for known in (*FORGET, *FAMILY)}
    if name.upper() in every:
        return every[name.upper()]
    near = difflib.get_close_matches(name.upper(), every, n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(every[x] for x in near)}?" if near else ""
    raise UserError(
        f"{name}: the atlas has no such loss.{hint} `npo atlas` lists them; one of your own is "
        "path/to/file.py:function_name."
    )


def _takes(name: str) -> list[str]:
    known = _known(name)
    return hyperparameters_of(known) if ":" in known or known in FORGET else []


def _rows_of_one(name: str, given: Mapping[str, float]) -> list[AtlasRow]:
    known = _known(name)
    if ":" in known:
        return [own_row(known, known.rpartition(":")[2], _bound(known, given))]
    if known in FAMILY and not given:
        return [of_member(FAMILY[known])]
    members = [one for label, one in FAMILY.items() if label == known or label.startswith(f"{known}(")]
    return [of_member(one) for one in ([_member(known, given)] if given or not members else members)]


def _bound(name: str, given: Mapping[str, float]) -> Kernel:
    try:
        return objective_of(name, given).forget
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _member(name: str, given: Mapping[str, float]) -> Member:
    try:
        return member(name, **given)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None


def own_row(name: str, label: str, kernel: Kernel) -> AtlasRow:
    """The row of a kernel of which nothing is predicted; UserError where the scalar model has not what it takes."""
    try:
        return atlas_row(ScalarLoss(label, kernel, CONFIDENCE), ScalarLoss(label, kernel, SATURATED))
    except ValueError as error:
        raise UserError(f"{name} has no place in the atlas: {error}") from None


# --- tables -----------------------------------------------------------------------------------------------------------


def _cells(row: AtlasRow) -> tuple[str, ...]:
    seen, said = row.measured.growth, row.predicted
    apart = (
        "" if math.isnan(row.difference) else "another class" if math.isinf(row.difference) else _small(row.difference)
    )
    escape = "never" if math.isinf(row.escape) else f"{row.escape:.4g}"
    sure = "" if row.measured.sure else " (not sure)"
    return (row.name, f"{seen.kind}{sure}", str(said or "–"), str(seen), apart, escape)


def _small(x: float) -> str:
    """A difference; below 1e-9 its digits are rounding, and another machine's are others."""
    return "< 1e-9" if x < 1e-9 else f"{x:.0e}"


def atlas_table(rows: Sequence[AtlasRow]) -> Table:
    """Without the prediction where it is what was measured: a terminal is narrow."""
    table = Table("loss", "class", "law", "prediction", "escape", title="The atlas: how fast a loss runs away")
    table.title_justify = "left"
    for row in rows:
        name, kind, predicted, measured, apart, escape = _cells(row)
        said = f"{apart} off" if row.difference < CLOSE else predicted
        table.add_row(*(Text(plain(cell)) for cell in (name, kind, measured, said, escape)))
    return table


def markdown(rows: Sequence[AtlasRow]) -> str:
    """The table as the documentation has it."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in map(_cells, rows)]
    return "\n".join([f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", *lines])


def _write(place: Path, rows: Sequence[AtlasRow], cells: Sequence[OptimisedLoss]) -> None:
    write_text(place / "atlas.md", f"{markdown(rows)}\n\n{ABOUT}\n")
    under: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        under.setdefault(cell.loss, []).append(cell_facts(cell))
    write_json(place / "atlas.json", [facts(row) | {"under": under.get(row.name, [])} for row in rows])
    save_figure(picture.draw({picture.UNIT: Data(atlas_arrays(rows, TAU), {})}), place, "atlas")


def facts(row: AtlasRow) -> dict[str, Any]:
    """A row as JSON, where a number that is none is null."""
    seen = row.measured
    numbers = {"difference": row.difference, "escape": row.escape, "spread": seen.spread, "misfit": seen.misfit}
    return {
        "loss": row.name,
        "measured": _law(seen.growth),
        "predicted": _law(row.predicted) if row.predicted else None,
        "sure": seen.sure,
        "runner_up": seen.runner_up,
        "reach": seen.reach,
        **{name: x if math.isfinite(x) else None for name, x in numbers.items()},
    }


def _law(law: Growth) -> dict[str, Any]:
    return {"law": str(law), **vars(law)}
