"""Logits-level kernels: towards a target distribution that is made from the reference's own logits (UNDIAL)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax

from theory.losses.arithmetic import at_least_float32, check_positive
from theory.losses.domains import Positive

__all__ = ["undial", "undial_gradient"]


def _target(ref_logits: Tensor, labels: Tensor, beta: Positive) -> Tensor:
    """log q, q = softmax(z_ref − β 1_y)."""
    check_positive(beta=beta)
    z = at_least_float32(ref_logits)
    lowered = z.scatter_add(-1, labels[..., None], torch.full_like(z[..., :1], -beta))
    return log_softmax(lowered, dim=-1).detach()


def undial(
    logits: Float[Tensor, "tokens vocabulary"],
    ref_logits: Float[Tensor, "tokens vocabulary"],
    labels: Int[Tensor, " tokens"],
    *,
    beta: Positive,
) -> Float[Tensor, " tokens"]:
    """Self-distillation on adjusted logits: the reference's distribution with the forget token's logit lowered by β.

    ℓ_UNDIAL = −Σ_v q_v log softmax(z)_v,  q = softmax(z_ref − β 1_y),  z at the position that predicts y = `labels`.
    It converges: z_y − log Σ_{v≠y} e^{z_v} falls by β and no further.  Source: arXiv:2402.10052.

    >>> undial(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), beta=1.0)  # log 2 whatever q
    tensor([0.6931])
    """
    log_q, log_p = _target(ref_logits, labels, beta), log_softmax(at_least_float32(logits), dim=-1)
    q = log_q.exp()
    return -torch.where(q == 0, q, q * log_p).sum(dim=-1)  # 0 · (−∞) is 0: what the reference rules out costs nothing


def undial_gradient(
    logits: Float[Tensor, "tokens vocabulary"],
    ref_logits: Float[Tensor, "tokens vocabulary"],
    labels: Int[Tensor, " tokens"],
    *,
    beta: Positive,
) -> Float[Tensor, "tokens vocabulary"]:
    """∂ℓ_UNDIAL / ∂z = softmax(z) − q, row by row."""
    p = log_softmax(at_least_float32(logits), dim=-1).exp()
    return p - _target(ref_logits, labels, beta).exp()
