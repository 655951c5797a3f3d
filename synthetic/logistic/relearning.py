"""Who resists relearning in a logistic model that knows its forget set by heart? After `synthetic.relearning`.

The problems are those of `synthetic.logistic.beta` at α = 0, where forget and retain inputs lie over each other, so
that a retain term holds the forgotten answers up. An answer is one label, so that losses of tokens are losses of
answers.

Unit, all seeds in it:

    logistic/relearning   `<arm>.<column>` (seeds,) at an equal drop, and `steps.<arm>.<column>` (looks, seeds) and
                          `steps.at` at equal steps; values `arms`, `stepped`, `seeds`, `wanted`
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.logistic.practice import problem_name
from synthetic.logistic.presets import LogisticPreset, load_problem
from synthetic.logistic.problem import Problem
from synthetic.relearning import HowFar, arms_of, at_equal_drop, at_equal_steps, stepped_of
from synthetic.there_and_back import ManyModels
from theory.logprobs import from_margins
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.loss_times import kernels_with_a_law

__all__ = ["relearning_unit"]

ALPHA = 0.0
WANTED, LR, ADAM_LR = 8.0, 0.02, 4e-3
BETAS = (0.1, 5.0)  # of NPO, beside ½
STEP = 0.05  # of unlearning at equal steps
LOOKS = (5, 15, 50, 150)


def relearning_unit(preset: LogisticPreset) -> Unit:
    """The unit of this study."""
    seeds = preset.seeds[: preset.relearning_seeds]
    needs = tuple(problem_name(ALPHA, seed) for seed in seeds)
    losses = list(kernels_with_a_law(ForgetAnswer(-1.0)))
    setting = HowFar(WANTED, preset.relearning_paces, LR, ADAM_LR, preset.relearning_most)
    settings = asdict(setting) | {"seeds": seeds, "losses": losses, "betas": BETAS, "step": STEP, "looks": LOOKS}
    work = partial(_unit, seeds=seeds, setting=setting)
    return Unit("logistic/relearning", settings, work, needs, seconds=3.0 * len(seeds))


def _unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, seeds: Sequence[int], setting: HowFar
) -> None:
    take = partial(_models, [load_problem(source) for source in inputs.values()])
    arms = arms_of(kernels_with_a_law(ForgetAnswer(-1.0)), BETAS)
    arrays = at_equal_drop(take, len(seeds), arms, setting)
    progress(1, 2)
    paper = stepped_of(arms)
    steps = at_equal_steps(take, len(seeds), paper, setting, lr=STEP, at=LOOKS)
    values = {"arms": list(arms), "stepped": list(paper), "seeds": list(seeds), "wanted": setting.wanted}
    save(folder, Data(arrays | {f"steps.{name}": x for name, x in steps.items()}, values))


def _models(problems: Sequence[Problem], runs: Sequence[int]) -> ManyModels:
    """One model for each run; rows y h of its own problem."""
    forget, kept = (
        torch.stack([_signed(getattr(problems[run], f"H_{of}"), getattr(problems[run], f"y_{of}")) for run in runs])
        for of in ("forget", "retain")
    )
    theta = torch.stack([torch.from_numpy(problems[run].theta_ref) for run in runs])
    return ManyModels(
        lambda parameters: _log_probs(parameters, forget)[..., None],
        lambda parameters: _log_probs(parameters, kept),
        {"theta": theta},
    )


def _signed(features: np.ndarray, labels: np.ndarray) -> Tensor:
    return torch.from_numpy((2 * labels[:, None] - 1) * features)


def _log_probs(parameters: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    return from_margins(torch.einsum("rnd,rd->rn", rows, parameters["theta"]))
