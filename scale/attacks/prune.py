"""Magnitude pruning: the weights of least magnitude are set to 0, a growing share of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["prune", "pruned"]


def pruned(weight: Tensor, share: float) -> Tensor:
    """A weight without the `share` of its numbers that are least in magnitude: exactly ⌊share · n⌋ of them are 0.

    >>> pruned(torch.tensor([[3.0, -1.0], [0.5, 2.0]]), 0.5)
    tensor([[3., 0.],
            [0., 2.]])
    """
    count = int(share * weight.numel())
    flat = weight.flatten().clone()
    flat[flat.abs().argsort(stable=True)[:count]] = 0.0
    return flat.view_as(weight)


@torch.no_grad()
def prune(
    weights: Mapping[str, nn.Parameter], shares: Sequence[float], over: Literal["matrix", "model"] = "matrix"
) -> Iterator[float]:
    """Prune these weights in place to each share in turn, always from what they were at first; yields the share.

    `matrix`: the least of each matrix; `model`: the least of all together. At the end they are as they were.
    """
    before = {name: p.detach().clone() for name, p in weights.items()}
    try:
        for share in shares:
            after = _each(before, share) if over == "matrix" else _together(before, share)
            for name, p in weights.items():
                p.copy_(after[name])
            yield share
    finally:
        for name, p in weights.items():
            p.copy_(before[name])


def _each(before: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    return {name: pruned(weight, share) for name, weight in before.items()}


def _together(before: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    whole = pruned(torch.cat([weight.flatten() for weight in before.values()]), share)
    parts = whole.split([weight.numel() for weight in before.values()])
    return {name: part.view_as(weight) for part, (name, weight) in zip(parts, before.items(), strict=True)}
