"""Token-level kernels: each answer token's log-probability, weighed by how likely that token still is.

    ℓ_t = w_t · log p_t,   w_t a function of p_t without gradient

so that the weight is dℓ_t / d log p_t itself: it is written once, and the stop-gradient is part of the loss. Let the
gradient through and WGA's weight becomes p^β (1 + β log p), negative where p < e^(−1/β): it would raise such tokens.
CE-U is a plain function of p_t. One value a token; tokens stand example after example, in the order of the answer.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, check_not_negative, check_positive
from theory.losses.domains import NotNegative, Positive

__all__ = [
    "ce_u",
    "ce_u_weight",
    "satimp",
    "satimp_weight",
    "tnpo",
    "tnpo_weight",
    "wga",
    "wga_weight",
    "wtnpo",
    "wtnpo_weight",
]


def wga(token_logp: Float[Tensor, " tokens"], *, beta: Positive) -> Float[Tensor, " tokens"]:
    """Weighted gradient ascent: a token counts as far as it is still likely.

    ℓ_WGA = sg(p^β) log p.  Source: arXiv:2502.19301, Eq. (2).

    >>> wga(torch.tensor([0.5]).log(), beta=1.0)  # ½ log ½
    tensor([-0.3466])
    """
    return wga_weight(token_logp, beta=beta).detach() * at_least_float32(token_logp)


def wga_weight(token_logp: Float[Tensor, " tokens"], *, beta: Positive) -> Float[Tensor, " tokens"]:
    """dℓ_WGA / d log p = p^β, in [0, 1]."""
    check_positive(beta=beta)
    return torch.exp(beta * at_least_float32(token_logp))


def tnpo(
    token_logp: Float[Tensor, " tokens"],
    ref_token_logp: Float[Tensor, " tokens"],
    *,
    beta: Positive,
    floor: NotNegative = 1e-5,
) -> Float[Tensor, " tokens"]:
    """Token-wise NPO: the adaptive weight of NPO, token by token.

    ℓ_TNPO = sg(2p^β / (p^β + p_ref^β + `floor`)) log p.  The floor is that of its authors' code; without it the
    gradient is that of NPO on each token. It takes effect where both probabilities are small: the weight at the
    reference is then less than 1.  Source: arXiv:2502.19301, Eq. (6).

    >>> tnpo(torch.tensor([-1.0]), torch.tensor([-1.0]), beta=1.0, floor=0.0)
    tensor([-1.])
    """
    weight = tnpo_weight(token_logp, ref_token_logp, beta=beta, floor=floor)
    return weight.detach() * at_least_float32(token_logp)


def tnpo_weight(
    token_logp: Float[Tensor, " tokens"],
    ref_token_logp: Float[Tensor, " tokens"],
    *,
    beta: Positive,
    floor: NotNegative = 1e-5,
) -> Float[Tensor, " tokens"]:
    """dℓ_TNPO / d log p = 2p^β / (p^β + p_ref^β + `floor`) = 2 / (1 + (p_ref/p)^β + `floor` p^−β), in [0, 2)."""
    check_positive(beta=beta)
    check_not_negative(floor=floor)
    logp, ref_logp = at_least_float32(token_logp), at_least_float32(ref_token_logp)
    log_floor = math.log(floor) if floor else -math.inf
    return 2 / (1 + torch.exp(beta * (ref_logp - logp)) + torch.exp(log_floor - beta * logp))


def wtnpo(
    token_logp: Float[Tensor, " tokens"],
    ref_token_logp: Float[Tensor, " tokens"],
    *,
    beta: Positive,
    alpha: NotNegative,
    floor: NotNegative = 1e-5,
) -> Float[Tensor, " tokens"]:
    """Weighted token-wise NPO: the weights of TNPO and of WGA at once.

    ℓ_WTNPO = sg(2p^(β+α) / (p^β + p_ref^β + `floor`)) log p.  With α = 0 it is TNPO.  Source: arXiv:2502.19301.

    >>> wtnpo(torch.tensor([0.5]).log(), torch.tensor([0.5]).log(), beta=1.0, alpha=1.0, floor=0.0)  # ½ log ½
    tensor([-0.3466])
    """
    weight = wtnpo_weight(token_logp, ref_token_logp, beta=beta, alpha=alpha, floor=floor)
    return weight.detach() * at_least_float32(token_logp)


def wtnpo_weight(
    token_logp: Float[Tensor, " tokens"],
    ref_token_logp: Float[Tensor, " tokens"],
    *,
    beta: Positive,
    alpha: NotNegative,
    floor: NotNegative = 1e-5,
) -> Float[Tensor, " tokens"]:
    """dℓ_WTNPO / d log p = p^α · 2p^β / (p^β + p_ref^β + `floor`), in [0, 2)."""
    check_not_negative(alpha=alpha)
    shared = tnpo_weight(token_logp, ref_token_logp, beta=beta, floor=floor)
    return torch.exp(alpha * at_least_float32(token_logp)) * shared


def satimp(token_logp: Float[Tensor, " tokens"], *, beta1: NotNegative, beta2: NotNegative) -> Float[Tensor, " tokens"]:
    """Saturation and importance: a token counts as far as it is likely, and less where it is certain.

    ℓ_SatImp = sg(p^β₁ (1 − p)^β₂) log p.  With β₂ = 0 it is WGA.  Source: arXiv:2505.11953.

    >>> satimp(torch.tensor([0.5]).log(), beta1=1.0, beta2=1.0)  # ¼ log ½
    tensor([-0.1733])
    """
    return satimp_weight(token_logp, beta1=beta1, beta2=beta2).detach() * at_least_float32(token_logp)


def satimp_weight(
    token_logp: Float[Tensor, " tokens"], *, beta1: NotNegative, beta2: NotNegative
) -> Float[Tensor, " tokens"]:
    """dℓ_SatImp / d log p = p^β₁ (1 − p)^β₂, in [0, 1] and largest at p = β₁/(β₁ + β₂)."""
    check_not_negative(beta1=beta1, beta2=beta2)
    logp = at_least_float32(token_logp)
    return torch.exp(beta1 * logp) * (-torch.expm1(logp)) ** beta2


def _short_of_certain(token_logp: Tensor) -> Tensor:
    """log p, at most −ε/2: beyond that 1 − p is 0 in this precision. The gradient passes."""
    logp = at_least_float32(token_logp)
    return logp - (logp - logp.clamp(max=-torch.finfo(logp.dtype).eps / 2)).detach()


def _counted(position: Tensor, skip: int) -> Tensor:
    """Which tokens count: all but the first `skip` of an answer, and its last one always."""
    check_not_negative(skip=skip)
    following = torch.cat([position[1:], position.new_zeros(1)])
    return (position >= skip) | (following <= position)


def ce_u(
    token_logp: Float[Tensor, " tokens"], position: Int[Tensor, " tokens"], *, skip: int = 1
) -> Float[Tensor, " tokens"]:
    """Cross-entropy unlearning: towards the model's own distribution without the token to forget; at least 0.

    ℓ_CE-U = −log(1 − p), the log-likelihood of saying anything else. The paper writes the cross-entropy to q, the
    softmax of the logits without the forget token, with q held fixed: −Σ_v sg(q_v) log p_v = −log(1 − p) + H(sg(q)).
    The entropy H of the others has no gradient, so the gradient is the same; it is left out, so that the value is a
    function of p alone. The first `skip` tokens of an answer have no loss (value 0), as in the paper's code; the last
    one always has, so that an answer of a single token is forgotten too. 1 − p is held at half of the float's epsilon,
    where p rounds to 1.  Source: arXiv:2503.01224.

    >>> ce_u(torch.tensor([0.5, 0.5]).log(), torch.tensor([0, 1]))
    tensor([0.0000, 0.6931])
    """
    logp = _short_of_certain(token_logp)
    small = logp < -math.log(2)  # log(1 − p) loses its digits in either form where the other keeps them
    log_rest = torch.where(small, torch.log1p(-torch.exp(logp)), torch.log(-torch.expm1(logp)))
    return torch.where(_counted(position, skip), -log_rest, 0 * logp.abs())


def ce_u_weight(
    token_logp: Float[Tensor, " tokens"], position: Int[Tensor, " tokens"], *, skip: int = 1
) -> Float[Tensor, " tokens"]:
    """dℓ_CE-U / d log p = p / (1 − p), whatever the vocabulary; 0 for the tokens that are skipped.

    >>> ce_u_weight(torch.tensor([0.5, 0.5]).log(), torch.tensor([0, 1]))
    tensor([0., 1.])
    """
    logp = _short_of_certain(token_logp).detach()
    return torch.where(_counted(position, skip), 1 / torch.expm1(-logp), 0 * logp.abs())
