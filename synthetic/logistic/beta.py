"""Does the rule for β end where it should? β over two decades in a logistic model that knows its forget set by heart.

With the paper's 200 + 1000 noisy labels on 128 features the reference hardly knows the forget set, and u* is a few nats
that half of the examples do not share. Here 20 + 100 points on 256 features are learnt by heart (mean π_ref above .9),
and at α = 1 the retrained model is sure of the opposite: u* is 13 to 18 nats. At α = 0, where forget and retain inputs
lie over each other, it is 2 to 6. An answer is one label: that a β per token is n β per answer has no meaning here.

Units, <run> of `RUNS`; each holds all seeds:

    logistic/memorised-<α>-<seed>   the arrays of a `Problem`
    logistic/beta-<run>             the columns of `synthetic.chosen_beta` under `<seed>.`, distances over fresh inputs;
                                    values `label`, `method`, `alpha`, `optimizer`, `lr`, `seeds`
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.chosen_beta import Ran, looks, multiples, of_adam, of_descent, ruled, tried
from synthetic.logistic.columns import closed, gradient, march
from synthetic.logistic.gaussians import draw
from synthetic.logistic.presets import LogisticPreset, load_problem
from synthetic.logistic.problem import Problem, problem_from_arrays
from synthetic.logistic.rows import Columns, columns
from synthetic.logistic.unlearning import measure, rows_of
from theory.objective import method
from theory.weights import log_sigmoid

__all__ = ["RUNS", "beta_units"]

Array = np.ndarray
FEATURES, FORGET, RETAIN = 256, 20, 100
GD, ADAM = "GD", "AdamW"


@dataclass(frozen=True)
class BetaRun:
    """A setting in which β is swept."""

    label: str
    method: str
    alpha: float = 1.0
    optimizer: str = GD


RUNS = {
    "NPO": BetaRun("NPO", "NPO"),
    "NPO+RT": BetaRun("NPO+RT", "NPO+RT"),
    "NPO+RT-AdamW": BetaRun("NPO+RT, AdamW", "NPO+RT", optimizer=ADAM),
    "NPO+RT-overlap": BetaRun("NPO+RT, inputs overlap", "NPO+RT", alpha=0.0),
}


def beta_units(preset: LogisticPreset) -> list[Unit]:
    """The units of this study, in order."""
    seeds, fit = preset.seeds[: preset.beta_seeds], {"fit_steps": preset.fit_steps}
    problems = {(alpha, seed): f"logistic/memorised-{alpha:g}-{seed}" for alpha in (1.0, 0.0) for seed in seeds}
    found = [
        Unit(name, fit | {"alpha": alpha, "seed": seed}, partial(_problem_unit, preset=preset, alpha=alpha, seed=seed))
        for (alpha, seed), name in problems.items()
    ]
    settings = {k: v for k, v in asdict(preset).items() if k.startswith("beta")} | {"seeds": seeds}
    for name, run in RUNS.items():
        needs = tuple(problems[run.alpha, seed] for seed in seeds)
        work = partial(_beta_unit, preset=preset, run=run, seeds=seeds)
        found.append(Unit(f"logistic/beta-{name}", settings | asdict(run), work, needs, seconds=1.0 * len(seeds)))
    return found


def _problem_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset, alpha: float, seed: int
) -> None:
    sample = draw(alpha=alpha, seed=seed, features=FEATURES, n_forget=FORGET, n_retain=RETAIN)
    problem = problem_from_arrays(**vars(sample), fit_steps=preset.fit_steps, progress=progress)
    save(folder, Data(vars(problem), {"seed": seed, "alpha": alpha}))


def _beta_unit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    preset: LogisticPreset,
    run: BetaRun,
    seeds: tuple[int, ...],
) -> None:
    arrays = dict[str, Array]()
    for k, (seed, source) in enumerate(zip(seeds, inputs.values(), strict=True)):
        progress(k, len(seeds))
        found = _swept(load_problem(source), preset, run)
        arrays |= {f"{seed}.{name}": x for name, x in found.items()}
    lr = preset.beta_lr if run.optimizer == GD else preset.beta_adam_lr
    save(folder, Data(arrays, asdict(run) | {"lr": lr, "seeds": list(seeds)}))


def _swept(problem: Problem, preset: LogisticPreset, run: BetaRun) -> dict[str, Array]:
    """The sweep, what the rule makes of its probe, and the run at the rule's β."""
    adam = run.optimizer == ADAM
    at = looks(preset.beta_adam_steps if adam else preset.beta_steps)
    logp = _log_probs(problem)
    wanted = float((logp(problem.theta_ref) - logp(problem.theta_retrain)).mean())
    multiple = multiples(preset.beta_runs)
    swept = _runs(problem, preset, run, multiple / wanted, at)
    found = ruled(swept, at, multiple, wanted, of_adam if adam else of_descent)
    last = float(found["chosen"][-1])
    own = _runs(problem, preset, run, np.array([last / wanted]), at) if last > 0 else None
    before = measure(problem)(problem.theta_ref)[0]
    return found | tried(own, len(at)) | {"before": np.asarray(before)}


def _log_probs(problem: Problem) -> Callable[[Array], Array]:
    """θ -> log π_θ(y|x) of the forget rows, nats."""
    sign = 2 * problem.y_forget - 1
    return lambda theta: np.asarray(log_sigmoid(sign * (problem.H_forget @ theta)))


def _runs(problem: Problem, preset: LogisticPreset, run: BetaRun, betas: Array, at: list[int]) -> Ran:
    """All values of β together, looked at after these numbers of steps."""
    sizes = len(problem.y_forget), len(problem.y_retain)
    found = (closed(method(run.method, beta=float(beta)), preset.beta_lr, *sizes) for beta in betas)
    together = columns(*(one for one in found if one is not None))
    start = np.tile(problem.theta_ref, (len(betas), 1))
    go = _adam(problem, together, start, preset.beta_adam_lr) if run.optimizer == ADAM else _descent(problem, together)
    logp, distances = _log_probs(problem), measure(problem)
    theta, done, before, rows = start, 0, logp(problem.theta_ref), []
    for target in at:
        theta, done = go(theta, target - done), target
        rows.append([(float((before - logp(one)).mean()), *distances(one)[:2]) for one in theta])
    return Ran(*np.moveaxis(np.array(rows), -1, 0))


Go = Callable[[Array, int], Array]  # (θ of every run, k) -> θ after k more steps


def _descent(problem: Problem, together: Columns) -> Go:
    rows = rows_of(problem)
    return lambda theta, steps: march(rows, together, theta, steps)


def _adam(problem: Problem, together: Columns, start: Array, lr: float) -> Go:
    """AdamW on all runs as one tensor, which it treats number by number; it keeps θ itself."""
    rows, taken = rows_of(problem), torch.from_numpy(start.copy())
    optimiser = torch.optim.AdamW([taken], lr=lr, weight_decay=0.01)

    def go(_: Array, steps: int) -> Array:
        for _step in range(steps):
            taken.grad = torch.from_numpy(gradient(rows, together, taken.numpy()))
            optimiser.step()
        return taken.numpy().copy()

    return go
