"""The loss kernels of unlearning and their closed gradient weights.

A kernel takes per-example log-probabilities and keyword-only hyperparameters and returns one value per
example, to be minimised. It knows no model, no batch and no reduction (`theory.objective` has those).

    log π_θ(y|x)      `logp`            of the forget answer (`logp_lose` where it is paired with another)
    log π_ref(y|x)    `ref_logp`        the same under the frozen reference
    log π_θ(y⁺|x)     `logp_win`        of the positive answer ("I don't know")
    R                 logp − ref_logp   the log-ratio; u = −R is the drop in nats

Beside each kernel stands its gradient weight, d loss / d logp, by the name `<kernel>_weight`: descent lowers
a log-probability where its weight is positive. The theory, the closed-form engine and the figures live on these.
A kernel of your own follows the same two rules and may leave the weight out; then autograd supplies it. No kernel is
given the length of an answer: a log-probability is the sum over its tokens.

Half-precision inputs are answered in float32, float32 and float64 are kept. NaN in, NaN out.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = [
    "dpo",
    "dpo_weight",
    "ga",
    "ga_weight",
    "idk",
    "idk_weight",
    "kto",
    "kto_weight",
    "nll",
    "nll_weight",
    "npo",
    "npo_weight",
]


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _log_ratio(logp: Tensor, ref_logp: Tensor) -> Tensor:
    return _at_least_float32(logp) - _at_least_float32(ref_logp)


def _softplus(x: Tensor) -> Tensor:
    # log(1 + e^x) = −log σ(−x). torch's own softplus turns linear at x = 20 and is off by 1e-10 there.
    return -logsigmoid(-x)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {value}.")


# --- gradient ascent ------------------------------------------------------------------------------------------


def ga(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """Gradient ascent on the forget answer: its log-probability itself, unbounded below.

    ℓ_GA = log π_θ(y|x).  Source: arXiv:2404.05868, Eq. (1).

    >>> ga(torch.tensor([-1.0, -2.0]))
    tensor([-1., -2.])
    """
    return _at_least_float32(logp)


def ga_weight(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """dℓ_GA / d log π_θ = 1."""
    return torch.ones_like(_at_least_float32(logp))


# --- negative preference optimization -------------------------------------------------------------------------


def npo(logp: Float[Tensor, " *batch"], ref_logp: Float[Tensor, " *batch"], *, beta: float) -> Float[Tensor, " *batch"]:
    """Negative preference optimization, bounded below by 0.

    ℓ_NPO = (2/β) log(1 + (π_θ/π_ref)^β) = (2/β) softplus(βR),  R = logp − ref_logp.
    `beta` > 0 is the inverse temperature; as β → 0, ℓ_NPO − (2/β) log 2 → R, which is gradient ascent.
    Source: arXiv:2404.05868, Eq. (3).

    >>> npo(torch.tensor([-3.0]), torch.tensor([-3.0]), beta=2.0)  # (2/β) log 2 where π_θ = π_ref
    tensor([0.6931])
    """
    _check_positive(beta=beta)
    return (2 / beta) * _softplus(beta * _log_ratio(logp, ref_logp))


def npo_weight(
    logp: Float[Tensor, " *batch"], ref_logp: Float[Tensor, " *batch"], *, beta: float
) -> Float[Tensor, " *batch"]:
    """The adaptive smoothing weight of NPO, in [0, 2] and 1 at the reference.

    W_β(R) = dℓ_NPO / d log π_θ = 2σ(βR) = 2π_θ^β / (π_θ^β + π_ref^β).  Source: arXiv:2404.05868, Sec. 3.

    >>> npo_weight(torch.tensor([-3.0, -9.0]), torch.tensor([-3.0, -3.0]), beta=0.5)
    tensor([1.0000, 0.0949])
    """
    _check_positive(beta=beta)
    return 2 * torch.sigmoid(beta * _log_ratio(logp, ref_logp))


# --- "I don't know" fine-tuning and the negative log-likelihood -----------------------------------------------


def idk(logp_win: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """Likelihood training on the positive ("I don't know") answer of a forget question.

    ℓ_IDK = −log π_θ(y⁺|x).  Source: arXiv:2404.05868, Sec. 4 and 5 (from TOFU, arXiv:2401.06121).

    >>> idk(torch.tensor([-1.5]))
    tensor([1.5000])
    """
    return -_at_least_float32(logp_win)


def idk_weight(logp_win: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """dℓ_IDK / d log π_θ(y⁺|x) = −1: descent raises the positive answer."""
    return -torch.ones_like(_at_least_float32(logp_win))


def nll(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """The retain loss RT: negative log-likelihood of a retain answer.

    ℓ_RT = −log π_θ(y|x).  Source: arXiv:2404.05868, Sec. 2.

    >>> nll(torch.tensor([-0.25]))
    tensor([0.2500])
    """
    return -_at_least_float32(logp)


def nll_weight(logp: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """dℓ_RT / d log π_θ = −1."""
    return -torch.ones_like(_at_least_float32(logp))


# --- paired preferences ---------------------------------------------------------------------------------------


def dpo(
    logp_win: Float[Tensor, " *batch"],
    ref_logp_win: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    beta: float,
    prefactor: float = 2.0,
) -> Float[Tensor, " *batch"]:
    """Direct preference optimization with the forget answer as the dispreferred one.

    ℓ_DPO = −(c/β) log σ(β(R⁺ − R)),  R⁺ and R the log-ratios of positive and forget answer.
    `prefactor` c = 2 as in the experiments of arXiv:2404.05868, so that a zero R⁺ gives NPO;
    that paper's Eq. (2), like DPO itself (arXiv:2305.18290, Eq. (7)) up to 1/β, prints c = 1.

    >>> zero = torch.zeros(1)
    >>> dpo(zero, zero, torch.tensor([-1.0]), zero, beta=1.0) == npo(torch.tensor([-1.0]), zero, beta=1.0)
    tensor([True])
    """
    _check_positive(beta=beta, prefactor=prefactor)
    gap = _log_ratio(logp_win, ref_logp_win) - _log_ratio(logp_lose, ref_logp_lose)
    return (prefactor / beta) * _softplus(-beta * gap)


def dpo_weight(
    logp_win: Float[Tensor, " *batch"],
    ref_logp_win: Float[Tensor, " *batch"],
    logp_lose: Float[Tensor, " *batch"],
    ref_logp_lose: Float[Tensor, " *batch"],
    *,
    beta: float,
    prefactor: float = 2.0,
) -> tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]:
    """The pair (dℓ_DPO / d logp_win, dℓ_DPO / d logp_lose) = (−w, w), w = cσ(−β(R⁺ − R)).

    >>> zero = torch.zeros(1)
    >>> dpo_weight(zero, zero, zero, zero, beta=0.1)
    (tensor([-1.]), tensor([1.]))
    """
    _check_positive(beta=beta, prefactor=prefactor)
    gap = _log_ratio(logp_win, ref_logp_win) - _log_ratio(logp_lose, ref_logp_lose)
    weight = prefactor * torch.sigmoid(-beta * gap)
    return -weight, weight


def kto(
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    z_ref: Float[Tensor, ""] | float,
    *,
    beta: float,
) -> Float[Tensor, " *batch"]:
    """Kahneman–Tversky optimization on dispreferred answers alone.

    ℓ_KTO = −(2/β) log σ(z_ref − βR) = (2/β) softplus(βR − z_ref).
    `z_ref` ≥ 0 stands for E[β KL(π_θ ‖ π_ref)] and carries no gradient; `theory.objective` estimates it.
    With z_ref = 0 it is NPO.  Source: arXiv:2404.05868, App. E.1.3.

    >>> kto(torch.tensor([-1.0]), torch.tensor([0.0]), 0.0, beta=1.0)
    tensor([0.6265])
    """
    _check_positive(beta=beta)
    return (2 / beta) * _softplus(beta * _log_ratio(logp, ref_logp) - z_ref)


def kto_weight(
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    z_ref: Float[Tensor, ""] | float,
    *,
    beta: float,
) -> Float[Tensor, " *batch"]:
    """dℓ_KTO / d log π_θ = 2σ(βR − z_ref)."""
    _check_positive(beta=beta)
    return 2 * torch.sigmoid(beta * _log_ratio(logp, ref_logp) - z_ref)
