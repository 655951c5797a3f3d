"""The inverted hinge: the forget token's probability against that of its strongest rival (IHL of LoKU)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory.losses.arithmetic import at_least_float32

__all__ = ["ihl", "ihl_gradient"]


def _against_its_rival(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All probabilities, which other token is the likeliest, and p_y − p_rival."""
    p = torch.softmax(at_least_float32(logits), dim=-1)
    rival = p.detach().scatter(-1, labels[..., None], -1.0).argmax(dim=-1)
    of = torch.gather(p, -1, torch.stack([labels, rival], dim=-1))
    return p, rival, of[..., 0] - of[..., 1]


def ihl(logits: Float[Tensor, "tokens vocabulary"], labels: Int[Tensor, " tokens"]) -> Float[Tensor, " tokens"]:
    """Inverted hinge loss: the forget token below the likeliest of the others; in [0, 2].

    ℓ_IHL = 1 + p_y − max_{v≠y} p_v.  Its code takes the positive part, which changes nothing: probabilities are at
    most 1. With two tokens it is 2p_y.  Source: arXiv:2408.06621, Sec. 3 (its LoRA initialisation is not part of it).

    >>> ihl(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0]))
    tensor([0.5000])
    """
    return 1 + _against_its_rival(logits, labels)[2]


def ihl_gradient(
    logits: Float[Tensor, "tokens vocabulary"], labels: Int[Tensor, " tokens"]
) -> Float[Tensor, "tokens vocabulary"]:
    """∂ℓ_IHL / ∂z_v = p_v (1[v = y] − 1[v = k] − (p_y − p_k)),  k the likeliest token but y."""
    p, rival, gap = _against_its_rival(logits, labels)
    sign = torch.zeros_like(p).scatter(-1, labels[..., None], 1.0).scatter(-1, rival[..., None], -1.0)
    return p * (sign - gap[..., None])
