"""Length-normalised kernels: the mean log-probability of a token takes the place of the answer's sum (SimNPO)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, check_positive, softplus
from theory.losses.domains import Finite, Positive

__all__ = ["simnpo", "simnpo_weight"]


def _shifted(logp: Tensor, count: Tensor, beta: Positive, gamma: Finite) -> Tensor:
    check_positive(beta=beta)
    if not math.isfinite(gamma):
        raise ValueError(f"gamma must be finite, got {gamma}.")
    return beta * at_least_float32(logp) / count + gamma


def simnpo(
    logp: Float[Tensor, " *batch"], count: Int[Tensor, " *batch"], *, beta: Positive, gamma: Finite
) -> Float[Tensor, " *batch"]:
    """Simple NPO: no reference, the length-normalised reward of an answer against a margin; bounded below by 0.

    ℓ_SimNPO = −(2/β) log σ(−(β/n) log π_θ(y|x) − γ) = (2/β) softplus((β/n) logp + γ),  n = `count` answer tokens.
    γ is the paper's; its code has −(2/β) log σ(β(−logp/n − δ)), which is the same with γ = βδ. With n = 1 and γ =
    −β ref_logp it is NPO; as β → 0 with γ = 0, ℓ − (2/β) log 2 → logp / n.  Source: arXiv:2410.07163.

    >>> simnpo(torch.tensor([-4.0]), torch.tensor([2]), beta=2.0, gamma=4.0)  # log 2 where the mean is −γ/β
    tensor([0.6931])
    """
    return (2 / beta) * softplus(_shifted(logp, count, beta, gamma))


def simnpo_weight(
    logp: Float[Tensor, " *batch"], count: Int[Tensor, " *batch"], *, beta: Positive, gamma: Finite
) -> Float[Tensor, " *batch"]:
    """dℓ_SimNPO / d log π_θ = (2/n) σ((β/n) logp + γ), in [0, 2/n].

    >>> simnpo_weight(torch.tensor([-4.0]), torch.tensor([2]), beta=2.0, gamma=4.0)
    tensor([0.5000])
    """
    return 2 * torch.sigmoid(_shifted(logp, count, beta, gamma)) / count
