"""The optimisers under which the small transformer is unlearned, with their step sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["OPTIMISERS", "OptimiserSetting"]


@dataclass(frozen=True)
class OptimiserSetting:
    """An optimiser of torch with its step size and options."""

    name: str
    kind: Callable[..., torch.optim.Optimizer]
    lr: float
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def beta2(self) -> float | None:
        """How slowly the second moment forgets; none without one."""
        return float(self.options.get("betas", (0.9, 0.999))[1]) if self.kind is not torch.optim.SGD else None


OPTIMISERS = (
    OptimiserSetting("GD", torch.optim.SGD, 3e-3),
    OptimiserSetting("momentum", torch.optim.SGD, 3e-4, {"momentum": 0.9}),
    OptimiserSetting("Adam", torch.optim.Adam, 1e-3),
    OptimiserSetting("Adam-slow", torch.optim.Adam, 1e-6),
    OptimiserSetting("Adam-0.99", torch.optim.Adam, 1e-3, {"betas": (0.9, 0.99)}),
    OptimiserSetting("Adam-0.99-slow", torch.optim.Adam, 1e-6, {"betas": (0.9, 0.99)}),
    OptimiserSetting("Adam-0.99-eps", torch.optim.Adam, 1e-3, {"betas": (0.9, 0.99), "eps": 1e-3}),
    OptimiserSetting("AdamW", torch.optim.AdamW, 1e-3, {"weight_decay": 0.1}),
    OptimiserSetting("AMSGrad", torch.optim.Adam, 1e-3, {"amsgrad": True}),
)
"""`slow` has a ≪ 1, the others a ≫ 1; 0.99 is β₂, where torch's default of 0.999 would need ten times the steps; `eps`
has a large ε in the denominator, which NPO's gradient falls below on the way."""
