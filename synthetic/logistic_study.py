"""What the main job runs in the logistic room: the paper's Section 4 at α = 1, and the law on its own examples.

Units, and what each leaves (arrays over evaluated steps unless said otherwise):

    logistic/problem-<seed>    the arrays of a `Problem`
    logistic/figure4-<seed>    <method>.<column of Trajectory> for the six methods of Figure 4
    logistic/figure3           GA.<column> and NPO-<β>.<column>, first seed
    logistic/law               single-<β>-<example>.{clock, drop} for examples unlearned alone (β = 0: GA), and
                               set-<β>.{clock, drop, remainder} (recorded steps, n_f) for the whole forget set
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt

from records.settings import NotNegative, Positive, Seed, distinct
from records.store import Data, load, save
from records.work import Progress, Run, Unit
from synthetic.gaussians import draw
from synthetic.logistic import FIT_STEPS, Problem, problem_from_arrays, unlearn
from theory.intrinsic_time import Path as IntrinsicPath
from theory.intrinsic_time import follow, weight_by_drop
from theory.logprobs import from_margins
from theory.objective import Objective, method

__all__ = ["QUICK", "REPRODUCE", "TABLE_1", "Preset", "Setting", "units"]


@dataclass(frozen=True)
class Setting:
    """A method with its step size and hyperparameters."""

    method: str
    lr: float
    beta: float | None = None

    def objective(self) -> Objective:
        """The objective of this row."""
        return method(self.method) if self.beta is None else method(self.method, beta=self.beta)


# Table 1 of arXiv:2404.05868 at α = 1, for the six methods of its Figure 4.
TABLE_1 = (
    Setting("GA", 5e-4),
    Setting("GA+RT", 5e-4),
    Setting("IDK+RT", 5e-4),
    Setting("NPO", 5e-3, 1.0),
    Setting("NPO+RT", 5e-3, 1.0),
    Setting("DPO+RT", 5e-3, 0.1),
)


N_FORGET = 200
"""Forget examples of a problem, as in the paper."""


@dataclass(frozen=True)
class Preset:
    """How much of Section 4 to run; the paper's values where nothing else is said."""

    seeds: tuple[Seed, ...] = (1000, 2000, 3000, 4000, 5000)  # as in the authors' code
    alpha: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = 1.0  # beyond, π_ref is certain in float64
    fit_steps: PositiveInt = FIT_STEPS
    steps: PositiveInt = 2000
    every: PositiveInt = 25
    figure3_lr: Positive = 5e-4
    figure3_steps: PositiveInt = 10_000
    figure3_every: PositiveInt = 5
    figure3_betas: tuple[Positive, ...] = (0.01, 0.1, 0.2, 0.5, 1.0)
    law_betas: tuple[NotNegative, ...] = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # 0 is GA
    law_examples: tuple[Annotated[int, Field(ge=0, lt=N_FORGET)], ...] = (0, 1)
    law_step: Annotated[float, Field(gt=0, lt=1)] = 0.02
    law_until: Positive = 8.0
    set_betas: tuple[Positive, ...] = (0.1, 1.0)
    set_step: Annotated[float, Field(gt=0, lt=1)] = 0.04
    set_steps: PositiveInt = 600

    def __post_init__(self) -> None:
        """Refuse empty lists, and values that would share a name in the results."""
        for name in ("seeds", "figure3_betas", "law_betas", "law_examples", "set_betas"):
            distinct(name, getattr(self, name))


REPRODUCE = Preset()
QUICK = Preset(
    seeds=(1000,),
    fit_steps=4000,
    figure3_steps=1000,
    law_betas=(0.0, 0.1, 1.0),
    law_examples=(0,),
    law_step=0.05,
    set_step=0.1,
    set_betas=(0.1, 1.0),
    set_steps=150,
)


def units(preset: Preset) -> list[Unit]:
    """The units of this room, in order."""
    packages = ("theory", "synthetic", "records")
    shared = {"alpha": preset.alpha, "fit_steps": preset.fit_steps}
    found = []
    for seed in preset.seeds:
        problem = f"logistic/problem-{seed}"
        found.append(Unit(problem, {**shared, "seed": seed}, packages, _problem_unit(preset, seed)))
        settings = {"table": [asdict(row) for row in TABLE_1], "steps": preset.steps, "every": preset.every}
        found.append(Unit(f"logistic/figure4-{seed}", settings, packages, _figure4_unit(preset), (problem,)))
    first = f"logistic/problem-{preset.seeds[0]}"
    figure3 = {k: v for k, v in asdict(preset).items() if k.startswith("figure3")}
    found.append(Unit("logistic/figure3", figure3, packages, _figure3_unit(preset), (first,)))
    law = {k: v for k, v in asdict(preset).items() if k.startswith(("law", "set"))}
    found.append(Unit("logistic/law", law, packages, _law_unit(preset), (first,)))
    return found


def load_problem(folder: Path) -> Problem:
    """The problem that a problem unit saved."""
    arrays = load(folder).arrays
    return Problem(**{f.name: arrays[f.name] for f in fields(Problem)})


def _problem_unit(preset: Preset, seed: int) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        sample = vars(draw(alpha=preset.alpha, seed=seed, n_forget=N_FORGET))
        problem = problem_from_arrays(**sample, fit_steps=preset.fit_steps, progress=progress)
        save(folder, Data(vars(problem), {"seed": seed, "alpha": preset.alpha}))

    return run


def _as_run(preset: Preset) -> dict[str, Any]:
    """What a reader must know to say whether this is the paper's experiment; `seed` is that of the one-seed units."""
    return {"seed": preset.seeds[0], "alpha": preset.alpha, "fit_steps": preset.fit_steps, "steps": preset.steps}


def _figure4_unit(preset: Preset) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        (source,) = inputs.values()
        problem, arrays = load_problem(source), dict[str, np.ndarray]()
        for i, row in enumerate(TABLE_1):
            progress(i, len(TABLE_1))
            path = unlearn(problem, row.objective(), lr=row.lr, steps=preset.steps, every=preset.every)
            arrays |= {f"{row.method}.{name}": column for name, column in path.arrays().items()}
        save(folder, Data(arrays, _as_run(preset) | {"table": [asdict(row) for row in TABLE_1]}))

    return run


def _figure3_unit(preset: Preset) -> Run:
    rows = [Setting("GA", preset.figure3_lr)] + [Setting("NPO", preset.figure3_lr, b) for b in preset.figure3_betas]

    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        (source,) = inputs.values()
        problem, arrays = load_problem(source), dict[str, np.ndarray]()
        for i, row in enumerate(rows):
            progress(i, len(rows))
            path = unlearn(problem, row.objective(), lr=row.lr, steps=preset.figure3_steps, every=preset.figure3_every)
            label = row.method if row.beta is None else f"{row.method}-{row.beta:g}"
            arrays |= {f"{label}.{name}": column for name, column in path.arrays().items()}
        save(
            folder,
            Data(arrays, _as_run(preset) | {"lr": preset.figure3_lr, "betas": list(preset.figure3_betas)}),
        )

    return run


def _law_unit(preset: Preset) -> Run:
    singles = [(beta, i) for beta in preset.law_betas for i in preset.law_examples]

    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        (source,) = inputs.values()
        problem, arrays = load_problem(source), dict[str, np.ndarray]()
        total = len(singles) + len(preset.set_betas)
        for k, (beta, i) in enumerate(singles):
            progress(k, total)
            path = _in_intrinsic_time(problem, slice(i, i + 1), beta, preset.law_step, preset.law_until)
            arrays |= {
                f"single-{beta:g}-{i}.clock": path.clock[:, 0],
                f"single-{beta:g}-{i}.drop": path.drop[:, 0],
            }
        for k, beta in enumerate(preset.set_betas):
            progress(len(singles) + k, total)
            path = _in_intrinsic_time(
                problem, slice(None), beta, preset.set_step, preset.law_until, max_steps=preset.set_steps
            )
            columns = {"clock": path.clock, "drop": path.drop, "remainder": path.remainder}
            arrays |= {f"set-{beta:g}.{name}": x.astype(np.float32) for name, x in columns.items()}
        values = _as_run(preset) | {
            "betas": preset.law_betas,
            "examples": preset.law_examples,
            "set_betas": preset.set_betas,
        }
        save(folder, Data(arrays, values | {"step": preset.law_step, "set_step": preset.set_step}))

    return run


def _in_intrinsic_time(
    problem: Problem, which: slice, beta: float, step: float, until: float, *, max_steps: int = 100_000
) -> IntrinsicPath:
    H = torch.from_numpy(problem.H_forget[which])
    sign = torch.from_numpy(2 * problem.y_forget[which] - 1)
    return follow(
        lambda p: from_margins(sign * (H @ p["theta"])),
        {"theta": torch.from_numpy(problem.theta_ref)},
        weight_by_drop(beta),
        step=step,
        until=until,
        scale=beta or 1.0,
        max_steps=max_steps,
    )
