"""What a sum of losses is divided by; part of an objective, as it matters by a factor |y| (see `theory.objective`)."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Denominator", "examples", "tokens"]

Denominator = Callable[[Tensor], Tensor]


def examples(count: Tensor) -> Tensor:
    """Divide a sum of losses by the number of examples; `count` holds the answer tokens of each."""
    return torch.tensor(float(count.numel()), device=count.device)


def tokens(count: Tensor) -> Tensor:
    """Divide a sum of losses by the number of answer tokens of all examples together."""
    return count.sum()
