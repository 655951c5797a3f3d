"""Two facts on which everything else rests: NPO's gradient is GA's times a weight, and its loss is bounded below.

    ∇L_NPO,β = mean(W_β(R) ∇log π_θ),  W_β(R) = 2σ(βR) ∈ (0, 2)          0 ≤ L_NPO,β
    ∇L_GA    = mean(∇log π_θ)                                           L_GA → −∞ as log π_θ → −∞

(arXiv:2404.05868, Sec. 3, prints both gradients with a minus sign; see theory/theorems/paper/slips.py.) Measured here
by autograd through the kernel, and predicted by the closed form.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses import npo, npo_weight
from theory.theorems.paper.ga_limit import LogRatios
from theory.theorems.specimens import Specimen
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = ["BOUNDED_BELOW", "GRADIENT_WEIGHT", "PROPOSITION_1_GRADIENT", "Gradients", "gradients_of"]

Array = np.ndarray


def _finite(instance: LogRatios) -> None:
    if not (np.all(instance.betas > 0) and np.all(np.isfinite(instance.log_ratio))):
        raise HypothesisError("β must be positive and the log-ratios finite: drop the offending entries.")


def _for_each_beta(instance: LogRatios, function: Callable[[Tensor, float], Tensor]) -> Array:
    R = torch.from_numpy(np.asarray(instance.log_ratio, dtype=np.float64))
    return np.stack([function(R, float(beta)).numpy() for beta in instance.betas])


def _by_autograd(R: Tensor, beta: float) -> Tensor:
    free = R.clone().requires_grad_()
    return torch.autograd.grad(npo(free, torch.zeros_like(free), beta=beta).sum(), free)[0]


def _closed(instance: LogRatios, at: Array) -> Bounds:
    weight = _for_each_beta(instance, lambda R, beta: npo_weight(R, torch.zeros_like(R), beta=beta))
    return Bounds(weight, weight)


def _loss(instance: LogRatios) -> Measurement:
    return Measurement(instance.betas, _for_each_beta(instance, lambda R, beta: npo(R, torch.zeros_like(R), beta=beta)))


def _loss_bounds(instance: LogRatios, betas: Array) -> Bounds:
    # softplus(x) ≤ log 2 + max(x, 0)
    upper = (2 / betas[:, None]) * (np.log(2) + np.maximum(betas[:, None] * instance.log_ratio[None, :], 0.0))
    return Bounds(np.zeros_like(upper), upper)


GRADIENT_WEIGHT: Theorem[LogRatios] = Theorem(
    name="Gradient weight",
    statement="∇ℓ_NPO = W_β(R) ∇log π_θ with W_β(R) = 2σ(βR)",
    source="arXiv:2404.05868, Sec. 3",
    hypotheses=_finite,
    predict=_closed,
    measure=lambda instance: Measurement(instance.betas, _for_each_beta(instance, _by_autograd)),
)

BOUNDED_BELOW: Theorem[LogRatios] = Theorem(
    name="NPO is bounded below",
    statement="0 ≤ ℓ_NPO ≤ (2/β)(log 2 + max(βR, 0)), while ℓ_GA = log π_θ has no lower bound",
    source="arXiv:2404.05868, Sec. 3",
    hypotheses=_finite,
    predict=_loss_bounds,
    measure=_loss,
)


# --- the gradient's half of Proposition 1 -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Gradients:
    """An instance: ∇log π_i of each forget example (rows), the log-ratios R_i (nats), and the β to look at."""

    jacobian: Float[Array, "n p"]
    log_ratio: Float[Array, " n"]
    betas: Float[Array, " m"]


def gradients_of(specimen: Specimen, moved: dict[str, Tensor], betas: Array) -> Gradients:
    """The instance of a model whose reference is the specimen as it is, and whose parameters are now `moved`."""
    jacobian = torch.func.jacrev(specimen.log_probs)(moved)
    rows = torch.cat([j.reshape(j.shape[0], -1) for j in jacobian.values()], dim=1)
    log_ratio = specimen.log_probs(moved) - specimen.log_probs(specimen.parameters)
    return Gradients(rows.detach().numpy(), log_ratio.detach().numpy(), np.asarray(betas, dtype=np.float64))


def _gradient_gap(instance: Gradients) -> Measurement:
    # W − 1 = tanh(βR/2), which keeps the digits that 2σ(βR) − 1 loses for small βR
    excess = np.tanh(0.5 * instance.betas[:, None] * instance.log_ratio[None, :])
    gaps = np.linalg.norm(excess @ instance.jacobian, axis=1) / len(instance.log_ratio)
    return Measurement(instance.betas, gaps)


def _gradient_gap_bounds(instance: Gradients, betas: Array) -> Bounds:
    size = np.abs(instance.log_ratio) * np.linalg.norm(instance.jacobian, axis=1)
    upper = 0.5 * betas * size.mean()
    return Bounds(np.zeros_like(upper), upper)


def _positive_betas(instance: Gradients) -> None:
    if not np.all(instance.betas > 0):
        raise HypothesisError("β must be positive: drop the offending entries.")


PROPOSITION_1_GRADIENT: Theorem[Gradients] = Theorem(
    name="Proposition 1, gradient",
    statement="‖∇L_NPO,β − ∇L_GA‖ ≤ (β/2) mean(|R| ‖∇log π_θ‖)",
    source="arXiv:2404.05868, Proposition 1; the rate follows from |W_β − 1| ≤ β|R|/2",
    hypotheses=_positive_betas,
    predict=_gradient_gap_bounds,
    measure=_gradient_gap,
)
