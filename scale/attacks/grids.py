"""The formats of few bits that weights are kept in, each as a function from weights to the weights that are read back.

Which of a model's weights are rounded is the caller's choice: bitsandbytes takes its linear layers without the head,
GGUF all matrices.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from theory.rounding import (
    FP4_LEVELS,
    NF4_LEVELS,
    blocks_of,
    even_spacing,
    round_evenly,
    round_to_levels,
)
from theory.theorems.rounding.walk import BLOCK, ROUNDINGS

__all__ = ["GRIDS", "WeightGrid", "fp4", "int8_rows", "nf4", "q4_0", "q8_0"]

GGUF_BLOCK = 32
Weights = Float[Tensor, "*shape"]


def nf4(weight: Weights) -> Weights:
    """Four bits at the normal distribution's quantiles, blocks of 64 (QLoRA, arXiv:2305.14314).

    To the bit what bitsandbytes gives back for weights in whole blocks.
    """
    return round_to_levels(weight, NF4_LEVELS, BLOCK)


def fp4(weight: Weights) -> Weights:
    """Four bits as a tiny floating-point number, blocks of 64: bitsandbytes' default for `load_in_4bit`.

    To the bit what bitsandbytes gives back for weights in whole blocks.
    """
    return round_to_levels(weight, FP4_LEVELS, BLOCK)


def int8_rows(weight: Weights) -> Weights:
    """Eight bits with a scale a row (LLM.int8(), arXiv:2208.07339), without its outlier columns of activations."""
    return round_evenly(weight, 8, weight.shape[-1])


def q4_0(weight: Weights) -> Weights:
    """GGUF's Q4_0: 16 even levels −8 … 7 in blocks of 32 of a row; the largest weight of a block is at −8.

    Scales are kept in float16. A row whose length is no multiple of 32, which GGUF does not take, ends in a shorter
    block.

    >>> q4_0(torch.tensor([[-8.0, 2.6, 7.4, 7.9]]))
    tensor([[-8.,  3.,  7.,  7.]])
    """
    blocks, _ = _blocks_of_rows(weight)
    signed = blocks.gather(1, blocks.abs().argmax(dim=1, keepdim=True))
    scale = signed / -8
    inverse = torch.where(scale == 0, 0.0, 1 / scale)
    levels = torch.trunc(blocks * inverse + 8.5).clamp(0, 15) - 8
    return _rows_again(weight, scale.half().float() * levels)


def q8_0(weight: Weights) -> Weights:
    """GGUF's Q8_0: 255 even levels in blocks of 32 of a row, scales in float16; halves go away from zero."""
    blocks, largest = _blocks_of_rows(weight)
    scale = largest / 127
    inverse = torch.where(scale == 0, 0.0, 1 / scale)
    scaled = blocks * inverse
    floored = scaled.abs().floor()
    levels = scaled.sign() * (floored + (2 * (scaled.abs() - floored)).floor())
    return _rows_again(weight, scale.half().float() * levels)


def _q4_0_spacing(weight: Weights) -> Weights:
    blocks, largest = _blocks_of_rows(weight)
    return _rows_again(weight, (largest / 8).expand_as(blocks))


def _q8_0_spacing(weight: Weights) -> Weights:
    blocks, largest = _blocks_of_rows(weight)
    return _rows_again(weight, (largest / 127).expand_as(blocks))


def _blocks_of_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    rows = weight.detach().reshape(-1, weight.shape[-1]).float()
    return blocks_of(torch.nn.functional.pad(rows, (0, -rows.shape[1] % GGUF_BLOCK)), GGUF_BLOCK)


def _rows_again(weight: Tensor, blocks: Tensor) -> Tensor:
    rows = blocks.reshape(weight.numel() // weight.shape[-1], -1)
    return rows[:, : weight.shape[-1]].reshape(weight.shape).to(weight.dtype)


@dataclass(frozen=True)
class WeightGrid:
    """A format: its bits, `rounded` (weights to weights), and `spacing`: of each weight Δ, the width of its cell."""

    bits: int
    rounded: Callable[[Tensor], Tensor]
    spacing: Callable[[Tensor], Tensor]


def _int8_spacing(weight: Weights) -> Weights:
    return even_spacing(weight, 8, weight.shape[-1])


# By name: `int<bits>` are evenly spaced, round-to-nearest, with a scale for each block of 64 weights.
GRIDS: Mapping[str, WeightGrid] = {
    **{f"int{bits}": WeightGrid(bits, *ROUNDINGS[f"int{bits}"]) for bits in (8, 4, 3)},
    "int8-rows": WeightGrid(8, int8_rows, _int8_spacing),
    "nf4": WeightGrid(4, nf4, ROUNDINGS["nf4"].spacing),
    "fp4": WeightGrid(4, fp4, ROUNDINGS["fp4"].spacing),
    "q8_0": WeightGrid(8, q8_0, _q8_0_spacing),
    "q4_0": WeightGrid(4, q4_0, _q4_0_spacing),
}
