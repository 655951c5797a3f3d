"""Gradient ascent, NPO, "I don't know" and the negative log-likelihood: kernels of one answer's log-probability."""

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, check_positive, log_ratio, softplus
from theory.losses.domains import Positive

__all__ = ["ga", "ga_weight", "idk", "idk_weight", "nll", "nll_weight", "npo", "npo_weight"]


# --- gradient ascent ------------------------------------------------------------------------------------------


def ga(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """Gradient ascent on the forget answer: its log-probability itself, unbounded below.

    ℓ_GA = log π_θ(y|x).  Source: arXiv:2404.05868, Eq. (1).

    >>> ga(torch.tensor([-1.0, -2.0]))
    tensor([-1., -2.])
    """
    return at_least_float32(logp)


def ga_weight(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """dℓ_GA / d log π_θ = 1."""
    return torch.ones_like(at_least_float32(logp))


# --- negative preference optimization -------------------------------------------------------------------------


def npo(
    logp: Float[Tensor, " *batch"], ref_logp: Float[Tensor, " *batch"], *, beta: Positive
) -> Float[Tensor, " *batch"]:
    """Negative preference optimization, bounded below by 0.

    ℓ_NPO = (2/β) log(1 + (π_θ/π_ref)^β) = (2/β) softplus(βR),  R = logp − ref_logp.
    `beta` > 0 is the inverse temperature; as β → 0, ℓ_NPO − (2/β) log 2 → R, which is gradient ascent.
    Source: arXiv:2404.05868, Eq. (3).

    >>> npo(torch.tensor([-3.0]), torch.tensor([-3.0]), beta=2.0)  # (2/β) log 2 where π_θ = π_ref
    tensor([0.6931])
    """
    check_positive(beta=beta)
    return (2 / beta) * softplus(beta * log_ratio(logp, ref_logp))


def npo_weight(
    logp: Float[Tensor, " *batch"], ref_logp: Float[Tensor, " *batch"], *, beta: Positive
) -> Float[Tensor, " *batch"]:
    """The adaptive smoothing weight of NPO, in [0, 2] and 1 at the reference.

    W_β(R) = dℓ_NPO / d log π_θ = 2σ(βR) = 2π_θ^β / (π_θ^β + π_ref^β).  Source: arXiv:2404.05868, Sec. 3.

    >>> npo_weight(torch.tensor([-3.0, -9.0]), torch.tensor([-3.0, -3.0]), beta=0.5)
    tensor([1.0000, 0.0949])
    """
    check_positive(beta=beta)
    return 2 * torch.sigmoid(beta * log_ratio(logp, ref_logp))


# --- "I don't know" fine-tuning and the negative log-likelihood -----------------------------------------------


def idk(logp_win: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """Likelihood training on the positive ("I don't know") answer of a forget question.

    ℓ_IDK = −log π_θ(y⁺|x).  Source: arXiv:2404.05868, Sec. 4 and 5 (from TOFU, arXiv:2401.06121).

    >>> idk(torch.tensor([-1.5]))
    tensor([1.5000])
    """
    return -at_least_float32(logp_win)


def idk_weight(logp_win: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """dℓ_IDK / d log π_θ(y⁺|x) = −1: descent raises the positive answer."""
    return -torch.ones_like(at_least_float32(logp_win))


def nll(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """The retain loss RT: negative log-likelihood of a retain answer.

    ℓ_RT = −log π_θ(y|x).  Source: arXiv:2404.05868, Sec. 2.

    >>> nll(torch.tensor([-0.25]))
    tensor([0.2500])
    """
    return -at_least_float32(logp)


def nll_weight(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """dℓ_RT / d log π_θ = −1."""
    return -torch.ones_like(at_least_float32(logp))
