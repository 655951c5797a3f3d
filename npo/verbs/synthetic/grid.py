"""`npo synthetic grid`: which step size and β suit each method on the logistic problem, as the paper chose its Table 1.

The paper takes step sizes for which training is stable within 2000 steps, and the best β. Here a run is stable if its
numbers stay finite and it ends within 2 nats of retain distance, as GA does at the paper's choice (1.5); the best is
the largest hypervolume among what is stable in every seed.
Source: arXiv:2404.05868, App. D.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from figures import logistic_grid
from figures.canvas import save as save_figure
from npo.running.display import progress_bars
from npo.running.hyperparameters import typed
from npo.running.methods import objectives_of
from npo.running.sizes import check_looks
from records.errors import UserError
from records.outputs import check_outputs, publish
from records.paths import may_write
from records.plain import plain
from records.store import Data, save, writable
from synthetic.logistic import Trajectory, evaluated, unlearn_together
from synthetic.logistic.fronts import areas
from synthetic.logistic.gaussians import draw
from synthetic.logistic.presets import table_1
from synthetic.logistic.problem import problem_from_arrays
from synthetic.logistic.quantities import check_supplied
from theory.objective import METHODS, Objective

__all__ = ["Grid", "search"]

NAMED = ("lrs", "betas", "seeds", "methods")  # what cells are called by: floats by six digits
STABLE = 2.0  # nats of retain distance at the end


@dataclass(frozen=True)
class Grid:
    """What is tried: every method with every step size and, where it has one, every β, on every seed."""

    methods: tuple[str, ...]
    lrs: tuple[float, ...]
    betas: tuple[float, ...]
    alpha: float
    seeds: tuple[int, ...]
    steps: int
    every: int
    settings: tuple[str, ...] = ()
    """As typed after `--set`: hyperparameters beside β."""


@dataclass(frozen=True)
class Cell:
    """One method at one step size and β, over seeds."""

    lr: float
    beta: float | None
    missed: float  # mean share of the box that is not dominated
    stable: int  # seeds
    least: float  # mean least forget distance, nats


def search(grid: Grid, *, out: Path) -> None:
    """Run the grid, all its runs on one seed together; save it, draw it, print the best of each method."""
    cells = _cells(grid)
    check_looks(grid.steps, grid.every, len(cells) * len(grid.seeds), f"--steps {grid.steps} --every {grid.every}")
    may_write(out)
    check_outputs(out, ("data.npz", "data.json", "grid.png", "grid.svg"))
    writable(out)
    torch.set_num_threads(1)
    found: dict[str, list[Trajectory]] = {label: [] for label in cells}
    with progress_bars() as bar:
        for seed in grid.seeds:
            sample = vars(draw(alpha=grid.alpha, seed=seed))
            problem = problem_from_arrays(**sample, progress=bar(f"{seed}: π_ref and π_retr"))
            runs = {label: (objective, lr) for label, (_, lr, _, objective) in cells.items()}
            at = evaluated(grid.steps, grid.every)
            paths = unlearn_together(problem, runs, at=at, progress=bar(f"{seed}: {len(runs)} runs"))
            for label, path in paths.items():
                found[label].append(path)
    table: dict[str, list[Cell]] = {}
    for label, (name, lr, beta, _) in cells.items():
        table.setdefault(name, []).append(_judged(lr, beta, found[label]))
    rows = {name: [asdict(cell) for cell in row] for name, row in table.items()}
    images = {name: _image(row, grid) for name, row in table.items()}
    paper = {row.method: (row.lr, row.beta) for row in table_1(grid.alpha) if not row.ours}
    data = Data(images, asdict(grid) | {"cells": rows, "table_1": paper})
    figure = logistic_grid.draw({"grid": data})

    def write(place: Path) -> None:
        save(place, data)
        save_figure(figure, place, "grid")

    publish(out, write)
    _print(table, grid, paper)
    said = plain(f"{out / 'grid.png'}, and all cells in data.json beside it")
    Console().print(said, highlight=False, markup=False, soft_wrap=True)


def _cells(grid: Grid) -> dict[str, tuple[str, float, float | None, Objective]]:
    """(method, lr, β, objective) by label; UserError with all that is wrong."""
    labels = {n: [f"{x:g}" if isinstance(x, float) else x for x in getattr(grid, n)] for n in NAMED}
    wrong = [f"--{name} must be positive numbers, got {x:g}." for name in ("lrs", "betas") for x in getattr(grid, name)
             if not 0 < x < np.inf]  # fmt: skip
    wrong += [f"--{n} names a value twice." for n, values in labels.items() if len(set(values)) < len(values)]
    wrong += [] if np.isfinite(grid.alpha) else [f"--alpha must be a finite number, got {grid.alpha}."]
    if wrong:
        raise UserError("\n".join(wrong))
    names, cells = list(grid.methods or METHODS), {}
    by_beta = {beta: _objectives(grid, names, beta) for beta in grid.betas}
    for name in names:
        has_beta = "beta" in by_beta[grid.betas[0]][name].hyperparameters
        for beta in grid.betas if has_beta else grid.betas[:1]:
            for lr in grid.lrs:
                shown = beta if has_beta else None
                cells[f"{name} {lr:g} {beta:g}"] = (name, lr, shown, by_beta[beta][name])
    return cells


def _objectives(grid: Grid, names: Sequence[str], beta: float) -> dict[str, Objective]:
    """The objectives at one β; UserError with what is wrong with `--set`, or not to be had in the logistic room."""
    said = typed(grid.settings)
    if "beta" in {*said.shared, *(key for of in said.alone.values() for key in of)}:
        raise UserError("--set: β is what --betas tries.")
    found = objectives_of(names, settings=grid.settings, tried=beta)
    for name, objective in found.items():
        try:
            check_supplied(objective)
        except UserError as error:
            raise UserError(f"--methods {name}: {error}") from None
    return found


def _arrays(path: Trajectory) -> dict[str, np.ndarray]:
    return {f"run.{name}": x for name, x in path.arrays().items()}


def _judged(lr: float, beta: float | None, paths: Sequence[Trajectory]) -> Cell:
    stable = [p for p in paths if p.diverged_at is None and p.retain_distance[-1] <= STABLE]
    missed = 1 - float(areas([_arrays(p) for p in paths], "run").mean())
    return Cell(lr, beta, missed, len(stable), float(np.mean([p.forget_distance.min() for p in paths])))


def _image(row: Sequence[Cell], grid: Grid) -> np.ndarray:
    """The missed share as (lr, β)."""
    return np.array([c.missed for c in row]).reshape(-1, len(grid.lrs)).T


def _print(table: Mapping[str, Sequence[Cell]], grid: Grid, paper: Mapping[str, tuple[float, float | None]]) -> None:
    headings = ("method", "lr", "β", "missed", "least", "stable", "Table 1: lr", "β", "missed")
    shown = Table(
        *headings, title=f"Best of the grid, α = {grid.alpha:g}, {len(grid.seeds)} seeds", title_justify="left"
    )
    for name, row in table.items():
        whole = [c for c in row if c.stable == len(grid.seeds)]
        best = min(whole or row, key=lambda c: c.missed)
        lr, beta = paper.get(name.upper(), (None, None))
        theirs = [c for c in row if (c.lr, c.beta) == (lr, beta)]
        shown.add_row(
            Text(plain(name)),
            f"{best.lr:g}",
            "" if best.beta is None else f"{best.beta:g}",
            f"{best.missed:.4f}",
            f"{best.least:.4f}",
            f"{best.stable} of {len(grid.seeds)}",
            "" if lr is None else f"{lr:g}",
            "" if beta is None else f"{beta:g}",
            f"{theirs[0].missed:.4f}" if theirs else "",
        )
    console = Console(markup=False)  # names of one's own methods are paths
    console.print(shown)
    console.print(
        "missed: share of the box not dominated; least: forget distance in nats; stable: seeds", highlight=False
    )
