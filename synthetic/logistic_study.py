"""What is run in the logistic room: the paper's Section 4 at α = 1 and α = 0, the divergence to 10⁶ steps, and the law.

Units, and what each leaves (α in its shortest form; arrays over evaluated steps unless said otherwise):

    logistic/problem-<α>-<seed>    the arrays of a `Problem`
    logistic/methods-<α>-<seed>    the trajectories of all methods, for Figures 4 and 9 (`load_trajectories`)
    logistic/figure3-<seed>        those of GA and NPO-<β>, at one step size
    logistic/long-<seed>           the same to 10⁶ steps, evaluated on a logarithmic grid

and those of `synthetic.logistic_law`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from records.settings import MOST_STEPS, NotNegative, Positive, Seed, Steps, distinct
from records.store import Data, load, save
from records.work import Progress, Run, Unit
from synthetic.gaussians import draw
from synthetic.logistic import save_trajectories, unlearn_together
from synthetic.problem import FIT_STEPS, Problem, problem_from_arrays
from synthetic.when import evaluated, log_grid
from theory.objective import Objective, method

__all__ = ["FULL", "N_FORGET", "QUICK", "REPRODUCE", "Preset", "Setting", "load_problem", "table_1", "units"]

N_FORGET = 200
"""Forget examples of a problem, as in the paper."""


@dataclass(frozen=True)
class Setting:
    """A method with its step size and β; `ours` where Table 1 of the paper has no such row."""

    method: str
    lr: float
    beta: float | None = None
    ours: bool = False

    def objective(self) -> Objective:
        """The objective of this row."""
        return method(self.method) if self.beta is None else method(self.method, beta=self.beta)


def table_1(alpha: float) -> tuple[Setting, ...]:
    """All twelve methods with the step sizes and β of Table 1 of arXiv:2404.05868.

    The methods that it leaves out take those of their nearest kin (KTO as NPO). The table has α = 1 and α = 0; any
    other α takes the values of α = 1.

    >>> [s.method for s in table_1(1.0) if not s.ours]
    ['GA', 'GA+RT', 'IDK+RT', 'DPO+RT', 'NPO', 'NPO+RT']
    """
    ascent, npo, dpo = (5e-4, (5e-3, 1.0), (5e-3, 0.1)) if alpha else (1e-4, (5e-2, 10.0), (5e-2, 5.0))
    return (
        Setting("GA", ascent),
        Setting("GA+RT", ascent),
        Setting("GA+KL", ascent, ours=True),
        Setting("IDK+RT", ascent),
        Setting("DPO", *dpo, ours=True),
        Setting("DPO+RT", *dpo),
        Setting("DPO+KL", *dpo, ours=True),
        Setting("KTO", *npo, ours=True),
        Setting("KTO+RT", *npo, ours=True),
        Setting("NPO", *npo),
        Setting("NPO+RT", *npo),
        Setting("NPO+KL", *npo, ours=True),
    )


Alpha = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]  # beyond, π_ref is certain in float64
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class Preset:
    """How much of Section 4 to run; the paper's values where nothing else is said."""

    seeds: tuple[Seed, ...] = (1000, 2000, 3000, 4000, 5000)  # as in the authors' code
    alphas: tuple[Alpha, ...] = (1.0, 0.0)
    fit_steps: Steps = FIT_STEPS
    steps: Steps = 2000
    every: PositiveInt = 25
    figure3_lr: Positive = 5e-4
    figure3_steps: Steps = 10_000
    figure3_every: PositiveInt = 5
    figure3_betas: tuple[Positive, ...] = (0.01, 0.1, 0.2, 0.5, 1.0)
    long_betas: tuple[Positive, ...] = (0.1, 0.5, 1.0)
    long_steps: Steps = 1_000_000
    law_betas: tuple[NotNegative, ...] = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # 0 is GA
    law_examples: tuple[Annotated[int, Field(ge=0, lt=N_FORGET)], ...] = (0, 1)
    law_step: Annotated[float, Field(gt=0, lt=1)] = 0.02
    law_until: Positive = 8.0
    set_betas: tuple[Positive, ...] = (0.1, 1.0)
    set_step: Annotated[float, Field(gt=0, lt=1)] = 0.04
    set_steps: Steps = 600
    departure_seeds: PositiveInt = 5  # the first of `seeds`, as many
    departure_alphas: tuple[Alpha, ...] = (1.0, 0.5, 0.0)
    departure_noises: tuple[Share, ...] = (0.0, 0.2, 0.4)
    departure_betas: tuple[Positive, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)
    departure_until: Positive = 100.0  # Σ η: 200,000 steps of 5e-4
    margin_examples: PositiveInt = 20
    margin_betas: tuple[Positive, ...] = (0.5, 1.0)

    def __post_init__(self) -> None:
        """Refuse empty lists, and values that would share a name in the results."""
        lists = ("seeds", "alphas", "figure3_betas", "long_betas", "law_betas", "law_examples", "set_betas")
        for name in (*lists, "departure_alphas", "departure_noises", "departure_betas", "margin_betas"):
            distinct(name, getattr(self, name))
        for until, step in (("law_until", self.law_step), ("departure_until", 1e-6)):
            if getattr(self, until) / step > MOST_STEPS:
                raise ValueError(f"{until}={getattr(self, until):g} is more than {MOST_STEPS:,} steps away")


FULL = Preset()
REPRODUCE = Preset(long_steps=100_000, departure_seeds=1, departure_alphas=(1.0, 0.0), departure_noises=(0.0, 0.4))
QUICK = Preset(
    seeds=(1000,),
    fit_steps=4000,
    figure3_steps=1000,
    long_steps=2000,
    law_betas=(0.0, 0.1, 1.0),
    law_examples=(0,),
    law_step=0.05,
    set_step=0.1,
    set_steps=150,
    departure_seeds=1,
    departure_alphas=(1.0,),
    departure_noises=(0.0,),
    departure_betas=(0.1, 1.0),
    departure_until=10.0,
    margin_betas=(0.5,),
)

PACKAGES = ("theory", "synthetic", "records")


def units(preset: Preset) -> list[Unit]:
    """The units of this room, in order."""
    from synthetic.logistic_law import law_units  # it needs this module's Preset

    found = []
    problems = {(alpha, seed): f"logistic/problem-{alpha:g}-{seed}" for alpha in preset.alphas for seed in preset.seeds}
    for (alpha, seed), problem in problems.items():
        data = {"alpha": alpha, "seed": seed, "fit_steps": preset.fit_steps}
        found.append(Unit(problem, data, PACKAGES, _problem_unit(preset, alpha, seed)))
        settings = {"table": [asdict(row) for row in table_1(alpha)], "steps": preset.steps, "every": preset.every}
        run = _methods_unit(preset, alpha, seed)
        found.append(Unit(f"logistic/methods-{alpha:g}-{seed}", settings, PACKAGES, run, (problem,)))
    figure3 = {k: v for k, v in asdict(preset).items() if k.startswith("figure3")}
    long = {"lr": preset.figure3_lr, "betas": preset.long_betas, "steps": preset.long_steps}
    for seed in preset.seeds:
        first = (problems[preset.alphas[0], seed],)
        found.append(Unit(f"logistic/figure3-{seed}", figure3, PACKAGES, _figure3_unit(preset, seed), first))
        found.append(Unit(f"logistic/long-{seed}", long, PACKAGES, _long_unit(preset, seed), first))
    return found + law_units(preset, problems)


def load_problem(folder: Path) -> Problem:
    """The problem that a problem unit saved."""
    arrays = load(folder).arrays
    return Problem(**{f.name: arrays[f.name] for f in fields(Problem)})


def as_run(preset: Preset, alpha: float, seed: int) -> dict[str, float]:
    """What a reader must know to say whether this is the paper's experiment."""
    return {"seed": seed, "alpha": alpha, "fit_steps": preset.fit_steps, "steps": preset.steps}


def _problem_unit(preset: Preset, alpha: float, seed: int) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        sample = vars(draw(alpha=alpha, seed=seed, n_forget=N_FORGET))
        problem = problem_from_arrays(**sample, fit_steps=preset.fit_steps, progress=progress)
        save(folder, Data(vars(problem), {"seed": seed, "alpha": alpha}))

    return run


def _methods_unit(preset: Preset, alpha: float, seed: int) -> Run:
    table = table_1(alpha)

    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        (source,) = inputs.values()
        runs = {row.method: (row.objective(), row.lr) for row in table}
        paths = unlearn_together(
            load_problem(source), runs, at=evaluated(preset.steps, preset.every), progress=progress
        )
        provenance = as_run(preset, alpha, seed) | {"table": [asdict(row) for row in table]}
        save_trajectories(folder, paths, provenance)

    return run


def _against_ga(betas: Sequence[float], lr: float) -> dict[str, tuple[Objective, float]]:
    """GA and NPO for every β, at one step size."""
    return {"GA": (method("GA"), lr)} | {f"NPO-{b:g}": (method("NPO", beta=b), lr) for b in betas}


def _figure3_unit(preset: Preset, seed: int) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        (source,) = inputs.values()
        runs = _against_ga(preset.figure3_betas, preset.figure3_lr)
        at = evaluated(preset.figure3_steps, preset.figure3_every)
        paths = unlearn_together(load_problem(source), runs, at=at, progress=progress)
        provenance = as_run(preset, preset.alphas[0], seed)
        save_trajectories(folder, paths, provenance | {"lr": preset.figure3_lr, "betas": list(preset.figure3_betas)})

    return run


def _long_unit(preset: Preset, seed: int) -> Run:
    def run(folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        (source,) = inputs.values()
        runs = _against_ga(preset.long_betas, preset.figure3_lr)
        paths = unlearn_together(load_problem(source), runs, at=log_grid(preset.long_steps), progress=progress)
        provenance = as_run(preset, preset.alphas[0], seed) | {"long_steps": preset.long_steps}
        save_trajectories(folder, paths, provenance | {"lr": preset.figure3_lr, "betas": list(preset.long_betas)})

    return run
