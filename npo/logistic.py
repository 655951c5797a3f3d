"""`npo synthetic logistic`: methods on the paper's logistic problem, one's own losses among them."""

import math
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
    _check_numbers(lr, alpha)
    objectives = objectives_of(methods, beta=beta)
    places = {name: writable(out / name.replace("/", "_")) for name in objectives} if out else {}
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
            try:
                found[name] = unlearn(problem, objective, lr=lr, steps=steps, every=every, progress=at)
            except UserError as error:
                raise UserError(f"--method {name}: {error}") from error
            if name in places:
                settings = {"method": name, "lr": lr, "beta": beta, "alpha": alpha, "seed": seed}
                save(places[name], Data(found[name].arrays(), settings))
    _print(found, steps)


def _check_numbers(lr: float, alpha: float) -> None:
    """UserError for what no run can start from."""
    wrong = []
    if not 0 < lr < math.inf:
        wrong.append(f"--lr must be a positive number, got {lr}.")
    if not math.isfinite(alpha):
        wrong.append(f"--alpha must be a finite number, got {alpha}.")
    if wrong:
        raise UserError("\n".join(wrong))


def _advance(bars: Bars, task: TaskID, done: int, total: int) -> None:
    bars.update(task, completed=done, total=total)


def _print(found: dict[str, Trajectory], steps: int) -> None:
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
    console = Console()
    console.print(table)
    for name, path in found.items():
        if path.steps[-1] < steps:
            console.print(
                f"{name} diverged after step {path.steps[-1]:g} of {steps}: lower --lr to see the rest.", markup=False
            )
