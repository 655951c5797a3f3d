"""Lion: the sign of a momentum that is one step ahead of the one that is kept."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer

__all__ = ["Lion"]


class Lion(Optimizer):
    """Sign descent along a momentum.

        θ ← (1 − lr·weight_decay) θ − lr · sign(β₁m + (1 − β₁)g),    m ← β₂m + (1 − β₂)g

    Source: arXiv:2302.06675, Algorithm 2.

    >>> theta = torch.tensor([1.0, 2.0])
    >>> theta.grad = torch.tensor([1e-9, -5.0])
    >>> Lion([theta], lr=0.5).step()
    >>> theta
    tensor([0.5000, 2.5000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step along the gradients that are there."""
        for group in self.param_groups:
            (one, two), lr = group["betas"], group["lr"]
            for p in (p for p in group["params"] if p.grad is not None):
                kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
                p.mul_(1 - lr * group["weight_decay"]).sub_(torch.lerp(p.grad, kept, one).sign(), alpha=lr)
                kept.lerp_(p.grad, 1 - two)
