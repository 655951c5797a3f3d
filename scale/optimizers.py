"""AdamW with moments in 8 bits, for models whose float32 moments do not fit: from bitsandbytes, where it is there."""

from collections.abc import Sequence

import torch

from records.errors import UserError

__all__ = ["eight_bit_adamw"]


def eight_bit_adamw(trained: Sequence[torch.nn.Parameter], *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """The library's AdamW8bit; UserError where the package is not installed or can't be used here."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except (ImportError, OSError, RuntimeError):
        raise UserError(
            "optimizer=adamw8bit needs the package bitsandbytes: pip install bitsandbytes, or choose adamw."
        ) from None
    made: torch.optim.Optimizer = AdamW8bit(list(trained), lr=lr, weight_decay=weight_decay)
    return made
