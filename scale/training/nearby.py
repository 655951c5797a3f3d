"""Steps whose forget gradient is taken at another place than the one that they start from (`theory.optimizers.sam`)."""

from collections.abc import Callable, Collection

import torch

from records.errors import UserError
from scale.runtime.processes import Processes
from scale.training.batch_loss import BOTH, Record
from theory.optimizers.sam import LooksNearby

__all__ = ["gradient_of_a_step", "nearby"]

Add = Callable[[Collection[str]], Record]
"""Adds the gradient of these terms of the batch to that of the parameters; what was found on the way."""


def nearby(optimizer: torch.optim.Optimizer, processes: Processes) -> LooksNearby | None:
    """The optimizer, where it looks at another place; UserError where its weights are in the hands of a library."""
    if not isinstance(optimizer, LooksNearby):
        return None
    accelerator = processes.accelerator
    kind = accelerator.distributed_type.value
    if kind not in ("DEEPSPEED", "MEGATRON_LM") and not (kind == "FSDP" and not accelerator.is_fsdp2):
        return optimizer
    raise UserError(
        f"optimizer: {type(optimizer).__name__} moves the weights within a step by the forget gradient, and {kind} "
        "keeps both to itself. Launch with fsdp2.yaml or multi_gpu.yaml, or choose another optimizer."
    )


def gradient_of_a_step(add: Add, optimizer: LooksNearby | None, *, retains: bool) -> Record:
    """Put the gradient of a step into the parameters; what was found, at the weights before it."""
    if optimizer is None:
        return add(BOTH)
    forget = add({"forget"})
    optimizer.perturb()
    add({"forget"})
    optimizer.restore()
    return _both(forget, add({"retain"})) if retains else forget


def _both(forget: Record, retain: Record) -> Record:
    """The record of both terms, in its usual order."""
    one, other = forget["loss"], retain["loss"]
    loss = None if one is None or other is None else one + other
    return {"loss": loss, "forget": forget["forget"], "retain": retain["retain"]} | {
        name: value for name, value in forget.items() if name not in ("loss", "forget")
    }
