"""Do bounded adapters stop gradient ascent? After arXiv:2509.24166, which bounds what an adapter may add to a weight.

    θ = θ_ref + b tanh(φ/b)       no weight moves farther than b; b = ∞ is plain descent on θ

trained by GA+RT on φ at one step size, θ and so the loss alike at first. Units `logistic/bounded-<seed>`: the columns
of a trajectory (`synthetic.logistic.unlearning`) under `<b>.`, b of `BOUNDS`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from records.work import Progress, Unit
from synthetic.grid import log_grid
from synthetic.logistic.columns import closed, gradient
from synthetic.logistic.presets import LogisticPreset, load_problem
from synthetic.logistic.problem import Problem
from synthetic.logistic.rows import columns
from synthetic.logistic.unlearning import Recorder, measure, rows_of, save_trajectories
from theory.objective import method

__all__ = ["BOUNDS", "bounded_units"]

Array = np.ndarray
BOUNDS = (0.1, 0.4, np.inf)
RATE, PER_DECADE = 5e-3, 12


def bounded_units(preset: LogisticPreset, problems: Mapping[tuple[float, int], str]) -> list[Unit]:
    """The units of this study, in order; it takes the first α."""
    found = []
    for seed in preset.seeds[: preset.bounded_seeds]:
        settings = {"steps": preset.bounded_steps, "bounds": [f"{b:g}" for b in BOUNDS], "lr": RATE}
        run = partial(_unit, steps=preset.bounded_steps, seed=seed)
        needs = (problems[preset.alphas[0], seed],)
        found.append(Unit(f"logistic/bounded-{seed}", settings, run, needs, seconds=3e-4 * preset.bounded_steps))
    return found


def _unit(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, steps: int, seed: int) -> None:
    (source,) = inputs.values()
    problem, at = load_problem(source), log_grid(steps, PER_DECADE)
    theta_at, slope = _bounded(problem)
    phi, columns_at = np.zeros((len(BOUNDS), len(problem.theta_ref))), measure(problem)
    recorders = {f"{b:g}": Recorder(columns_at) for b in BOUNDS}
    done = 0
    for target in at:
        for _ in range(target - done):
            phi -= RATE * slope(phi)
        done = target
        progress(target, steps)
        for recorder, theta in zip(recorders.values(), theta_at(phi), strict=True):
            recorder.record(target, theta)
    paths = {label: recorder.trajectory() for label, recorder in recorders.items()}
    save_trajectories(folder, paths, {"seed": seed, "lr": RATE})


def _bounded(problem: Problem) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """φ (bounds, N) -> θ, and φ -> dL/dφ, L of GA+RT."""
    rows, bounds = rows_of(problem), np.array(BOUNDS)[:, None]
    one = closed(method("GA+RT"), RATE, len(problem.y_forget), len(problem.y_retain))
    together = columns(*([one] * len(BOUNDS) if one is not None else []))
    held = np.isfinite(bounds)
    scale = np.where(held, bounds, 1.0)

    def theta_at(phi: Array) -> Array:
        return np.asarray(problem.theta_ref + np.where(held, scale * np.tanh(phi / scale), phi))

    def slope(phi: Array) -> Array:
        through = np.where(held, 1 - np.tanh(phi / scale) ** 2, 1.0)
        return gradient(rows, together, theta_at(phi)) * through

    return theta_at, slope
