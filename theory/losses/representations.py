"""Kernels of hidden states: representation misdirection (RMU) and the retain term that it brings along.

`layer` says whose states these are; whoever runs the kernel reads it and hands them over.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from theory.losses.arithmetic import at_least_float32, check_positive
from theory.losses.domains import Blocks, Positive

__all__ = ["control_vector", "rmu", "rmu_gradient", "rmu_retain", "rmu_retain_gradient"]


@lru_cache(maxsize=8)
def control_vector(width: int) -> Float[Tensor, " width"]:
    """The direction u of RMU: uniform on [0, 1) in each coordinate, of length 1; the same on any device.

    Drawn on the CPU from a fixed seed, in float64, so that it depends on the width alone.

    >>> round(float(control_vector(4).norm()), 6)
    1.0
    """
    drawn = torch.rand(width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn / drawn.norm()


def _misdirection(hidden: Tensor, c: Positive) -> Tensor:
    check_positive(c=c)
    h = at_least_float32(hidden)
    return h - c * control_vector(h.shape[-1]).to(h)


def rmu(hidden: Float[Tensor, "tokens width"], *, layer: Blocks, c: Positive) -> Float[Tensor, " tokens"]:
    """Representation misdirection: the states of a layer on forget answers, towards one fixed direction.

    ℓ_RMU = ‖h − c u‖²,  u = `control_vector(width)`, h after the block that `layer` names.
    Source: arXiv:2403.03218 (its code divides by the width, here and in `rmu_retain`).

    >>> rmu(torch.zeros(1, 4), layer=1, c=2.0)
    tensor([4.])
    """
    return _misdirection(hidden, c).square().sum(dim=-1)


def rmu_gradient(hidden: Float[Tensor, "tokens width"], *, layer: Blocks, c: Positive) -> Float[Tensor, "tokens width"]:
    """∂ℓ_RMU / ∂h = 2(h − c u)."""
    return 2 * _misdirection(hidden, c)


def rmu_retain(
    hidden: Float[Tensor, "tokens width"], ref_hidden: Float[Tensor, "tokens width"], *, layer: Blocks
) -> Float[Tensor, " tokens"]:
    """RMU's own retain term: the states of the same layer on retain answers stay where the reference has them.

    ℓ = ‖h − h_ref‖².  Source: arXiv:2403.03218, whose α is the retain weight.

    >>> rmu_retain(torch.ones(1, 4), torch.zeros(1, 4), layer=1)
    tensor([4.])
    """
    return (at_least_float32(hidden) - at_least_float32(ref_hidden)).square().sum(dim=-1)


def rmu_retain_gradient(
    hidden: Float[Tensor, "tokens width"], ref_hidden: Float[Tensor, "tokens width"], *, layer: Blocks
) -> Float[Tensor, "tokens width"]:
    """∂ℓ / ∂h = 2(h − h_ref)."""
    return 2 * (at_least_float32(hidden) - at_least_float32(ref_hidden))
