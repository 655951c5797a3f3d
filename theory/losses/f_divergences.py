"""FLAT: a template answer is raised and the forget answer lowered as the variational form of an f-divergence has it.

    ℓ = −g(P⁺) + h(P),   h = f* ∘ g

of the mean probabilities P⁺ and P of a token of the template ("I don't know") and of the forget answer. f* is the
conjugate of f, g its output activation (Nowozin et al., arXiv:1606.00709, Table 2). Weights are of these means, in
[0, 1], so that h' is bounded; the weight of a token's log-probability, h' p_t / n, dies with the token.
Source: arXiv:2410.11143 (FLAT).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, softplus

__all__ = [
    "flat_js",
    "flat_js_weight",
    "flat_kl",
    "flat_kl_weight",
    "flat_pearson",
    "flat_pearson_weight",
    "flat_tv",
    "flat_tv_weight",
]

Pair = tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]


def _both(mean_prob_win: Tensor, mean_prob: Tensor) -> tuple[Tensor, Tensor]:
    return at_least_float32(mean_prob_win), at_least_float32(mean_prob)


def flat_tv(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """FLAT with total variation, its code's default: g = h = ½ tanh.

    >>> flat_tv(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.3808])
    """
    win, lose = _both(mean_prob_win, mean_prob)
    return (torch.tanh(lose) - torch.tanh(win)) / 2


def flat_tv_weight(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Pair:
    """(−½ sech² P⁺, ½ sech² P)."""
    win, lose = _both(mean_prob_win, mean_prob)
    return -(1 - torch.tanh(win) ** 2) / 2, (1 - torch.tanh(lose) ** 2) / 2


def flat_kl(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """FLAT with Kullback–Leibler: g(P) = P, h(P) = e^(P−1).

    >>> flat_kl(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([1.])
    """
    win, lose = _both(mean_prob_win, mean_prob)
    return torch.exp(lose - 1) - win


def flat_kl_weight(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Pair:
    """(−1, e^(P−1))."""
    win, lose = _both(mean_prob_win, mean_prob)
    return -torch.ones_like(win), torch.exp(lose - 1)


def flat_js(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """FLAT with Jensen–Shannon: g(P) = log 2 − log(1 + e^−P), h(P) = log(1 + e^P) − log 2.

    >>> flat_js(torch.tensor([0.0]), torch.tensor([0.0]))
    tensor([0.])
    """
    win, lose = _both(mean_prob_win, mean_prob)
    return softplus(lose) + softplus(-win) - 2 * math.log(2)


def flat_js_weight(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Pair:
    """(−σ(−P⁺), σ(P))."""
    win, lose = _both(mean_prob_win, mean_prob)
    return -torch.sigmoid(-win), torch.sigmoid(lose)


def flat_pearson(
    mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]
) -> Float[Tensor, " *batch"]:
    """FLAT with Pearson's χ²: g(P) = P, h(P) = P²/4 + P.

    >>> flat_pearson(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([1.2500])
    """
    win, lose = _both(mean_prob_win, mean_prob)
    return lose**2 / 4 + lose - win


def flat_pearson_weight(mean_prob_win: Float[Tensor, " *batch"], mean_prob: Float[Tensor, " *batch"]) -> Pair:
    """(−1, P/2 + 1)."""
    win, lose = _both(mean_prob_win, mean_prob)
    return -torch.ones_like(win), lose / 2 + 1
