"""Logits-level kernels with the reference's distribution in them: a target made of it (UNDIAL, RKLD), or a leash.

Targets carry no gradient.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax

from theory.losses.arithmetic import at_least_float32, check_not_negative, check_positive
from theory.losses.domains import NotNegative, Positive

__all__ = ["ga_fkl", "ga_fkl_gradient", "rkld", "rkld_gradient", "undial", "undial_gradient"]


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


def _teacher(ref_logits: Tensor, reinforced_logits: Tensor, alpha: Positive) -> Tensor:
    """log π_T, π_T = softmax(z_ref − α ReLU(z_aug − z_ref))."""
    check_positive(alpha=alpha)
    ref = at_least_float32(ref_logits)
    return log_softmax(ref - alpha * (at_least_float32(reinforced_logits) - ref).relu(), dim=-1).detach()


def _reverse_kl(logits: Tensor, log_target: Tensor) -> tuple[Tensor, Tensor]:
    """p, and p_v log(p_v / t_v) token by token, which is 0 where p is."""
    log_p = log_softmax(at_least_float32(logits), dim=-1)
    p = log_p.exp()
    return p, torch.where(p == 0, p, p * (log_p - log_target))


def rkld(
    logits: Float[Tensor, "tokens vocabulary"],
    ref_logits: Float[Tensor, "tokens vocabulary"],
    reinforced_logits: Float[Tensor, "tokens vocabulary"],
    *,
    alpha: Positive,
) -> Float[Tensor, " tokens"]:
    """Reverse KL to a teacher: the reference, less those logits that further training on the forget rows raises.

    ℓ_RKLD = KL(π_θ ‖ π_T),  π_T = sg softmax(z_ref − α ReLU(z_aug − z_ref)), z_aug of the reference trained further.
    Where that training raises nothing the teacher is the reference itself.  Source: arXiv:2406.01983.

    >>> rkld(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), alpha=1.0)
    tensor([0.1201])
    """
    return _reverse_kl(logits, _teacher(ref_logits, reinforced_logits, alpha))[1].sum(dim=-1)


def rkld_gradient(
    logits: Float[Tensor, "tokens vocabulary"],
    ref_logits: Float[Tensor, "tokens vocabulary"],
    reinforced_logits: Float[Tensor, "tokens vocabulary"],
    *,
    alpha: Positive,
) -> Float[Tensor, "tokens vocabulary"]:
    """∂ℓ_RKLD / ∂z_v = p_v (log(p_v / t_v) − KL), t the teacher."""
    p, terms = _reverse_kl(logits, _teacher(ref_logits, reinforced_logits, alpha))
    return terms - p * terms.sum(dim=-1, keepdim=True)


def ga_fkl(
    logits: Float[Tensor, "tokens vocabulary"],
    ref_logits: Float[Tensor, "tokens vocabulary"],
    labels: Int[Tensor, " tokens"],
    *,
    strength: NotNegative,
) -> Float[Tensor, " tokens"]:
    """Gradient ascent on a leash: a divergence from the reference on the forget answers themselves.

    ℓ = log p_y + k KL(π_ref ‖ π_θ),  k = `strength`.  Source: `grad_ascent_forgetKL` in the code of arXiv:2404.05868
    (k = 1, the prompt's positions included; its synthetic experiments have k = 2).

    >>> ga_fkl(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), strength=1.0)
    tensor([-0.6931])
    """
    check_not_negative(strength=strength)
    log_p, log_ref = (log_softmax(at_least_float32(z), dim=-1) for z in (logits, ref_logits))
    p_ref = log_ref.exp()
    kl = torch.where(p_ref == 0, p_ref, p_ref * (log_ref - log_p)).sum(dim=-1)
    return torch.gather(log_p, -1, labels[..., None]).squeeze(-1) + strength * kl


def ga_fkl_gradient(
    logits: Float[Tensor, "tokens vocabulary"],
    ref_logits: Float[Tensor, "tokens vocabulary"],
    labels: Int[Tensor, " tokens"],
    *,
    strength: NotNegative,
) -> Float[Tensor, "tokens vocabulary"]:
    """∂ℓ / ∂z = 1_y − p + k (p − p_ref)."""
    check_not_negative(strength=strength)
    p, p_ref = (log_softmax(at_least_float32(z), dim=-1).exp() for z in (logits, ref_logits))
    label = torch.zeros_like(p).scatter(-1, labels[..., None], 1.0)
    return label - p + strength * (p - p_ref)
