"""The whole family of losses in a logistic model that knows its forget set by heart, and what the atlas says of each.

The problems are those of `synthetic.logistic.beta`, at α = 0, where forget and retain inputs lie over each other, so
that forgetting does harm. The atlas's scalar model is this room with orthogonal features: each forget row by itself,
with the confidence that π_ref has in it, and all with the one length at which they move as fast under gradient ascent
as the true rows do together at the start. Nothing is fitted.

Units; each holds all seeds:

    logistic/practice-<optimizer>   the columns of `synthetic.practice` under `<seed>.<method>.`, distances over fresh
                                    inputs; values `optimizer`, `lr`, `seeds`, `wanted` (u* of each seed), `methods`,
                                    `without` (why others are not there)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.grid import log_grid
from synthetic.logistic.optimisers import Optimiser, looked_at
from synthetic.logistic.presets import LogisticPreset, load_problem
from synthetic.logistic.problem import Problem
from synthetic.logistic.quantities import check_supplied
from synthetic.logistic.unlearning import measure
from synthetic.practice import MEASURED, Mover, each_mover, forget_loss, supplied
from theory.objective import Objective
from theory.weights import log_sigmoid

__all__ = ["practice_units", "problem_name"]

Array = np.ndarray
ALPHA, PER_DECADE = 0.0, 10


def problem_name(alpha: float, seed: int) -> str:
    """The unit of a problem that is known by heart."""
    return f"logistic/memorised-{alpha:g}-{seed}"


def practice_units(preset: LogisticPreset) -> list[Unit]:
    """The units of this study, in order."""
    seeds = preset.seeds[: preset.practice_seeds]
    needs = tuple(problem_name(ALPHA, seed) for seed in seeds)
    settings = {k: v for k, v in asdict(preset).items() if k.startswith("practice")} | {"seeds": seeds}
    work = partial(_practice_unit, preset=preset, seeds=seeds)
    return each_mover("logistic", settings, work, needs, seconds=0.01 * preset.practice_steps * len(seeds))


def _practice_unit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    preset: LogisticPreset,
    mover: Mover,
    seeds: tuple[int, ...],
) -> None:
    lr = preset.practice_adam_lr if mover.signed else preset.practice_lr
    at = log_grid(preset.practice_steps, PER_DECADE)
    run = partial(_run, optimiser=partial(mover.kind, lr=lr, **mover.options), at=at)
    methods, without = supplied(check_supplied)
    arrays, wanted = dict[str, Array](), dict[str, float]()
    for k, (seed, source) in enumerate(zip(seeds, inputs.values(), strict=True)):
        problem, predicted = load_problem(source), dict[str, Array]()
        apart = orthogonal(problem, signed=mover.signed)
        known, unknown = (_log_probs(problem, theta) for theta in (problem.theta_ref, problem.theta_retrain))
        wanted[str(seed)] = float((known - unknown).mean())
        for i, (name, objective) in enumerate(methods.items()):
            progress(k * len(methods) + i, len(seeds) * len(methods))
            loss = forget_loss(name)
            if loss not in predicted:
                predicted[loss] = run(apart, replace(objective, retain=None, dual=None))["drop"]
            columns = run(problem, objective) | {"predicted": predicted[loss]}
            arrays |= {f"{seed}.{name}.{column}": x for column, x in columns.items()}
    values = {"optimizer": mover.name, "lr": lr, "seeds": list(seeds), "methods": list(methods)}
    save(folder, Data(arrays, values | {"without": without, "wanted": wanted}))


def _log_probs(problem: Problem, theta: Array) -> Array:
    """log π_θ(y|x) of the forget rows, nats."""
    return np.asarray(log_sigmoid((2 * problem.y_forget - 1) * (problem.H_forget @ theta)))


def _run(problem: Problem, objective: Objective, *, optimiser: Optimiser, at: Sequence[int]) -> dict[str, Array]:
    """The columns of one run but the predicted one."""
    measured, rows = measure(problem), list[tuple[float, ...]]()
    before = _log_probs(problem, problem.theta_ref)

    def look(step: int, theta: Array) -> bool:
        forget_distance, _, _, retain_kl, *_ = measured(theta)
        drop = float((before - _log_probs(problem, theta)).mean())
        rows.append((float(step), drop, retain_kl, forget_distance))
        return bool(np.isfinite(rows[-1]).all())

    looked_at(problem, objective, optimiser, at=at, look=look)
    return dict(zip(MEASURED, np.array(rows).T, strict=True))


def orthogonal(problem: Problem, *, signed: bool) -> Problem:
    """The scalar model of a problem: its forget rows on axes of their own, of the length that keeps GA's first pace.

    Row i moves by η h_i·Σ_j y_j h_j / n a step of plain ascent, and by η h_i·sign(Σ_j y_j h_j) where each coordinate
    goes at full speed; on an axis of length k it is η k²/n and η k.
    """
    sign = 2 * problem.y_forget - 1
    rows, n = sign[:, None] * problem.H_forget, len(sign)
    together = rows.sum(axis=0)
    pace = float((rows @ (np.sign(together) if signed else together)).mean())
    length = pace if signed else np.sqrt(pace)
    axes, nothing = length * np.eye(n), np.zeros((1, n))
    return replace(
        problem,
        H_forget=axes,
        H_retain=nothing,
        y_retain=np.zeros(1),
        H_eval_forget=nothing,
        H_eval_retain=nothing,
        theta_ref=problem.H_forget @ problem.theta_ref / length,
        theta_retrain=np.zeros(n),
    )
