"""Were weights changed at all? Told by sums of their bits, without a second copy of them."""

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["bits"]


@torch.no_grad()
def bits(parameters: Iterable[Tensor]) -> list[int]:
    """Of each tensor the sum of its bits, read as integers of eight bytes: another one where any number has changed.

    (Changes that cancel in every sum are possible, and do not happen.) Of sharded weights, this process's share.

    >>> bits([torch.ones(2)]) == bits([torch.ones(2)]), bits([torch.ones(2)]) == bits([torch.tensor([1.0, 1.1])])
    (True, False)
    """
    here = (p.to_local() if hasattr(p, "to_local") else p for p in parameters)
    return [_sum(p.detach().reshape(-1)) for p in here]


def _sum(numbers: Tensor) -> int:
    """Modulo 2⁶⁴; the few numbers at the end that fill no eight bytes are filled up with zeros."""
    of_eight = 8 // numbers.itemsize
    whole = len(numbers) - len(numbers) % of_eight
    last = torch.cat([numbers[whole:], numbers.new_zeros(of_eight)])[:of_eight]
    return int(numbers[:whole].view(torch.int64).sum()) + int(last.view(torch.int64))
