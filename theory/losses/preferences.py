"""Preferences: the forget answer against a preferred one (DPO, AltPO), or against a reference point (KTO)."""

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import check_positive, log_ratio, softplus
from theory.losses.domains import Positive

__all__ = ["altpo", "altpo_weight", "dpo", "dpo_weight", "kto", "kto_weight"]


def dpo(
    logp_win: Float[Tensor, " *batch"],
    ref_logp_win: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    beta: Positive,
    prefactor: Positive = 2.0,
) -> Float[Tensor, " *batch"]:
    """Direct preference optimization with the forget answer as the dispreferred one.

    ℓ_DPO = −(c/β) log σ(β(R⁺ − R)),  R⁺ and R the log-ratios of positive and forget answer.
    `prefactor` c = 2 as in the experiments of arXiv:2404.05868, so that a zero R⁺ gives NPO;
    that paper's Eq. (2), like DPO itself (arXiv:2305.18290, Eq. (7)) up to 1/β, prints c = 1.

    >>> from theory.losses import npo
    >>> zero = torch.zeros(1)
    >>> dpo(zero, zero, torch.tensor([-1.0]), zero, beta=1.0) == npo(torch.tensor([-1.0]), zero, beta=1.0)
    tensor([True])
    """
    check_positive(beta=beta, prefactor=prefactor)
    gap = log_ratio(logp_win, ref_logp_win) - log_ratio(logp_lose, ref_logp_lose)
    return (prefactor / beta) * softplus(-beta * gap)


def dpo_weight(
    logp_win: Float[Tensor, " *batch"],
    ref_logp_win: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    beta: Positive,
    prefactor: Positive = 2.0,
) -> tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]:
    """The pair (dℓ_DPO / d logp_win, dℓ_DPO / d logp_lose) = (−w, w), w = cσ(−β(R⁺ − R)).

    >>> zero = torch.zeros(1)
    >>> dpo_weight(zero, zero, zero, zero, beta=0.1)
    (tensor([-1.]), tensor([1.]))
    """
    check_positive(beta=beta, prefactor=prefactor)
    gap = log_ratio(logp_win, ref_logp_win) - log_ratio(logp_lose, ref_logp_lose)
    weight = prefactor * torch.sigmoid(-beta * gap)
    return -weight, weight


def kto(
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    z_ref: Float[Tensor, "*#batch"] | float,
    *,
    beta: Positive,
) -> Float[Tensor, " *batch"]:
    """Kahneman–Tversky optimization on dispreferred answers alone.

    ℓ_KTO = −(2/β) log σ(z_ref − βR) = (2/β) softplus(βR − z_ref).
    `z_ref` ≥ 0 stands for E[β KL(π_θ ‖ π_ref)] and carries no gradient; `theory.objective` estimates it.
    With z_ref = 0 it is NPO.  Source: arXiv:2404.05868, App. E.1.3.

    >>> kto(torch.tensor([-1.0]), torch.tensor([0.0]), 0.0, beta=1.0)
    tensor([0.6265])
    """
    check_positive(beta=beta)
    return (2 / beta) * softplus(beta * log_ratio(logp, ref_logp) - z_ref)


def kto_weight(
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    z_ref: Float[Tensor, "*#batch"] | float,
    *,
    beta: Positive,
) -> Float[Tensor, " *batch"]:
    """dℓ_KTO / d log π_θ = 2σ(βR − z_ref)."""
    check_positive(beta=beta)
    return 2 * torch.sigmoid(beta * log_ratio(logp, ref_logp) - z_ref)


def altpo(
    logp_alternate: Float[Tensor, " *batch"],
    ref_logp_alternate: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    beta: Positive,
    prefactor: Positive = 2.0,
) -> Float[Tensor, " *batch"]:
    """Alternate preference optimization: `dpo` with an in-domain alternative answer as the preferred one.

    ℓ_AltPO = −(c/β) log σ(β(R⁺ − R)),  R⁺ the log-ratio of the alternative.  Source: arXiv:2409.13474.

    >>> zero = torch.zeros(1)
    >>> altpo(zero, zero, torch.tensor([-1.0]), zero, beta=1.0) == dpo(zero, zero, torch.tensor([-1.0]), zero, beta=1.0)
    tensor([True])
    """
    return dpo(logp_alternate, ref_logp_alternate, logp_lose, ref_logp_lose, beta=beta, prefactor=prefactor)


def altpo_weight(
    logp_alternate: Float[Tensor, " *batch"],
    ref_logp_alternate: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    beta: Positive,
    prefactor: Positive = 2.0,
) -> tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]:
    """The pair (dℓ_AltPO / d logp_alternate, dℓ_AltPO / d logp_lose): that of `dpo_weight`."""
    return dpo_weight(logp_alternate, ref_logp_alternate, logp_lose, ref_logp_lose, beta=beta, prefactor=prefactor)
