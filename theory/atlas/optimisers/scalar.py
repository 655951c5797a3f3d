"""Optimisers in the scalar model: step by step, millions of steps, on the force of any loss.

One example with one coordinate (‖x‖ = 1): the margin m is all that moves. `simulate` follows it; the laws of each
optimiser are in `theory.atlas.optimisers.laws`, those that need a retain gradient too in
`theory.atlas.optimisers.pair`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from theory.atlas.optimisers import rules
from theory.atlas.optimisers.force import Force, force_of
from theory.atlas.optimisers.loop import loop
from theory.atlas.scalar import ScalarLoss

__all__ = ["OPTIMISERS", "ScalarOptimiser", "adam", "force", "simulate"]

Array = np.ndarray


@dataclass(frozen=True)
class ScalarOptimiser:
    """A rule of `theory.atlas.optimisers.rules` with its options; μ of heavy ball is β₁, ρ·bs of Sophia is `eps`.

    `floor` σ is the root mean square of other gradients in the coordinate, falling as e^(−`fading`·t). `weight_decay`
    draws the logit c − m to 0 by lr·weight_decay a step; `nearby` is SAM's ρ. ValueError for options out of range.
    """

    name: str
    rule: Callable[..., float]
    lr: float
    beta1: float = 0.0
    beta2: float = 0.0
    eps: float = 0.0
    floor: float = 0.0
    fading: float = 0.0
    weight_decay: float = 0.0
    nearby: float = 0.0

    def __post_init__(self) -> None:
        """As said above."""
        rest = (self.lr, self.eps, self.floor, self.fading, self.nearby)
        fine = self.lr > 0 and all(0 <= x < math.inf for x in rest) and 0 <= self.lr * self.weight_decay < 1
        if not fine or not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"{self.name}: lr > 0, β₁ and β₂ from 0 to below 1, all others finite and ≥ 0 are needed.")

    def options(self) -> Array:
        """As the rules take them."""
        return np.array([self.lr, self.beta1, self.beta2, self.eps, self.floor, self.fading])


def adam(
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    *,
    eps: float = 0.0,
    floor: float = 0.0,
    fading: float = 0.0,
    weight_decay: float = 0.0,
) -> ScalarOptimiser:
    """Adam, or AdamW; by what tells it apart, it names itself.

    >>> adam(1e-3, eps=1e-8).name
    'Adam, ε = 1e-08'
    """
    name = "AdamW" if weight_decay else f"Adam, σ = {floor:g}" if floor else f"Adam, ε = {eps:g}"
    beta1, beta2 = betas
    return ScalarOptimiser(
        name, rules.adam, lr, beta1, beta2, eps, floor=floor, fading=fading, weight_decay=weight_decay
    )


OPTIMISERS: Mapping[str, ScalarOptimiser] = {
    one.name: one
    for one in (
        ScalarOptimiser("GD", rules.descent, 0.1),
        ScalarOptimiser("heavy ball", rules.heavy_ball, 0.1, beta1=0.9),
        ScalarOptimiser("SAM", rules.descent, 0.1, nearby=0.01),
        ScalarOptimiser("GD, weight decay", rules.descent, 0.1, weight_decay=1e-2),
        ScalarOptimiser("AdaGrad", rules.adagrad, 0.1, eps=1e-10),
        ScalarOptimiser("AMSGrad", rules.amsgrad, 1e-2, beta1=0.9, beta2=0.999, eps=1e-8),
        adam(1e-2, floor=0.1),
        adam(1e-2, eps=1e-8),
        adam(1e-2),
        adam(1e-2, weight_decay=1e-2),
        ScalarOptimiser("sign, normalised GD", rules.sign_descent, 1e-3),
        ScalarOptimiser("Sophia (SOUL)", rules.sophia, 1e-2, beta1=0.965, beta2=0.99, eps=0.04 * 5120),
    )
}
"""Each optimiser of the atlas's grid as it is run there."""


@lru_cache(maxsize=64)
def force(loss: ScalarLoss) -> Force:
    """The table of a loss; ValueError where the loss does not push its answer down at the reference."""
    return force_of(loss.speed, loss.confidence)


def simulate(
    loss: ScalarLoss | Force, optimiser: ScalarOptimiser, at: Int[Array, " k"] | list[int], *, compiled: bool = True
) -> Float[Array, " k"]:
    """The margin after each number of steps in `at` (increasing), from m = 0, in float64.

    1e7 steps take about a second compiled, and minutes without the extra `fast`. `compiled=False` is that plain form.

    >>> from theory.atlas.family import FAMILY
    >>> npo = FAMILY["NPO(0.1)"].at(2.0)
    >>> simulate(npo, OPTIMISERS["GD"], [1, 10_000], compiled=False).round(4).tolist()
    [0.0119, 54.7961]
    """
    table = loss if isinstance(loss, Force) else force(loss)
    kind = rules.RULES.index(optimiser.rule)
    keep = 1 - optimiser.lr * optimiser.weight_decay
    parts = table.pieces, table.step, table.end, table.tail, table.root
    march, state, steps = loop(compiled), np.zeros(6), np.asarray(at, dtype=np.int64)
    return march(
        kind, steps, state, optimiser.options(), table=parts, keep=keep, ahead=optimiser.nearby, c=table.confidence
    )
