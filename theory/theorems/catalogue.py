"""Every theorem by a short name, with an instance on which to check it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from theory.theorems.beta.adam_clock import Confidence
from theory.theorems.beta.adam_in_torch import ADAM_CLOCK, BETA_UNDER_ADAM, AdamRun
from theory.theorems.beta.wanted_drops import CHOSEN_BETA, CHOSEN_BETA_OF_A_SET, WantedDrops
from theory.theorems.paper.divergence import THEOREM_2_GA, THEOREM_2_NPO, Divergence, build
from theory.theorems.paper.ga_limit import PROPOSITION_1, PROPOSITION_1_WEIGHT, LogRatios
from theory.theorems.paper.gradient_weight import (
    BOUNDED_BELOW,
    GRADIENT_WEIGHT,
    PROPOSITION_1_GRADIENT,
    Gradients,
    gradients_of,
)
from theory.theorems.paper.instance_constants import INSTANCE_GA, INSTANCE_NPO
from theory.theorems.recovery.relearning import RELEARN_RATIO, RELEARNING
from theory.theorems.recovery.relearnt_part import (
    RELEARNT_PART,
    RELEARNT_PART_LINEAR,
    PartPath,
    Relearnable,
    relearn_part,
)
from theory.theorems.recovery.sam_shift import SAM_SHIFT, LinearAnswer
from theory.theorems.rounding.born import (
    ROUNDING_DEAD_ZONE,
    ROUNDING_OTHER_BITS,
    some_moves_from_bits,
    some_moves_near_levels,
)
from theory.theorems.rounding.theorems import (
    ROUNDING_CONCAVE,
    ROUNDING_LEVELS,
    ROUNDING_MEAN,
    ROUNDING_SHARE,
    ROUNDING_VARIANCE,
    forgotten_row,
    some_moves,
    some_moves_on_levels,
)
from theory.theorems.specimens import small_network
from theory.theorems.theorem import Theorem
from theory.theorems.time.forgetting import LOSS_TIMES, Forgetting
from theory.theorems.time.intrinsic_time import INTRINSIC_TIME, Single
from theory.theorems.time.one_path import PLAIN_TIME, ten_classes
from theory.theorems.ways_back import every_loss

__all__ = ["CATALOGUE", "Exhibit"]


@dataclass(frozen=True)
class Exhibit:
    """A theorem, a function that makes an instance of it from a seed, and a looser theorem on the same instances."""

    theorem: Theorem[Any]
    instance: Callable[[int], Any]
    looser: Theorem[Any] | None = None


def _log_ratios(seed: int) -> LogRatios:
    return LogRatios(np.random.default_rng(seed).normal(scale=5.0, size=200), np.geomspace(1e-12, 1e3, 61))


def _gradients(seed: int) -> Gradients:
    specimen = small_network(n=8, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    moved = {
        name: p + 0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
        for name, p in specimen.parameters.items()
    }
    return gradients_of(specimen, moved, np.geomspace(1e-6, 1.0, 25))


def _divergence(seed: int) -> Divergence:
    return Divergence(build(n=64, d=128, beta=1.0, lr=10.0, seed=seed), beta=1.0, steps=1_000_000)


def _single(seed: int) -> Single:
    specimen = small_network(seed=seed)
    return Single(specimen.log_probs, specimen.parameters, beta=0.5)


def _forgetting(seed: int) -> Forgetting:
    return every_loss(seed, step=0.05, until=3.0, longest=30.0)


def _relearning(seed: int) -> Forgetting:
    return every_loss(seed, step=0.1, until=2.0, longest=30.0)  # there and back


def _linear_answer(seed: int) -> LinearAnswer:
    return LinearAnswer(np.random.default_rng(seed).normal(size=16), confidence=2.0, beta=0.5, rho=0.1, steps=60)


def _wanted(seed: int, examples: int) -> WantedDrops:
    specimen = small_network(n=examples, seed=seed)
    step = 0.02 if examples == 1 else 0.1  # sets take longer
    return WantedDrops(specimen.log_probs, specimen.parameters, np.array([10.0, 20.0, 40.0]), budget=200.0, step=step)


def _adam(seed: int, values: np.ndarray) -> AdamRun:
    """A warm-up of 10 steps, then speeds that fall linearly, of answers of ten tokens of probability .8."""
    rise, fall = np.arange(10) / 10, np.linspace(1, 0, 70, endpoint=False)
    scale = np.random.default_rng(seed).uniform(0.8, 1.2)
    return AdamRun(scale * np.concatenate([rise, fall]), values, eps=1e-8, confidence=Confidence(0.8, 10.0))


def _relearnt(seed: int) -> PartPath:
    specimen = small_network(n=8, seed=seed)
    return relearn_part(specimen.log_probs, specimen.parameters, np.arange(4), step=0.05, until=1.0)[0]


def _relearnable(seed: int) -> Relearnable:
    """Twelve rows with a common part, all forgotten, of which four are relearnt."""
    rows = np.random.default_rng(seed).normal(size=(12, 20)) + 0.5
    return Relearnable(rows, -rows.mean(axis=0), np.arange(4), lr=0.1, steps=np.array([1, 10, 100, 1000]))


CATALOGUE: dict[str, Exhibit] = {
    "bounded-below": Exhibit(BOUNDED_BELOW, _log_ratios),
    "gradient-weight": Exhibit(GRADIENT_WEIGHT, _log_ratios),
    "proposition-1": Exhibit(PROPOSITION_1, _log_ratios),
    "proposition-1-weight": Exhibit(PROPOSITION_1_WEIGHT, _log_ratios),
    "proposition-1-gradient": Exhibit(PROPOSITION_1_GRADIENT, _gradients),
    "theorem-2-ga": Exhibit(THEOREM_2_GA, _divergence),
    "theorem-2-npo": Exhibit(THEOREM_2_NPO, _divergence),
    "instance-ga": Exhibit(INSTANCE_GA, _divergence, looser=THEOREM_2_GA),
    "instance-npo": Exhibit(INSTANCE_NPO, _divergence, looser=THEOREM_2_NPO),
    "intrinsic-time": Exhibit(INTRINSIC_TIME, _single),
    "loss-times": Exhibit(LOSS_TIMES, _forgetting),
    "chosen-beta": Exhibit(CHOSEN_BETA, lambda seed: _wanted(seed, 1)),
    "chosen-beta-set": Exhibit(CHOSEN_BETA_OF_A_SET, lambda seed: _wanted(seed, 6)),
    "relearning": Exhibit(RELEARNING, _relearning),
    "relearn-ratio": Exhibit(RELEARN_RATIO, _relearning),
    "plain-time": Exhibit(PLAIN_TIME, ten_classes),
    "sam-shift": Exhibit(SAM_SHIFT, _linear_answer),
    "rounding-share": Exhibit(ROUNDING_SHARE, some_moves),
    "rounding-mean": Exhibit(ROUNDING_MEAN, some_moves),
    "rounding-variance": Exhibit(ROUNDING_VARIANCE, some_moves),
    "rounding-levels": Exhibit(ROUNDING_LEVELS, some_moves_on_levels),
    "rounding-concave": Exhibit(ROUNDING_CONCAVE, forgotten_row),
    "rounding-dead-zone": Exhibit(ROUNDING_DEAD_ZONE, some_moves_near_levels),
    "rounding-other-bits": Exhibit(ROUNDING_OTHER_BITS, some_moves_from_bits),
    "adam-clock": Exhibit(ADAM_CLOCK, lambda seed: _adam(seed, np.array([0.0, 0.05, 0.5]))),
    "relearnt-part": Exhibit(RELEARNT_PART, _relearnt),
    "relearnt-part-linear": Exhibit(RELEARNT_PART_LINEAR, _relearnable),
    "beta-under-adam": Exhibit(BETA_UNDER_ADAM, lambda seed: _adam(seed, np.array([20.0, 30.0, 40.0]))),
}
