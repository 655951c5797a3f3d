"""What `npo synthetic logistic` was asked for: data, methods, and everything that is wrong with them at once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from npo.running.methods import labelled, objectives_of
from npo.running.sizes import check_looks, check_sample
from records.arrays import read_arrays
from records.errors import UserError, together
from records.option_words import name_and_options
from synthetic.logistic.gaussians import Sample, draw
from synthetic.logistic.presets import table_1
from synthetic.logistic.problem import relu
from synthetic.logistic.quantities import check_supplied
from synthetic.logistic.softmax import draw_classes
from theory.objective import METHODS, Objective
from theory.optimizers.named import maker_of, tried

__all__ = [
    "LogisticChoices",
    "LogisticData",
    "NamedObjectives",
    "activation_of",
    "check_choices",
    "problems",
    "runs_of",
    "step_size",
]

ARRAYS = tuple(Sample.__annotations__)
NamedObjectives = Mapping[str, tuple[Objective, float]]
"""Objective and step size by method."""


@dataclass(frozen=True, kw_only=True)
class LogisticData:
    """The data of a run: a file of arrays, or draws of the paper's Gaussians."""

    file: Path | None
    alpha: float
    seeds: tuple[int, ...]
    label_noise: float
    d: int
    features: int
    n_forget: int
    n_retain: int
    classes: int = 2
    activation: str = "relu"


@dataclass(frozen=True, kw_only=True)
class LogisticChoices:
    """How to unlearn; None stands for the values of the paper's Table 1, and for plain full-batch descent."""

    methods: tuple[str, ...]
    lr: float | None
    beta: float | None
    steps: int
    every: int
    optimiser: str | None = None
    momentum: float | None = None
    batch: int | None = None
    settings: tuple[str, ...] = ()
    """As typed after `--set`."""

    @property
    def of_optimiser(self) -> tuple[str, dict[str, Any]]:
        """Its name, and what is given to it beside the step size; UserError where these can't be read."""
        name, options = name_and_options(self.optimiser or "SGD")
        return name, options if self.momentum is None else {"momentum": self.momentum, **options}


def check_choices(data: LogisticData, choices: LogisticChoices) -> None:
    """UserError for what no run can start from, all at once."""
    wrong = _numbers_of(data, choices)
    wrong += [] if wrong or choices.optimiser is None else _tried(choices)
    if data.classes > 2 and (choices.optimiser is not None or choices.batch is not None):
        wrong.append("--classes goes with full-batch gradient descent alone: leave --optimiser and --batch out.")
    if data.activation != "relu" and not isinstance(activation_of(data.activation), np.ufunc):
        wrong.append(f"--activation {data.activation}: give relu or a function of numpy of one number, e.g. tanh.")
    if len(set(data.seeds)) < len(data.seeds):
        wrong.append("--seeds names a seed twice.")
    if wrong:
        raise UserError("\n".join(wrong))
    runs = len(choices.methods or METHODS)
    looks = [
        lambda: check_looks(choices.steps, choices.every, runs, f"--steps {choices.steps} --every {choices.every}")
    ]
    if data.file is None:
        looks.append(lambda: check_sample(data.d, data.features, data.n_forget, data.n_retain, data.classes))
    together(*looks)


def _tried(choices: LogisticChoices) -> list[str]:
    """What is wrong with an optimiser and its options, which take a step along a small gradient."""
    try:
        name, options = choices.of_optimiser
        if "lr" in options:
            return [f"--optimiser {choices.optimiser}: the step size is --lr."]
        tried(maker_of(name), [torch.zeros(2, dtype=torch.float64)], lr=choices.lr or 1e-3, **options)
    except (UserError, ValueError) as error:
        return [f"--optimiser {choices.optimiser}: {error}"]
    return []


def _numbers_of(data: LogisticData, choices: LogisticChoices) -> list[str]:
    """What is wrong with each number for itself."""
    wrong = []
    if choices.lr is not None and not 0 < choices.lr < math.inf:
        wrong.append(f"--lr must be a positive number, got {choices.lr}.")
    if choices.beta is not None and not 0 < choices.beta < math.inf:
        wrong.append(f"--beta must be a positive number, got {choices.beta}.")
    if not math.isfinite(data.alpha):
        wrong.append(f"--alpha must be a finite number, got {data.alpha}.")
    if choices.optimiser is None and choices.momentum is not None:
        wrong.append("--momentum needs --optimiser SGD.")
    if choices.momentum is not None and not 0 <= choices.momentum < math.inf:
        wrong.append(f"--momentum must be a finite number ≥ 0, got {choices.momentum}.")
    if choices.batch is not None and data.file is None and choices.batch > data.n_forget:
        wrong.append(f"--batch must be from 1 to the {data.n_forget} forget rows, got {choices.batch}.")
    return wrong


def runs_of(choices: LogisticChoices, alpha: float) -> dict[str, tuple[Objective, float]]:
    """Objective and step size of each method by label: what was typed, else the values of Table 1 at this α.

    UserError with everything that is wrong, and with what this room does not have for a method.
    """
    rows = {row.method: row for row in table_1(alpha)}
    usual = {name: row.beta for name, row in rows.items() if row.beta is not None}
    names = choices.methods or METHODS
    objectives = objectives_of(names, beta=choices.beta, settings=choices.settings, usual=usual)
    together(*(partial(_supplied, name, objective) for name, objective in objectives.items()))
    labels = labelled(objectives, choices.settings)
    return {
        labels[name]: (objective, choices.lr or step_size(name, objective, alpha))
        for name, objective in objectives.items()
    }


def step_size(name: str, objective: Objective, alpha: float) -> float:
    """The step size of a method in Table 1 at this α; of one without kin there NPO's, for weights of at most 1."""
    usual = {row.method: row.lr for row in table_1(alpha)}
    like_npo = usual["NPO"] / max(1.0, objective.forget_weight, objective.retain_weight)
    return usual.get(name.upper(), like_npo)


def _supplied(name: str, objective: Objective) -> None:
    try:
        check_supplied(objective)
    except UserError as error:
        raise UserError(f"--methods {name}: {error}") from None


def problems(data: LogisticData) -> Iterator[tuple[str, dict[str, Any]]]:
    """Label and arrays of each problem."""
    if data.file is not None:
        yield data.file.stem, _arrays_of(data.file)
        return
    size = {name: getattr(data, name) for name in ("label_noise", "d", "features", "n_forget", "n_retain")}
    for seed in data.seeds:
        if data.classes == 2:
            yield str(seed), vars(draw(alpha=data.alpha, seed=seed, **size))
        else:
            yield str(seed), vars(draw_classes(classes=data.classes, alpha=data.alpha, seed=seed, **size))


def _arrays_of(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file under the names of `problem_from_arrays`; UserError naming what is missing."""
    if not file.is_file():
        raise UserError(f"--problem {file}: there is no such file.")
    try:
        arrays = read_arrays(file)
    except UserError as error:
        raise UserError(f"--problem: {error} Write it with numpy.savez(file, W=W, …).") from None
    missing, unknown = [n for n in ARRAYS if n not in arrays], [n for n in arrays if n not in ARRAYS]
    if missing or unknown:
        parts = [f"it lacks {', '.join(missing)}"] * bool(missing) + [f"it has unknown {', '.join(unknown)}"] * bool(
            unknown
        )
        raise UserError(f"--problem {file}: {'; '.join(parts)}. The arrays are {', '.join(ARRAYS)}.")
    return arrays


def activation_of(name: str) -> Any:
    """relu, or numpy's function of that name; None where it does not make one number of one number."""
    found = relu if name == "relu" else getattr(np, name, None)
    return found if found is relu or "d->d" in getattr(found, "types", ()) else None
