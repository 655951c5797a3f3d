"""Preferences whose two sides weigh differently (D2O, DOOR), and the one that keeps retain answers apart (AP)."""

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, check_positive, log_ratio, softplus
from theory.losses.domains import Positive
from theory.losses.paper import npo, npo_weight

__all__ = ["ap", "ap_weight", "d2o", "d2o_weight", "door", "door_weight"]

Pair = tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]


def _gap(
    logp_alternate: Tensor, ref_logp_alternate: Tensor, logp_lose: Tensor, ref_logp_lose: Tensor, a: float, b: float
) -> Tensor:
    check_positive(alpha=a, beta=b)
    return b * log_ratio(logp_alternate, ref_logp_alternate) - a * log_ratio(logp_lose, ref_logp_lose)


def d2o(
    logp_alternate: Float[Tensor, " *batch"],
    ref_logp_alternate: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    alpha: Positive,
    beta: Positive,
) -> Float[Tensor, " *batch"]:
    """Distributional dispreference: answers of the model's own on average against the forget answer.

    ℓ_D2O = −log σ(β R̄⁺ − α R),  R̄⁺ the mean log-ratio of K answers that the model gave before, R that of the forget
    answer; no 2/β before it.  Source: arXiv:2403.03419, Eq. (3), both references the initial model.

    >>> zero = torch.zeros(1)
    >>> d2o(zero, zero, zero, zero, alpha=0.1, beta=0.1)
    tensor([0.6931])
    """
    return softplus(-_gap(logp_alternate, ref_logp_alternate, logp_lose, ref_logp_lose, alpha, beta))


def d2o_weight(
    logp_alternate: Float[Tensor, " *batch"],
    ref_logp_alternate: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    alpha: Positive,
    beta: Positive,
) -> Pair:
    """The pair (dℓ_D2O / d logp_alternate, dℓ_D2O / d logp_lose) = (−βw, αw), w = σ(αR − βR̄⁺)."""
    gap = _gap(logp_alternate, ref_logp_alternate, logp_lose, ref_logp_lose, alpha, beta)
    weight = torch.sigmoid(-gap)
    return -beta * weight, alpha * weight


def door(
    logp_win_after: Float[Tensor, " *batch"],
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    *,
    beta: Positive,
) -> Float[Tensor, " *batch"]:
    """Dual-objective refusal: refuse even after a beginning of the forget answer, and NPO on that answer.

    ℓ_DOOR = −log π_θ(y⁺ | x, y_<k) + ℓ_NPO.  Source: arXiv:2503.03710; k is whoever runs it to choose.

    >>> door(torch.tensor([-1.0]), torch.tensor([-3.0]), torch.tensor([-3.0]), beta=2.0)  # 1 + log 2
    tensor([1.6931])
    """
    return npo(logp, ref_logp, beta=beta) - at_least_float32(logp_win_after)


def door_weight(
    logp_win_after: Float[Tensor, " *batch"],
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    *,
    beta: Positive,
) -> Pair:
    """(dℓ_DOOR / d logp_win_after, dℓ_DOOR / d logp) = (−1, W_β)."""
    return -torch.ones_like(at_least_float32(logp_win_after)), npo_weight(logp, ref_logp, beta=beta)


def ap(
    logp: Float[Tensor, " *batch"], logp_win: Float[Tensor, " *batch"], *, beta: Positive = 0.1
) -> Float[Tensor, " *batch"]:
    """Answer preservation, a retain term: a retain question's own answer stays ahead of "I don't know".

    ℓ_AP = −(1/β) log σ(β(log π_θ(y|x) − log π_θ(y⁺|x))), of retain rows; no reference.  Source: arXiv:2410.08109.

    >>> ap(torch.tensor([-1.0]), torch.tensor([-1.0]), beta=1.0)
    tensor([0.6931])
    """
    check_positive(beta=beta)
    return softplus(-beta * log_ratio(logp, logp_win)) / beta


def ap_weight(logp: Float[Tensor, " *batch"], logp_win: Float[Tensor, " *batch"], *, beta: Positive = 0.1) -> Pair:
    """(dℓ_AP / d logp, dℓ_AP / d logp_win) = (−w, w), w = σ(−β(logp − logp_win))."""
    check_positive(beta=beta)
    weight = torch.sigmoid(-beta * log_ratio(logp, logp_win))
    return -weight, weight
