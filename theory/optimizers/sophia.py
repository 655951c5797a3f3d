"""Sophia as second-order unlearning uses it: momentum over a curvature that is the mean square of the gradient."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from theory.optimizers.ranges import check

__all__ = ["Sophia"]

TINY = 1e-15


class Sophia(Optimizer):
    """Steps of momentum over curvature, none longer than the step size.

        h ← β₂ h + (1 − β₂) g²,      M ← β₁ M + (1 − β₁) g   twice with the same g, so with β₁² in all
        θ ← (1 − lr·weight_decay) θ − lr · min(|M| / (ρ·bs·h + 10⁻¹⁵), 1) · sign M

    `bs` stands for the tokens of a batch of the original Sophia (arXiv:2305.14342), which samples labels for h; here h
    is made of the gradient itself, and M moves twice a step, both as in the code of SOUL. h is quadratic in g, M
    linear: a gradient that fades takes longer steps, until the bound. So NPO has no slowdown under it.
    ValueError for options out of range.  Source: arXiv:2404.18239 and its code; its TOFU runs take betas (0.9, 0.95).

    >>> theta = torch.tensor([1.0, 1.0])
    >>> theta.grad = torch.tensor([1e-9, 100.0])
    >>> Sophia([theta], lr=0.5, weight_decay=0.0).step()
    >>> theta[0]
    tensor(0.5000)
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.965, 0.99),
        rho: float = 0.04,
        bs: float = 5120.0,
        weight_decay: float = 0.1,
    ) -> None:
        check(lr=lr, rho=rho, bs=bs, weight_decay=weight_decay, betas=betas)
        super().__init__(params, {"lr": lr, "betas": betas, "rho": rho, "bs": bs, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step along the gradients that are there."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"], state["curvature"] = torch.zeros_like(p), torch.zeros_like(p)
                _remember(state["momentum"], state["curvature"], p.grad, *group["betas"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(_direction(**state, scale=group["rho"] * group["bs"]), alpha=group["lr"])


def _remember(momentum: Tensor, curvature: Tensor, gradient: Tensor, beta1: float, beta2: float) -> None:
    curvature.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    for _ in range(2):
        momentum.mul_(beta1).add_(gradient, alpha=1 - beta1)


def _direction(momentum: Tensor, curvature: Tensor, *, scale: float) -> Tensor:
    return momentum.abs().div_(curvature * scale + TINY).clamp_(max=1).mul_(momentum.sign())
