"""A forget and a retain example: the methods that combine their two gradients, NGDiff and GRU.

Unit inputs with overlap κ = y_f y_r ⟨x_f, x_r⟩; m is the forget margin and n how far the retain logit has fallen:

    the forget gradient moves (m, n) by V(m)·(1, κ), the retain gradient by −h(n)·(κ, 1), h = σ(n − c)

    NGDiff   η(g_R/‖g_R‖ − g_F/‖g_F‖): m gains η(1 − κ) a step, linear whatever the loss is (arXiv:2410.22086)
    GRU      the forget gradient without its part along a retain gradient that it opposes (κ > 0): the class of the
             loss, its speed times 1 − κ², and n stays (arXiv:2503.09117)
    sum      both added: `theory.atlas.overlap` has its laws
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from theory.atlas.optimisers.force import Force
from theory.atlas.optimisers.scalar import force
from theory.atlas.scalar import ScalarLoss

__all__ = ["COMBINED", "Combined", "simulate_pair"]

Array = np.ndarray
Combined = Literal["NGDiff", "GRU", "sum"]


def _ngdiff(v: float, h: float, overlap: float) -> tuple[float, float]:
    return float(np.sign(v)) - overlap, overlap * float(np.sign(v)) - 1


def _gru(v: float, h: float, overlap: float) -> tuple[float, float]:
    against = overlap * v * h > 0
    return (v * (1 - overlap**2), 0.0) if against else (v, overlap * v)


def _sum(v: float, h: float, overlap: float) -> tuple[float, float]:
    return v - overlap * h, overlap * v - h


COMBINED: dict[Combined, Callable[[float, float, float], tuple[float, float]]] = {
    "NGDiff": _ngdiff,
    "GRU": _gru,
    "sum": _sum,
}
"""How much (m, n) move for a force V on the forget example, h on the retain example, and an overlap κ."""


def simulate_pair(
    loss: ScalarLoss | Force, how: Combined, *, lr: float, overlap: float, at: Int[Array, " k"]
) -> Float[Array, "k 2"]:
    """(m, n) after each number of steps in `at` (increasing), from (0, 0); the retain example is as confident.

    ValueError unless −1 < κ < 1.

    >>> from theory.atlas.family import FAMILY
    >>> npo = FAMILY["NPO(1)"].at(2.0)
    >>> simulate_pair(npo, "NGDiff", lr=0.01, overlap=0.5, at=np.array([1000])).round(9).tolist()
    [[5.0, -5.0]]
    """
    if not -1 < overlap < 1:
        raise ValueError(f"The overlap of two inputs must be between −1 and 1, got {overlap:g}.")
    table = loss if isinstance(loss, Force) else force(loss)
    combine, c = COMBINED[how], table.confidence
    m = n = 0.0
    found, done = np.empty((len(at), 2)), 0
    for k, target in enumerate(np.asarray(at).tolist()):
        for _ in range(target - done):
            gained, lost = combine(table(m), 1 / (1 + np.exp(c - n)), overlap)
            m, n = m + lr * gained, n + lr * lost
        done, found[k] = target, (m, n)
    return found
