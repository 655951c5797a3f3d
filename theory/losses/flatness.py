"""Logits-level kernels that flatten: towards uniform probabilities (ME), towards equal logits (PDU).

Both stop by themselves: a model that says nothing in particular has no gradient left.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax

from theory.losses.arithmetic import at_least_float32, check_not_negative
from theory.losses.domains import NotNegative

__all__ = ["me", "me_gradient", "pdu", "pdu_gradient"]


def _log_floor(floor: NotNegative) -> float:
    check_not_negative(floor=floor)
    return math.log(floor) if floor else -math.inf


def me(logits: Float[Tensor, "tokens vocabulary"], *, floor: NotNegative = 1e-12) -> Float[Tensor, " tokens"]:
    """Maximum entropy: the divergence of what the model says from the uniform distribution.

    ℓ_ME = KL(U ‖ P) = −log V − (1/V) Σ_v log(p_v + `floor`), as its code has it, floor included. Its text writes
    KL(P ‖ U) = log V − H(P), of gradient p_v (log p_v + H): the same minimum, and no force on tokens that p has
    given up. Source: arXiv:2410.08109.

    >>> me(torch.zeros(1, 4))
    tensor([0.])
    """
    log_p = log_softmax(at_least_float32(logits), dim=-1)
    return -math.log(logits.shape[-1]) - torch.logaddexp(log_p, log_p.new_tensor(_log_floor(floor))).mean(dim=-1)


def me_gradient(
    logits: Float[Tensor, "tokens vocabulary"], *, floor: NotNegative = 1e-12
) -> Float[Tensor, "tokens vocabulary"]:
    """∂ℓ_ME / ∂z_v = p_v r̄ − r_v / V,  r_v = p_v / (p_v + `floor`), r̄ its mean: p_v − 1/V without a floor."""
    log_p = log_softmax(at_least_float32(logits), dim=-1)
    share = torch.sigmoid(log_p - _log_floor(floor))
    return log_p.exp() * share.mean(dim=-1, keepdim=True) - share / logits.shape[-1]


def _above_the_mean(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    z = at_least_float32(logits)
    top, where = z.max(dim=-1, keepdim=True)
    return z, where, top - z.mean(dim=-1, keepdim=True)


def pdu(logits: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, " tokens"]:
    """Primal–dual unlearning's forget term: the highest logit falls to the mean of all, whichever token it is of.

    ℓ_PDU = (max_v z_v − (1/V) Σ_v z_v)².  The retain term that goes with it is a constraint, whose multiplier is a
    dual variable (`theory.dual`).  Source: arXiv:2506.05314.

    >>> pdu(torch.tensor([[4.0, 0.0]]))
    tensor([4.])
    """
    return _above_the_mean(logits)[2].square().squeeze(-1)


def pdu_gradient(logits: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, "tokens vocabulary"]:
    """∂ℓ_PDU / ∂z_v = 2 (max z − z̄)(1[v = k] − 1/V),  k the first of the highest."""
    z, where, gap = _above_the_mean(logits)
    return 2 * gap * (torch.zeros_like(z).scatter(-1, where, 1.0) - 1 / z.shape[-1])
