"""A loss of tokens with a hyperparameter: bounded below, and the steeper the likelier a token still is."""

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, check_positive
from theory.losses.domains import Positive

__all__ = ["power", "power_weight"]


def power(token_logp: Float[Tensor, " tokens"], *, kappa: Positive) -> Float[Tensor, " tokens"]:
    """A power of each token's probability; at least 0.

    ℓ = p^κ / κ;  as κ → 0, ℓ − 1/κ → log p, which is gradient ascent.

    >>> power(torch.tensor([0.25]).log(), kappa=0.5)  # 2 √¼
    tensor([1.])
    """
    return power_weight(token_logp, kappa=kappa) / kappa


def power_weight(token_logp: Float[Tensor, " tokens"], *, kappa: Positive) -> Float[Tensor, " tokens"]:
    """dℓ / d log p = p^κ, in [0, 1]."""
    check_positive(kappa=kappa)
    return torch.exp(kappa * at_least_float32(token_logp))
