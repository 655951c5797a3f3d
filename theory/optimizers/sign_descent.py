"""Descent along the sign of the gradient."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from theory.optimizers.ranges import check

__all__ = ["SignDescent"]


class SignDescent(Optimizer):
    """Every parameter moves by the step size, whatever the size of its gradient.

        θ ← (1 − lr·weight_decay) θ − lr · sign(g),        a gradient of exactly 0 moves nothing

    An answer's margin falls by lr·‖x‖₁ a step however small the loss has made the gradient: under it NPO has no
    slowdown before the numbers underflow. Nothing is remembered from step to step. ValueError for options out of range.
    Source: arXiv:1802.04434 (signSGD, without votes).

    >>> theta = torch.tensor([1.0, 2.0, 3.0])
    >>> theta.grad = torch.tensor([1e-9, -5.0, 0.0])
    >>> SignDescent([theta], lr=0.5).step()
    >>> theta
    tensor([0.5000, 2.5000, 3.0000])
    """

    def __init__(self, params: Iterable[Any], *, lr: float = 1e-3, weight_decay: float = 0.0) -> None:
        check(lr=lr, weight_decay=weight_decay)
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step along the gradients that are there."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    _move(p, p.grad, group["lr"], group["weight_decay"])


def _move(p: Tensor, gradient: Tensor, lr: float, weight_decay: float) -> None:
    p.mul_(1 - lr * weight_decay).sub_(gradient.sign(), alpha=lr)
