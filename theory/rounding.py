"""Rounding of weights to the few levels of a block: each block of weights is scaled by its largest absolute value.

    Q(w) = s · nearest level of w/s,   s = max |w| over the block,   levels within [−1, 1]

Evenly spaced levels are the integers of b bits; NF4 and FP4 are uneven. What named formats of practice do with this:
`scale.attacks.grids`. What it does to a small move of the weights: `theory.theorems.rounding`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["FP4_LEVELS", "NF4_LEVELS", "blocks_of", "even_spacing", "round_evenly", "round_to_levels", "spacing"]

# QLoRA (arXiv:2305.14314): quantiles of the normal distribution, with an exact zero.
NF4_LEVELS = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
# One bit of sign, two of exponent, one of mantissa, over the largest: bitsandbytes' default for four bits.
_FP4_POSITIVE = (0.0625 / 12, 2 / 12, 3 / 12, 4 / 12, 6 / 12, 8 / 12, 1.0)
FP4_LEVELS = (*(-level for level in reversed(_FP4_POSITIVE)), 0.0, *_FP4_POSITIVE)


def round_evenly(weight: Float[Tensor, "*shape"], bits: int, block: int) -> Float[Tensor, "*shape"]:
    """The nearest of the 2^bits − 1 levels k/(2^(bits−1) − 1) of each block; halves go to the even k.

    Blocks are of `block` weights in the order of memory, the last one may be shorter. Computed in float32 at least,
    returned in the weights' dtype. ValueError for fewer than two bits or a block without a weight.

    >>> round_evenly(torch.tensor([0.7, 0.24, -0.26, 0.04]), bits=4, block=4)
    tensor([ 0.7000,  0.2000, -0.3000,  0.0000])
    """
    blocks, largest = blocks_of(weight, block)
    top = _top(bits)
    levels = torch.round(blocks * _inverse(largest) * top) / top
    return _as(weight, levels * largest)


def round_to_levels(weight: Float[Tensor, "*shape"], levels: tuple[float, ...], block: int) -> Float[Tensor, "*shape"]:
    """The nearest of the ascending `levels`, −1 and 1 among them, of each block; halfway goes to the lower one.

    Blocks and dtypes as in `round_evenly`.

    >>> round_to_levels(torch.tensor([1.0, 0.2, -0.6, 0.0]), NF4_LEVELS, block=4)
    tensor([ 1.0000,  0.1609, -0.5251,  0.0000])
    """
    blocks, largest = blocks_of(weight, block)
    known = torch.tensor(levels, dtype=blocks.dtype, device=blocks.device)
    scaled = (blocks * _inverse(largest)).clamp(-1, 1)
    return _as(weight, known[torch.bucketize(scaled, (known[:-1] + known[1:]) / 2)] * largest)


def even_spacing(weight: Float[Tensor, "*shape"], bits: int, block: int) -> Float[Tensor, "*shape"]:
    """Δ of each weight on the grid of `round_evenly`: its block's largest absolute value over 2^(bits−1) − 1."""
    blocks, largest = blocks_of(weight, block)
    return _as(weight, (largest / _top(bits)).expand_as(blocks))


def spacing(weight: Float[Tensor, "*shape"], levels: tuple[float, ...], block: int) -> Float[Tensor, "*shape"]:
    """Δ of each weight on the grid of `round_to_levels`: the distance of the two levels that it lies between.

    >>> spacing(torch.tensor([1.0, 0.25]), (-1.0, 0.0, 0.5, 1.0), block=2)
    tensor([0.5000, 0.5000])
    """
    blocks, largest = blocks_of(weight, block)
    known = torch.tensor(levels, dtype=blocks.dtype, device=blocks.device)
    scaled = (blocks * _inverse(largest)).clamp(-1, 1)
    return _as(weight, known.diff()[torch.bucketize(scaled, known[1:-1], right=True)] * largest)


def blocks_of(
    weight: Float[Tensor, "*shape"], block: int
) -> tuple[Float[Tensor, "blocks block"], Float[Tensor, "blocks 1"]]:
    """The weights in rows of one block each, the last filled up with zeros; and each block's largest absolute value."""
    if block < 1:
        raise ValueError(f"A block has at least one weight, not {block}.")
    flat = weight.detach().reshape(-1)
    flat = flat if flat.dtype == torch.float64 else flat.float()
    filled = torch.nn.functional.pad(flat, (0, -len(flat) % block)).reshape(-1, block)
    return filled, filled.abs().amax(dim=1, keepdim=True)


def _inverse(largest: Tensor) -> Tensor:
    """1/s, as bitsandbytes multiplies by it; of a block of zeros any finite number will do."""
    return 1 / largest.clamp(min=1e-38)


def _top(bits: int) -> int:
    if bits < 2:
        raise ValueError(f"A grid with a sign and a zero takes two bits or more, not {bits}.")
    return 2 ** (bits - 1) - 1


def _as(weight: Tensor, blocks: Tensor) -> Tensor:
    return blocks.reshape(-1)[: weight.numel()].reshape(weight.shape).to(weight.dtype)
