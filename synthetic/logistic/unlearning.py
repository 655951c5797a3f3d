"""Section 4 of the paper, exactly: unlearning in logistic regression on random features, by full-batch descent.

π_θ(y=1|x) = σ(θᵀReLU(Wx)). The features are computed once, the gradient is taken in closed form, and all runs that
share their data go together: those of the paper's methods as columns of one matrix (`synthetic.logistic.columns`), any
other by its gradient weights (`synthetic.logistic.slopes`). Distances are E KL(π_retr ‖ π_θ), KLs are E KL(π_ref ‖
π_θ), in nats over the evaluation inputs. Source: arXiv:2404.05868, Sec. 4 and App. D.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from records.errors import UserError
from records.store import Data, load, save
from records.work import Progress, silent
from synthetic.grid import evaluated
from synthetic.logistic.columns import closed, march
from synthetic.logistic.problem import (
    FIT_LR,
    FIT_STEPS,
    NotConverged,
    Problem,
    fit,
    fit_to_tolerance,
    problem_from_arrays,
    relu,
)
from synthetic.logistic.rows import Column, SharedRows, columns
from synthetic.logistic.slopes import gradient
from theory.objective import Objective
from theory.weights import bernoulli_kl

__all__ = [
    "COLUMNS",
    "FIT_LR",
    "FIT_STEPS",
    "NotConverged",
    "Problem",
    "Recorder",
    "Trajectory",
    "evaluated",
    "fit",
    "fit_to_tolerance",
    "load_trajectories",
    "measure",
    "problem_from_arrays",
    "relu",
    "rows_of",
    "save_trajectories",
    "unlearn",
    "unlearn_together",
]

COLUMNS = (
    "steps",
    "forget_distance",
    "retain_distance",
    "forget_kl",
    "retain_kl",
    "parameter_distance",
    "reference_distance",
)

Array = np.ndarray
Step = Callable[[Array, int], Array]  # (θ, k) -> θ after k more steps


@dataclass(frozen=True)
class Trajectory:
    """What unlearning did, at each evaluated step; float64, the first entry before the first step."""

    steps: Array
    forget_distance: Array  # E KL(π_retr ‖ π_θ) on the forget distribution
    retain_distance: Array
    forget_kl: Array  # E KL(π_ref ‖ π_θ) on the forget distribution
    retain_kl: Array
    parameter_distance: Array  # ‖θ − θ_retr‖₂
    reference_distance: Array  # ‖θ − θ_ref‖₂
    diverged_at: int | None = None  # the evaluated step where numbers were not finite any more; nothing later is kept

    def arrays(self) -> dict[str, Array]:
        """The columns by name."""
        return {name: getattr(self, name) for name in COLUMNS}


def _trajectory(columns: Iterable[Array], diverged_at: int | None) -> Trajectory:
    return Trajectory(**dict(zip(COLUMNS, columns, strict=True)), diverged_at=diverged_at)


def save_trajectories(folder: Path, runs: Mapping[str, Trajectory], provenance: Mapping[str, Any]) -> None:
    """Save runs by label as data.npz (`<label>.<column>`) and data.json (provenance, and where a run diverged)."""
    arrays = {f"{label}.{name}": x for label, run in runs.items() for name, x in run.arrays().items()}
    diverged = {label: run.diverged_at for label, run in runs.items() if run.diverged_at is not None}
    save(folder, Data(arrays, {**provenance, "labels": list(runs), "diverged_at": diverged}))


def load_trajectories(folder: Path) -> dict[str, Trajectory]:
    """The runs that `save_trajectories` saved, by label."""
    data = load(folder)
    return {
        label: _trajectory((data.arrays[f"{label}.{name}"] for name in COLUMNS), data.values["diverged_at"].get(label))
        for label in data.values["labels"]
    }


# --- measuring --------------------------------------------------------------------------------------------------


class Recorder:
    """The rows of one run's Trajectory as they come; `measure` gives all its columns but the steps at some θ."""

    def __init__(self, measure: Callable[[Array], tuple[float, ...]]) -> None:
        self.measure, self.rows = measure, list[tuple[float, ...]]()
        self.diverged_at: int | None = None

    def record(self, step: int, theta: Array) -> bool:
        """Add a row; False, and no row, where it is not finite: the run ends there."""
        row = (float(step), *self.measure(theta))
        if not np.isfinite(row).all():
            self.diverged_at = step
            return False
        self.rows.append(row)
        return True

    def trajectory(self) -> Trajectory:
        """What was recorded."""
        return _trajectory((np.asarray(x) for x in zip(*self.rows, strict=True)), self.diverged_at)


def measure(problem: Problem) -> Callable[[Array], tuple[float, ...]]:
    """The columns of a Trajectory, the steps aside, as a function of θ; the two models' logits are computed once."""
    bases = (problem.theta_retrain, problem.theta_ref)
    known = [(H, [H @ base for base in bases]) for H in (problem.H_eval_forget, problem.H_eval_retain)]

    def at(theta: Array) -> tuple[float, ...]:
        logits = [(fixed, H @ theta) for H, fixed in known]
        kls = (float(bernoulli_kl(fixed[k], z).mean()) for k in range(len(bases)) for fixed, z in logits)
        return (*kls, *(float(np.linalg.norm(theta - base)) for base in bases))

    return at


# --- unlearning -------------------------------------------------------------------------------------------------


def unlearn(
    problem: Problem, objective: Objective, *, lr: float, steps: int, every: int, progress: Progress = silent
) -> Trajectory:
    """Unlearn from π_ref by full-batch gradient descent, evaluated every `every` steps and after the last.

    θ ← θ − lr ∇L(θ), L = mean forget loss + mean retain loss with the objective's weights.
    A run whose numbers stop being finite ends there, keeps its history, and says so in `diverged_at`.

    >>> from theory.objective import method
    >>> from synthetic.logistic.gaussians import draw
    >>> problem = problem_from_arrays(**vars(draw(alpha=1.0, seed=0)), fit_steps=200)
    >>> unlearn(problem, method("NPO", beta=1.0), lr=5e-3, steps=60, every=25).steps
    array([ 0., 25., 50., 60.])
    """
    if not (0 < lr < np.inf and steps >= 0 and every > 0):
        raise UserError(f"unlearn needs lr > 0, steps ≥ 0 and every > 0; got lr={lr}, steps={steps}, every={every}.")
    at = evaluated(steps, every)
    return unlearn_together(problem, {"": (objective, lr)}, at=at, progress=progress)[""]


def unlearn_together(
    problem: Problem,
    runs: Mapping[str, tuple[Objective, float]],
    *,
    at: list[int],
    progress: Progress = silent,
    compiled: bool = True,
) -> dict[str, Trajectory]:
    """`unlearn` for many objectives and step sizes, by label, evaluated after the numbers of steps `at` (increasing).

    Methods of the paper go through the data together; a run that diverges stops alone. `compiled=False` takes the
    numpy form of the loop.
    """
    columns_at = measure(problem)
    recorders = {label: Recorder(columns_at) for label in runs}
    n_forget, n_retain = len(problem.y_forget), len(problem.y_retain)
    known = {label: closed(objective, lr, n_forget, n_retain) for label, (objective, lr) in runs.items()}
    together = {label: numbers for label, numbers in known.items() if numbers is not None}
    alone = [label for label in runs if label not in together]
    total = (bool(together) + len(alone)) * at[-1]
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run ends by the test for finite numbers
        if together:
            _columns_down(problem, together, recorders, at, compiled, _counted(progress, 0, total))
        for i, label in enumerate(alone, start=bool(together)):
            objective, lr = runs[label]
            step = _plain_descent(gradient(problem, objective), lr)
            _one_down(problem, step, recorders[label], at, _counted(progress, i * at[-1], total))
    return {label: recorder.trajectory() for label, recorder in recorders.items()}


def _counted(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    """Progress of one run among several."""
    return lambda k: progress(before + k, total)


def _columns_down(
    problem: Problem,
    numbers: Mapping[str, Column],
    recorders: Mapping[str, Recorder],
    at: list[int],
    compiled: bool,
    progress: Callable[[int], None],
) -> None:
    rows = rows_of(problem)
    going, live = columns(*numbers.values()), list(numbers)
    theta, done = np.tile(problem.theta_ref, (len(live), 1)), 0
    for target in at:
        theta, done = march(rows, going, theta, target - done, compiled=compiled), target
        kept = np.array([recorders[label].record(target, row) for label, row in zip(live, theta, strict=True)])
        progress(target)
        if not kept.any():
            return
        if not kept.all():
            theta, going = theta[kept], going.where(kept)
            live = [label for label, goes_on in zip(live, kept, strict=True) if goes_on]


def rows_of(problem: Problem) -> SharedRows:
    """The rows of a problem that runs share, with what π_ref says of them."""
    ref = problem.theta_ref
    return SharedRows(
        problem.H_forget,
        problem.y_forget,
        problem.y_idk,
        problem.H_forget @ ref,
        problem.H_retain,
        problem.y_retain,
        expit(problem.H_retain @ ref),
    )


def _plain_descent(slope: Callable[[Array], Array], lr: float) -> Step:
    def step(theta: Array, count: int) -> Array:
        for _ in range(count):
            theta = theta - lr * slope(theta)
        return theta

    return step


def _one_down(problem: Problem, step: Step, recorder: Recorder, at: list[int], progress: Callable[[int], None]) -> None:
    theta, done = problem.theta_ref.copy(), 0
    for target in at:
        theta, done = step(theta, target - done), target
        if not recorder.record(target, theta):
            return
        progress(target)
