"""AdamW: torch's, or with moments in 8 bits from bitsandbytes, for models whose float32 moments do not fit."""

from collections.abc import Callable, Iterable, Sequence

import torch

from records.errors import UserError
from scale.training.schedule import Schedule

__all__ = ["MakeOptimizer", "adamw"]

MakeOptimizer = Callable[[Iterable[torch.nn.Parameter], Schedule], torch.optim.Optimizer]


def adamw(parameters: Iterable[torch.nn.Parameter], schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW as the schedule asks for it; decoupled weight decay on every parameter that is trained."""
    trained = [p for p in parameters if p.requires_grad]
    if schedule.optimizer == "adamw8bit":
        return _eight_bit(trained, lr=schedule.lr, weight_decay=schedule.weight_decay)
    return torch.optim.AdamW(trained, lr=schedule.lr, weight_decay=schedule.weight_decay, fused=True)


def _eight_bit(trained: Sequence[torch.nn.Parameter], *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """The library's AdamW8bit; UserError where the package is not installed or can't be used here."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except (ImportError, OSError, RuntimeError):
        raise UserError(
            "optimizer=adamw8bit needs the package bitsandbytes: pip install bitsandbytes, or choose adamw."
        ) from None
    made: torch.optim.Optimizer = AdamW8bit(list(trained), lr=lr, weight_decay=weight_decay)
    return made
