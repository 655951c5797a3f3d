"""Intrinsic time for every loss in the logistic room: examples alone, each on its loss's own law, and a small set.

Unit, and what it leaves:

    logistic/loss-times     first seed and α. Paths as `theory.theorems.time.forgetting` saves them, with `asked`, the
    time
                            that the law asks for: single-<loss>, the first example alone, and set-<loss>, the first few
                            together, for every loss that has a law on two classes. Values: losses, examples, step

All losses go together: none sees another.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.logistic.presets import LogisticPreset, as_run, load_problem
from synthetic.logistic.problem import Problem
from theory.kernel import Kernel
from theory.logprobs import from_margins
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.forgetting import Forgetting, columns_of, forgotten, laws_of
from theory.theorems.time.loss_times import kernels_with_a_law

__all__ = ["loss_times_unit"]


def loss_times_unit(preset: LogisticPreset, problem: str) -> Unit:
    """The unit of this part, from the unit of a problem."""
    settings = {k: v for k, v in asdict(preset).items() if k.startswith("loss_times")}
    losses = list(kernels_with_a_law(ForgetAnswer(-1.0)))
    run = partial(_unit, preset=preset)
    return Unit("logistic/loss-times", settings | {"losses": losses}, run, (problem,), seconds=4)


def _unit(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: LogisticPreset) -> None:
    (source,) = inputs.values()
    problem, arrays = load_problem(source), dict[str, np.ndarray]()
    kernels = kernels_with_a_law(ForgetAnswer(-1.0))
    examples = {"single": 1, "set": preset.loss_times_examples}
    for k, (kind, n) in enumerate(examples.items()):
        instance = _instance(problem, kernels, n, preset)
        laws = laws_of(instance)
        path = forgotten(instance, laws, _share(progress, k, len(examples)))
        for run, (name, own) in enumerate(zip(kernels, laws, strict=True)):
            arrays |= columns_of(path.of(run), own, f"{kind}-{name}")
    values = {"losses": list(kernels), "examples": preset.loss_times_examples, "step": preset.loss_times_step}
    save(folder, Data(arrays, as_run(preset, preset.alphas[0], preset.seeds[0]) | values))


def _share(progress: Progress, k: int, parts: int) -> Progress:
    """The progress of part k of several, as that of all."""
    return lambda done, total: progress(k * total + done, parts * total)


def _instance(problem: Problem, kernels: Mapping[str, Kernel], n: int, preset: LogisticPreset) -> Forgetting:
    """The first n forget examples, under each loss."""
    signed = torch.from_numpy((2 * problem.y_forget[:n, None] - 1) * problem.H_forget[:n])

    def log_probs(parameters: Mapping[str, Tensor]) -> Tensor:
        return from_margins(parameters["theta"] @ signed.T)

    theta = torch.from_numpy(problem.theta_ref).expand(len(kernels), -1)
    return Forgetting(
        log_probs,
        {"theta": theta},
        kernels,
        step=preset.loss_times_step,
        until=preset.loss_times_until,
        longest=preset.loss_times_longest,
        most=preset.loss_times_most,
    )
