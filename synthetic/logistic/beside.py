"""Any methods beside one another on the paper's logistic problem: a unit a seed, from data to trajectories.

Each unit logistic/beside-<seed> leaves the trajectories of all methods (`synthetic.logistic.load_trajectories`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from records.work import Progress, Unit
from synthetic.grid import evaluated
from synthetic.logistic.gaussians import draw
from synthetic.logistic.problem import FIT_STEPS, problem_from_arrays
from synthetic.logistic.unlearning import save_trajectories, unlearn_together
from theory.objective import Objective

__all__ = ["BESIDE", "Beside", "beside_units"]

BESIDE = "logistic/beside"


@dataclass(frozen=True)
class Beside:
    """How much is run: seeds of the data, distance of the two sets, steps of the fits and of unlearning."""

    seeds: tuple[int, ...] = (1000, 2000, 3000)
    alpha: float = 1.0
    fit_steps: int = FIT_STEPS
    steps: int = 2000
    every: int = 25


def beside_units(size: Beside, runs: Mapping[str, tuple[Objective, float]], source: str = "") -> list[Unit]:
    """A unit for each seed; `runs` are objective and step size by label, `source` identifies a user's own code."""
    table = [
        {"method": label, "lr": lr, "hyperparameters": objective.hyperparameters, "weight": objective.retain_weight}
        for label, (objective, lr) in runs.items()
    ]
    settings = {"table": table, "source": source, **asdict(size)}
    work = partial(_unlearned, size=size, runs=runs)
    return [Unit(f"{BESIDE}-{seed}", settings | {"seed": seed}, partial(work, seed=seed)) for seed in size.seeds]


def _unlearned(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    size: Beside,
    runs: Mapping[str, tuple[Objective, float]],
    seed: int,
) -> None:
    del inputs
    problem = problem_from_arrays(**vars(draw(alpha=size.alpha, seed=seed)), fit_steps=size.fit_steps)
    paths = unlearn_together(problem, runs, at=evaluated(size.steps, size.every), progress=progress)
    save_trajectories(folder, paths, {"seed": seed, "alpha": size.alpha, "fit_steps": size.fit_steps})
