"""What four bits do to unlearning in a logistic model: forget rows are unlearned by NPO, then weights are rounded.

Unit `logistic/rounding`: over sizes of the move (θ − θ_ref scaled) and grids, what `theory.theorems.rounding.walk`
reads, of the mean log-probability of the forget rows: `<grid>.sizes` (sizes,); `<grid>.falls` and `<grid>.expected`
(sizes, draws), its fall where weights are rounded after the move and before it; `<grid>.spread` (sizes,), the spread
that is predicted for their ratio; `known` and `moved`, that mean before rounding, `<grid>.again` where the move began
on the grid.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.logistic.columns import closed, gradient
from synthetic.logistic.presets import LogisticPreset, load_problem
from synthetic.logistic.problem import Problem
from synthetic.logistic.rows import columns
from synthetic.logistic.unlearning import rows_of
from theory.objective import method
from theory.theorems.rounding.law import survival
from theory.theorems.rounding.walk import ROUNDINGS, Rounding, Walked, changes, walks

__all__ = ["SIZES", "rounding_unit"]

SIZES = (1.0, 0.3, 0.1, 0.03, 0.01)
DRAWS, STEPS, RATE = 65, 400, 5e-3


def rounding_unit(preset: LogisticPreset, problem: str) -> Unit:
    """The unit, on one problem."""
    draws = DRAWS if preset.bounded_steps > STEPS else 9
    settings = {"sizes": SIZES, "draws": draws, "steps": STEPS, "lr": RATE, "grids": list(ROUNDINGS)}
    return Unit("logistic/rounding", settings, partial(_unit, draws=draws), (problem,), seconds=1.0)


def _unit(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, draws: int) -> None:
    (source,) = inputs.values()
    problem = load_problem(source)
    move = _unlearned(problem) - problem.theta_ref
    arrays = {
        "known": _log_prob(problem, problem.theta_ref).mean(),
        "moved": _log_prob(problem, problem.theta_ref + move).mean(),
    }
    for name, grid in ROUNDINGS.items():
        walked = _walked(problem, move, grid, draws)
        arrays |= {
            f"{name}.sizes": np.array([one.size for one in walked]),
            f"{name}.falls": np.stack([changes(one)[0] for one in walked]),
            f"{name}.expected": np.stack([changes(one)[1] for one in walked]),
            f"{name}.spread": np.array([_spread(problem, size * move, grid) for size in SIZES]),
            f"{name}.again": walked[0].again.mean(),
        }
    save(folder, Data(arrays, {"grids": list(ROUNDINGS), "weights": len(move)}))


def _unlearned(problem: Problem) -> np.ndarray:
    rows, one = rows_of(problem), closed(method("NPO", beta=1.0), RATE, len(problem.y_forget), len(problem.y_retain))
    together = columns(*([one] if one is not None else []))
    theta = problem.theta_ref[None].copy()
    for _ in range(STEPS):
        theta = theta - RATE * gradient(rows, together, theta)
    return theta[0]


def _signed(problem: Problem) -> np.ndarray:
    """The forget rows, turned so that log π = log σ(row · θ)."""
    return np.asarray(problem.H_forget * (2 * problem.y_forget - 1)[:, None])


def _log_prob(problem: Problem, theta: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, -_signed(problem) @ theta)


def _walked(problem: Problem, move: np.ndarray, grid: Rounding, draws: int) -> list[Walked]:
    known = {"theta": torch.from_numpy(problem.theta_ref)}
    value = partial(_value, problem)
    return walks(value, known, {"theta": torch.from_numpy(move)}, SIZES, grid, draws)


def _value(problem: Problem, weights: Mapping[str, torch.Tensor]) -> np.ndarray:
    return _log_prob(problem, weights["theta"].numpy())


def _spread(problem: Problem, move: np.ndarray, grid: Rounding) -> float:
    """Of the share, by the gradient in the middle of the move."""
    signed, known = _signed(problem), problem.theta_ref
    weight = 1 / (1 + np.exp(signed @ (known + move / 2)))
    slope = (weight[:, None] * signed).mean(axis=0)
    return survival(slope, move, grid.spacing(torch.from_numpy(known)).numpy()).spread
