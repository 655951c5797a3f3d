"""`npo synthetic logistic`: methods on the paper's logistic problem, one's own losses among them."""

from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID
from rich.table import Table

from npo.display import COLUMNS
from npo.methods import objectives_of
from records.errors import UserError
from records.store import Data, save, writable
from synthetic.gaussians import draw
from synthetic.logistic import Trajectory, problem_from_arrays, unlearn

__all__ = ["run"]


def run(
    *,
    methods: list[str],
    lr: float,
    beta: float | None,
    alpha: float,
    seed: int,
    steps: int,
    every: int,
    out: Path | None,
) -> None:
    """Fit π_ref and π_retr, unlearn by each method, print the table; with `out`, save each trajectory there."""
    if not lr > 0:
        raise UserError(f"--lr must be positive, got {lr}.")
    objectives = objectives_of(methods, beta=beta)
    folder = writable(out) if out else None
    torch.set_num_threads(1)  # 200 rows are too few for a second thread to be of use
    with Bars(*COLUMNS, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("π_ref and π_retr", total=None)
        problem = problem_from_arrays(
            **vars(draw(alpha=alpha, seed=seed)),
            progress=partial(_advance, bars, task),
        )
        found = {}
        for name, objective in objectives.items():
            task = bars.add_task(name, total=steps)
            at = partial(_advance, bars, task)
            found[name] = unlearn(problem, objective, lr=lr, steps=steps, every=every, progress=at)
    for name, path in found.items():
        if folder:
            place = folder / name.replace("/", "_")
            place.mkdir(exist_ok=True)
            settings = {"method": name, "lr": lr, "beta": beta, "alpha": alpha, "seed": seed}
            save(place, Data(path.arrays(), settings))
    _print(found)


def _advance(bars: Bars, task: TaskID, done: int, total: int) -> None:
    bars.update(task, completed=done, total=total)


def _print(found: dict[str, Trajectory]) -> None:
    headings = ("method", "steps", "forget distance, least", "at step", "at the end", "retain distance, at the end")
    table = Table(*headings, title="Logistic unlearning, distances in nats: E KL(π_retr ‖ π_θ)", title_justify="left")
    for name, path in found.items():
        least = int(path.forget_distance.argmin())
        table.add_row(
            name,
            f"{path.steps[-1]:g}",
            f"{path.forget_distance[least]:.4f}",
            f"{path.steps[least]:g}",
            f"{path.forget_distance[-1]:.4f}",
            f"{path.retain_distance[-1]:.4f}",
        )
    Console().print(table)
