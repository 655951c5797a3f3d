"""Clipping: a gradient of a step that is longer than allowed is shortened before the optimizer steps along it."""

import math

import torch

from records.errors import UserError
from scale.runtime.processes import Processes
from scale.training.batch_loss import Record

__all__ = ["clipped", "not_finite", "refuse_clipping"]


def refuse_clipping(clip: float | None, processes: Processes) -> None:
    """UserError where a library keeps the gradients to itself."""
    kind = processes.accelerator.distributed_type.value
    if clip is not None and kind in ("DEEPSPEED", "MEGATRON_LM"):
        raise UserError(
            f"clip: {kind} keeps the gradients to itself and clips them as its own configuration says "
            "(gradient_clipping). Say it there and leave clip out, or launch with fsdp2.yaml or multi_gpu.yaml."
        )


def clipped(model: torch.nn.Module, clip: float, processes: Processes) -> Record:
    """Shorten the gradient of all that is trained to the norm `clip`; the record of its norm before that.

        g ← g · min(1, clip / ‖g‖₂)

    Where that norm is not finite it is None, and nothing is to be stepped along.  Source: arXiv:1211.5063.
    """
    norm = processes.accelerator.clip_grad_norm_(model.parameters(), clip)
    gathered = getattr(norm, "full_tensor", None)  # where parameters are spread over processes
    found = float(norm if gathered is None else gathered())
    return {"norm": found if math.isfinite(found) else None}


def not_finite(record: Record) -> str:
    """What of a step's record is no number, so that no step can be taken: "loss", "gradient", or "" for nothing.

    >>> not_finite({"loss": 1.0, "norm": None}), not_finite({"loss": 1.0})
    ('gradient', '')
    """
    if record["loss"] is None:
        return "loss"
    return "gradient" if record.get("norm", 0.0) is None else ""
