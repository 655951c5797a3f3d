"""What is run in the logistic room: the paper's Section 4 at α = 1 and α = 0, the divergence to 10⁶ steps, and the law.

Units, and what each leaves (α in its shortest form; arrays over evaluated steps unless said otherwise):

    logistic/problem-<α>-<seed>    the arrays of a `Problem`
    logistic/methods-<α>-<seed>    the trajectories of all methods, for Figures 4 and 9 (`load_trajectories`)
    logistic/figure3-<seed>        those of GA and NPO-<β>, at one step size
    logistic/long-<seed>           the same to 10⁶ steps, evaluated on a logarithmic grid

and those of `synthetic.logistic.law`, `synthetic.logistic.loss_times`, `synthetic.logistic.beta`,
`synthetic.logistic.bounded`, `synthetic.logistic.rounding`, `synthetic.logistic.stages`,
`synthetic.logistic.relearnt_part`, `synthetic.logistic.practice` and `synthetic.logistic.relearning`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.grid import evaluated, log_grid
from synthetic.logistic.beta import beta_units
from synthetic.logistic.bounded import bounded_units
from synthetic.logistic.gaussians import draw
from synthetic.logistic.law import law_units
from synthetic.logistic.loss_times import loss_times_unit
from synthetic.logistic.practice import practice_units
from synthetic.logistic.presets import N_FORGET, LogisticPreset, as_run, load_problem, table_1
from synthetic.logistic.problem import problem_from_arrays
from synthetic.logistic.relearning import relearning_unit
from synthetic.logistic.relearnt_part import relearnt_part_unit
from synthetic.logistic.rounding import rounding_unit
from synthetic.logistic.stages import stages_unit
from synthetic.logistic.unlearning import save_trajectories, unlearn_together
from theory.objective import Objective, method

__all__ = ["units"]


def units(preset: LogisticPreset) -> list[Unit]:
    """The units of this room, in order."""
    found = []
    problems = {(alpha, seed): f"logistic/problem-{alpha:g}-{seed}" for alpha in preset.alphas for seed in preset.seeds}
    for (alpha, seed), problem in problems.items():
        data = {"alpha": alpha, "seed": seed, "fit_steps": preset.fit_steps}
        found.append(Unit(problem, data, partial(_problem_unit, preset=preset, alpha=alpha, seed=seed)))
        settings = {"table": [asdict(row) for row in table_1(alpha)], "steps": preset.steps, "every": preset.every}
        run = partial(_methods_unit, preset=preset, alpha=alpha, seed=seed)
        found.append(Unit(f"logistic/methods-{alpha:g}-{seed}", settings, run, (problem,)))
    figure3 = {k: v for k, v in asdict(preset).items() if k.startswith("figure3")}
    long = {"lr": preset.figure3_lr, "betas": preset.long_betas, "steps": preset.long_steps}
    for seed in preset.seeds:
        first = (problems[preset.alphas[0], seed],)
        run, seconds = partial(_figure3_unit, preset=preset, seed=seed), 5e-4 * preset.figure3_steps
        found.append(Unit(f"logistic/figure3-{seed}", figure3, run, first, seconds=seconds))
        run, seconds = partial(_long_unit, preset=preset, seed=seed), 4e-5 * preset.long_steps
        found.append(Unit(f"logistic/long-{seed}", long, run, first, seconds=seconds))
    times = loss_times_unit(preset, problems[preset.alphas[0], preset.seeds[0]])
    rounding = rounding_unit(preset, problems[preset.alphas[0], preset.seeds[0]])
    last = [
        *beta_units(preset),
        *bounded_units(preset, problems),
        rounding,
        stages_unit(preset),
        relearnt_part_unit(preset),
        *practice_units(preset),
        relearning_unit(preset),
    ]
    return [*found, *law_units(preset, problems), times, *last]


def _problem_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, alpha: float, seed: int
) -> None:
    sample = vars(draw(alpha=alpha, seed=seed, n_forget=N_FORGET))
    problem = problem_from_arrays(**sample, fit_steps=preset.fit_steps, progress=progress)
    save(folder, Data(vars(problem), {"seed": seed, "alpha": alpha}))


def _methods_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, alpha: float, seed: int
) -> None:
    table = table_1(alpha)
    (source,) = inputs.values()
    runs = {row.method: (row.objective(), row.lr) for row in table}
    paths = unlearn_together(load_problem(source), runs, at=evaluated(preset.steps, preset.every), progress=progress)
    provenance = as_run(preset, alpha, seed) | {"table": [asdict(row) for row in table]}
    save_trajectories(folder, paths, provenance)


def _against_ga(betas: Sequence[float], lr: float) -> dict[str, tuple[Objective, float]]:
    """GA and NPO for every β, at one step size."""
    return {"GA": (method("GA"), lr)} | {f"NPO-{b:g}": (method("NPO", beta=b), lr) for b in betas}


def _figure3_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, seed: int
) -> None:
    (source,) = inputs.values()
    runs = _against_ga(preset.figure3_betas, preset.figure3_lr)
    at = evaluated(preset.figure3_steps, preset.figure3_every)
    paths = unlearn_together(load_problem(source), runs, at=at, progress=progress)
    provenance = as_run(preset, preset.alphas[0], seed)
    save_trajectories(folder, paths, provenance | {"lr": preset.figure3_lr, "betas": list(preset.figure3_betas)})


def _long_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, seed: int
) -> None:
    (source,) = inputs.values()
    runs = _against_ga(preset.long_betas, preset.figure3_lr)
    paths = unlearn_together(load_problem(source), runs, at=log_grid(preset.long_steps), progress=progress)
    provenance = as_run(preset, preset.alphas[0], seed) | {"long_steps": preset.long_steps}
    save_trajectories(folder, paths, provenance | {"lr": preset.figure3_lr, "betas": list(preset.long_betas)})
