"""Sharpness-aware minimisation for unlearning: the forget gradient is that of a worse place nearby."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import AdamW, Optimizer

from theory.optimizers.ranges import check

__all__ = ["SAM", "LooksNearby"]

TINY = 1e-30


@runtime_checkable
class LooksNearby(Protocol):
    """An optimiser that wants the forget gradient of another place than where it steps from.

    Whoever trains puts the forget gradient into `.grad`, calls `perturb`, puts the forget gradient of that place there,
    calls `restore`, adds the retain gradient, and calls `step`.
    """

    def perturb(self) -> None:
        """Go where the forget gradient is wanted, by the gradient that is there; gradients are cleared."""

    def restore(self) -> None:
        """Come back, to the bit."""


class SAM(Optimizer):
    """Another optimiser, whose forget gradient is taken where the forget loss is larger.

        ε = ρ g / ‖g‖₂,   g = ∇ℓ_forget(θ) over all trained parameters
        a step of `base` along   w_f ∇ℓ_forget(θ + ε) + w_r ∇ℓ_retain(θ)

    On a linear model this is a shift of the margin by ρ‖x‖: NPO and GA keep their classes of divergence. Options other
    than `rho` and `base` go to `base`; its memory is what a checkpoint holds. A gradient of 0 moves nothing.
    ValueError for options out of range.  Source: arXiv:2010.01412; for unlearning arXiv:2502.05374 (ρ = 0.01).

    >>> theta = torch.tensor([3.0, 4.0])
    >>> theta.grad = torch.tensor([6.0, 8.0])
    >>> sam = SAM([theta], lr=1.0, rho=0.5, base=torch.optim.SGD)
    >>> sam.perturb(); theta
    tensor([3.3000, 4.4000])
    >>> sam.restore(); theta
    tensor([3., 4.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 1e-3,
        rho: float = 0.01,
        base: Callable[..., Optimizer] = AdamW,
        **options: Any,
    ) -> None:
        check(rho=rho)
        self.base, self.rho = base(params, lr=lr, **options), rho
        self._before: list[tuple[Tensor, Tensor]] = []
        super().__init__(self.base.param_groups, self.base.defaults)
        self._share()

    def _share(self) -> None:
        """The state and the groups (lr is set there) are the base's own."""
        self.state, self.param_groups = self.base.state, self.base.param_groups

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As a checkpoint gives it."""
        self.base.__setstate__(state)
        self._share()

    @torch.no_grad()
    def perturb(self) -> None:
        """Go to θ + ε by the gradients that are there, which are cleared."""
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        self._before = [(p, p.detach().clone()) for p in moved]
        if moved:
            scale = self.rho / _whole(get_total_norm([p.grad for p in moved])).clamp_min(TINY)
            for p in moved:
                p.add_(p.grad * scale.to(p.grad.device))
        self.zero_grad()

    @torch.no_grad()
    def restore(self) -> None:
        """Come back to θ, to the bit."""
        for p, before in self._before:
            p.copy_(before)
        self._before = []

    def step(self, closure: Any = None) -> Any:
        """A step of `base` along the gradients that are there."""
        return self.base.step(closure)


def _whole(norm: Tensor) -> Tensor:
    """The norm over all pieces, where parameters are spread over processes (`torch.distributed.tensor.DTensor`)."""
    gathered = getattr(norm, "full_tensor", None)
    return norm if gathered is None else gathered()
