"""Quantisation of weights alone: each is rounded to a grid of few values and put back in the model's own numbers."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from scale.attacks.grids import GRIDS
from theory.rounding import round_evenly

__all__ = ["EVEN", "quantise", "quantised"]

EVEN = "even"


def quantised(weight: Tensor, bits: int, grid: str = EVEN, block: int = 64) -> Tensor:
    """A weight rounded to nearest: on an even grid up to the largest of each block, or on one of `GRIDS`.

    ValueError where that grid has another number of bits.
    """
    if grid == EVEN:
        return round_evenly(weight, bits, block)
    if GRIDS[grid].bits != bits:
        raise ValueError(f"the grid {grid} has {GRIDS[grid].bits} bits, not {bits}")
    return GRIDS[grid].rounded(weight)


@torch.no_grad()
def quantise(
    weights: Mapping[str, nn.Parameter], bits: Sequence[int], grid: str = EVEN, block: int = 64
) -> Iterator[float]:
    """Round these weights in place to each number of bits, always from what they were; yields the bits.

    At the end they are as they were.
    """
    before = {name: p.detach().clone() for name, p in weights.items()}
    try:
        for number in bits:
            for name, p in weights.items():
                p.copy_(quantised(before[name], number, grid, block))
            yield float(number)
    finally:
        for name, p in weights.items():
            p.copy_(before[name])
