"""Unlearning the logistic problem with any optimiser of torch, and with minibatches.

The paper descends on the full batch by plain gradient descent (`synthetic.logistic.unlearn`). Here the same
closed gradient goes into `.grad` of a float64 parameter and a `torch.optim` optimiser takes the step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from records.errors import UserError
from records.work import Progress, silent
from synthetic.logistic.problem import Problem
from synthetic.logistic.slopes import answered, dual_of, gradient, gradient_on
from synthetic.logistic.unlearning import Recorder, Trajectory, evaluated, measure
from theory.objective import Objective
from theory.optimizers.sam import LooksNearby

__all__ = ["Optimiser", "looked_at", "unlearn_with"]

Array = np.ndarray
Slope = Callable[[Array], Array]
Optimiser = Callable[[list[torch.Tensor]], torch.optim.Optimizer]
Look = Callable[[int, Array], bool]
"""Sees θ after so many steps, and says whether the run goes on."""


def unlearn_with(
    problem: Problem,
    objective: Objective,
    optimiser: Optimiser,
    *,
    steps: int,
    every: int,
    batch: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Trajectory:
    """Unlearn from π_ref with an optimiser, e.g. `partial(torch.optim.Adam, lr=1e-2)`.

    `batch` forget rows a step (None: all), by shuffled epochs, and as many retain rows, drawn anew at each step; from a
    generator of its own, seeded with `seed`. KTO's KL is then the mean over the batch.
    A run that diverges ends there, as in `synthetic.logistic.unlearn`.

    >>> from functools import partial
    >>> from theory.objective import method
    >>> from synthetic.logistic.gaussians import draw
    >>> from synthetic.logistic.problem import problem_from_arrays
    >>> problem = problem_from_arrays(**vars(draw(alpha=1.0, seed=0)), fit_steps=200)
    >>> unlearn_with(problem, method("GA"), partial(torch.optim.Adam, lr=1e-2), steps=30, every=10, batch=50).steps
    array([ 0., 10., 20., 30.])
    """
    _check(problem, steps, every, batch)
    recorder = Recorder(measure(problem))

    def look(k: int, theta: Array) -> bool:
        progress(k, steps)
        return recorder.record(k, theta)

    slopes = _slopes(problem, objective, batch, torch.Generator().manual_seed(seed))
    _descend(problem.theta_ref, optimiser, slopes, evaluated(steps, every), look)
    return recorder.trajectory()


def looked_at(problem: Problem, objective: Objective, optimiser: Optimiser, *, at: Sequence[int], look: Look) -> None:
    """Unlearn from π_ref on the full batch; `look` sees θ after these numbers of steps and says whether to go on."""
    _descend(problem.theta_ref, optimiser, _slopes(problem, objective, None, torch.Generator()), at, look)


def _descend(
    start: Array, optimiser: Optimiser, slopes: Iterator[tuple[Slope, Slope]], at: Sequence[int], look: Look
) -> None:
    theta, wanted = torch.from_numpy(start.copy()), set(at)
    taken = optimiser([theta])
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run ends by the test for finite numbers
        for k in range(max(at) + 1):
            if k in wanted and not look(k, theta.numpy()):
                return
            if k < max(at):
                _step(theta, taken, *next(slopes))


def _step(theta: torch.Tensor, taken: torch.optim.Optimizer, whole: Slope, forget: Slope) -> None:
    """One step along the gradient at θ; its forget part is that of another place where the optimiser wants that."""
    slope = whole(theta.numpy())
    if isinstance(taken, LooksNearby):
        here = forget(theta.numpy())
        theta.grad = torch.from_numpy(here.copy())
        taken.perturb()
        slope = slope + (forget(theta.numpy()) - here)
        taken.restore()
    theta.grad = torch.from_numpy(slope)
    taken.step()


def _check(problem: Problem, steps: int, every: int, batch: int | None) -> None:
    wrong = []
    if steps < 0 or every < 1:
        wrong.append(f"steps ≥ 0 and every ≥ 1 are needed, got steps={steps}, every={every}.")
    if batch is not None and not 1 <= batch <= len(problem.y_forget):
        wrong.append(f"batch must be from 1 to the {len(problem.y_forget)} forget rows, got {batch}.")
    if wrong:
        raise UserError(" ".join(wrong))


def _slopes(
    problem: Problem, objective: Objective, batch: int | None, generator: torch.Generator
) -> Iterator[tuple[Slope, Slope]]:
    """The gradient of each step as a function of θ, and that of the forget term alone."""
    forgetting = replace(objective, retain=None, dual=None)
    if batch is None:
        whole = gradient(problem, objective), gradient(problem, forgetting)
        while True:
            yield whole
    every, kept = answered(problem, objective)
    n_forget, n_retain = len(problem.y_forget), len(problem.y_retain)
    dual = dual_of(kept, objective, epoch=-(-n_forget // batch))
    while True:
        for forget in torch.randperm(n_forget, generator=generator).split(batch):
            retain = torch.randperm(n_retain, generator=generator)[:batch]
            some = every.some(forget.numpy()), kept.some(retain.numpy())
            yield gradient_on(*some, objective, dual), gradient_on(*some, forgetting)
