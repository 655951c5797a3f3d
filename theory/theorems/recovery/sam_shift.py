"""SAM on a linear model shifts the margin: unlearning with it is unlearning from a surer reference.

One answer of π_θ = σ(m), m = s⟨x, θ⟩. The forget loss of weight w(m) > 0 has the gradient w (1 − σ(m)) s x, so that
SAM's worse place θ + ρ g/‖g‖ has the margin m + r, r = ρ‖x‖, at every step and whatever the loss. Its step is that of
plain descent at m + r:

    m_SAM(t; c) = m_plain(t; c + r) − r        with the same log π_ref in the loss

for every step size, to the step. At first that is slower (a surer answer moves less), later faster (a weight that
falls with the drop is taken where the drop is smaller): NPO's asymptote goes down by r. At an equal drop SAM has left
the very same model as plain descent, so on one linear answer it cannot resist relearning: what resistance there is
comes from several answers, or from curvature.
Source: arXiv:2502.05374 (SAM for unlearning, ρ = 0.01); the shift is derived here.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import expit, log_expit

from theory.optimizers.sam import SAM
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = ["SAM_SHIFT", "LinearAnswer", "plain_margins", "sam_margins"]

Array = np.ndarray


@dataclass(frozen=True)
class LinearAnswer:
    """An instance: one answer s⟨x, θ⟩ of margin `confidence`, unlearned by NPO (β = 0: GA) for so many plain steps."""

    x: Float[Array, " d"]
    confidence: float
    beta: float
    rho: float
    lr: float = 0.1
    steps: int = 200

    @property
    def shift(self) -> float:
        """r = ρ‖x‖."""
        return float(self.rho * np.linalg.norm(self.x))


def plain_margins(instance: LinearAnswer, start: float) -> Float[Array, " steps"]:
    """The margin after each step of plain descent from `start`; the loss still counts from `confidence`.

    >>> instance = LinearAnswer(np.array([1.0]), 2.0, 0.0, 0.0, lr=1.0, steps=1)
    >>> plain_margins(instance, 0.0)  # −η σ(0)
    array([-0.5])
    """
    speed, margins, m = instance.lr * float(instance.x @ instance.x), [], start
    for _ in range(instance.steps):
        m = m - speed * _pull(instance, m)
        margins.append(m)
    return np.array(margins)


def _logp(margin: float) -> float:
    return float(log_expit(margin))


def _pull(instance: LinearAnswer, margin: float) -> float:
    """w(m)(1 − σ(m)), NPO's w = 2 σ(−βu) at the drop u."""
    drop = _logp(instance.confidence) - _logp(margin)
    return float(2 * expit(-instance.beta * drop) * expit(-margin))


def sam_margins(instance: LinearAnswer) -> Float[Array, " steps"]:
    """The margin after each step of SAM over plain descent, in all parameters."""
    x = torch.from_numpy(instance.x)
    theta = (instance.confidence / (x @ x)) * x
    optimiser = SAM([theta], lr=instance.lr, rho=instance.rho, base=torch.optim.SGD)
    margins = []
    for _ in range(instance.steps):
        theta.grad = _pull(instance, float(x @ theta)) * x
        optimiser.perturb()
        theta.grad = _pull(instance, float(x @ theta)) * x
        optimiser.restore()
        optimiser.step()
        margins.append(float(x @ theta))
    return np.array(margins)


def _usable(instance: LinearAnswer) -> None:
    numbers = np.array([instance.confidence, instance.beta, instance.rho, instance.lr])
    if not np.isfinite(numbers).all() or not np.linalg.norm(instance.x) > 0 or min(instance.beta, instance.rho) < 0:
        raise HypothesisError("An input that is not 0, a finite confidence and step size, β ≥ 0 and ρ ≥ 0 are needed.")


def _predict(instance: LinearAnswer, at: Array) -> Bounds:
    shifted = plain_margins(replace(instance, steps=len(at)), instance.confidence + instance.shift) - instance.shift
    return Bounds(shifted, shifted)


SAM_SHIFT: Theorem[LinearAnswer] = Theorem(
    name="SAM shifts the margin",
    statement="On one linear answer SAM's margin is that of plain descent from c + ρ‖x‖, less ρ‖x‖, at every step",
    source="derived in theory/theorems/recovery/sam_shift.py; SAM for unlearning: arXiv:2502.05374",
    hypotheses=_usable,
    predict=_predict,
    measure=lambda instance: Measurement(np.arange(instance.steps), sam_margins(instance)),
    tolerance=1e-10,
)
