"""Optimizers by name: torch's AdamW, or one with moments in 8 bits, for models whose float32 moments do not fit."""

from collections.abc import Callable, Iterable, Sequence

import torch

from records.errors import UserError
from scale.training.schedule import Schedule

__all__ = ["OPTIMIZERS", "MakeOptimizer", "optimizer_of"]

MakeOptimizer = Callable[[Iterable[torch.nn.Parameter], Schedule], torch.optim.Optimizer]


def optimizer_of(parameters: Iterable[torch.nn.Parameter], schedule: Schedule) -> torch.optim.Optimizer:
    """The optimizer that the schedule names; decoupled weight decay on every parameter that is trained."""
    trained = [p for p in parameters if p.requires_grad]
    return OPTIMIZERS[schedule.optimizer](trained, lr=schedule.lr, weight_decay=schedule.weight_decay)


def _adamw(trained: Sequence[torch.nn.Parameter], *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Torch's, all parameters in one pass."""
    return torch.optim.AdamW(trained, lr=lr, weight_decay=weight_decay, fused=True)


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


OPTIMIZERS = {"adamw": _adamw, "adamw8bit": _eight_bit}
"""By the names that `Schedule.optimizer` may have."""
