"""KTO's other form in the authors' code: the sigmoid itself in the place of its logarithm.

The first form there, `kto_logsigmoid`, is `theory.losses.kto` plus 1, with another reference point
(`theory.reference_points.z_ref_as_coded`): the method "KTO-code".
"""

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import check_positive, log_ratio
from theory.losses.domains import Positive

__all__ = ["kto_sigmoid", "kto_sigmoid_weight"]


def kto_sigmoid(
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    z_ref: Float[Tensor, "*#batch"] | float,
    *,
    beta: Positive,
) -> Float[Tensor, " *batch"]:
    """KTO as `kto_sigmoid` of the authors' code has it; bounded on both sides.

    ℓ = 1 − (2/β) σ(z_ref − βR), `z_ref` without gradient.  Source: the code of arXiv:2404.05868.

    >>> kto_sigmoid(torch.tensor([-1.0]), torch.tensor([-1.0]), 0.0, beta=1.0)
    tensor([0.])
    """
    check_positive(beta=beta)
    return 1 - (2 / beta) * torch.sigmoid(z_ref - beta * log_ratio(logp, ref_logp))


def kto_sigmoid_weight(
    logp: Float[Tensor, " *batch"],
    ref_logp: Float[Tensor, " *batch"],
    z_ref: Float[Tensor, "*#batch"] | float,
    *,
    beta: Positive,
) -> Float[Tensor, " *batch"]:
    """dℓ / d log π_θ = 2σ(x)σ(−x), x = βR − z_ref: half of NPO's at the reference, and 0 on either side."""
    check_positive(beta=beta)
    x = beta * log_ratio(logp, ref_logp) - z_ref
    return 2 * torch.sigmoid(x) * torch.sigmoid(-x)
