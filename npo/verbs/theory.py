"""`npo theory`: the catalogue of theorems, and one of them checked before one's eyes."""

import difflib
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from records.errors import UserError
from theory.theorems.catalogue import CATALOGUE
from theory.theorems.paper.slips import SLIPS
from theory.theorems.theorem import Bounds, HypothesisError, Measurement

__all__ = ["check", "list_theorems", "print_slips"]


def list_theorems() -> None:
    """Print every theorem's name, statement and source."""
    table = Table(
        "name", "statement", "source", title="npo theory NAME checks one", title_justify="left", show_lines=True
    )
    for name, exhibit in CATALOGUE.items():
        table.add_row(name, exhibit.theorem.statement, exhibit.theorem.source)
    table.add_row(
        "slips",
        f"{len(SLIPS)} slips in the paper's displays, each with numbers that show it",
        "theory/theorems/paper/slips.py",
    )
    Console().print(table, markup=False)


def print_slips() -> None:
    """Print the paper's slips: what is printed, what is meant, and a number for each beside the truth."""
    table = Table("where", "printed", "corrected", "quantity", "printed / corrected / true", show_lines=True)
    for slip in SLIPS:
        numbers = " / ".join(f"{x:.4g}" for x in slip.show())
        table.add_row(slip.where, slip.printed, slip.corrected, slip.quantity, numbers)
    Console().print(table, markup=False)


def check(name: str, seed: int) -> int:
    """Check one theorem on its instance and print what was assumed, predicted and measured; 0 if it holds."""
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, CATALOGUE, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"There is no theorem {name!r}.{hint} `npo theory` lists them.")
    torch.set_num_threads(1)
    exhibit, started = CATALOGUE[name], time.perf_counter()
    theorem, console = exhibit.theorem, Console(highlight=False)
    console.print(f"{theorem.name}: {theorem.statement}\nsource: {theorem.source}", markup=False)
    try:
        instance = exhibit.instance(seed)
        theorem.hypotheses(instance)
    except HypothesisError as error:
        raise UserError(f"hypotheses not met: {error}") from error
    console.print("hypotheses: met")
    measured = theorem.measure(instance)
    bounds = theorem.predict(instance, measured.at)
    console.print(_rows(bounds, measured))
    if exhibit.looser:
        wide = exhibit.looser.predict(instance, measured.at)
        narrower = float(np.mean((wide.upper - wide.lower)[-1] / (bounds.upper - bounds.lower)[-1]))
        console.print(
            f"at the end the band is {narrower:.2f} times narrower than that of “{exhibit.looser.name}”", soft_wrap=True
        )
    if np.all(measured.value[-1] > 0):
        console.print(_room(bounds, measured), soft_wrap=True)
    verdict = theorem.judge(bounds, measured)
    console.print(str(verdict), style="green" if verdict.holds else "red", markup=False, soft_wrap=True)
    console.print(f"{time.perf_counter() - started:.2f} s")
    return 0 if verdict.holds else 1


def _room(bounds: Bounds, measured: Measurement) -> str:
    """How far the measurement stays from either bound at the end, as fractions of the measured value."""
    value = measured.value[-1]
    below, above = (float(np.mean(np.abs(gap / value))) for gap in (value - bounds.lower[-1], bounds.upper[-1] - value))
    return (
        f"at the end the measurement is {below:.2%} above the lower and {above:.2%} below the upper bound, in the mean"
    )


def _rows(bounds: Bounds, measured: Measurement) -> Table:
    """A few points of the measurement between their bounds: for several examples, the extremes over them."""
    table = Table("at", "lower bound", "measured, least", "measured, most", "upper bound")
    low, value, high = (np.atleast_2d(x.T).T for x in (bounds.lower, measured.value, bounds.upper))
    for i in np.unique(np.linspace(0, len(measured.at) - 1, 6).astype(int)):
        at = f"{measured.at[i]:.6g}"
        table.add_row(at, *(f"{x:.6g}" for x in (low[i].min(), value[i].min(), value[i].max(), high[i].max())))
    return table
