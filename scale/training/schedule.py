"""How long and how fast: learning rates step by step, batches, micro-batches."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

from records.settings import Positive
from scale.training.optimizer_settings import OptimizerChoice

__all__ = ["Epochs", "Schedule", "beyond", "idle", "learning_rate", "steps_of"]

Epochs = Annotated[int, Field(ge=1, le=100_000)]
"""More is a slip of the keyboard."""


class Schedule(BaseModel):
    """Learning rate, epochs, rows of a batch (a step, over all processes) and of a micro-batch (`piece`, one forward
    pass).

    The rate climbs linearly from 0 through the first `warmup` epochs and then falls linearly to 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lr: Positive
    epochs: Epochs
    batch: PositiveInt = 32
    piece: PositiveInt = 8
    weight_decay: NonNegativeFloat = Field(0.01, allow_inf_nan=False)
    warmup: NonNegativeFloat = Field(1.0, allow_inf_nan=False)
    optimizer: OptimizerChoice = Field(
        "adamw",
        description="a name, or {name: AdamW, betas: [0.9, 0.95]}: torch's, SAM, SignDescent, Sophia, file.py:name, "
        "with its own options; adamw8bit: moments in 8 bits, a quarter of their memory (package bitsandbytes)",
    )
    recompute: bool = Field(False, description="gradient checkpointing: less memory, a third more time")


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0), where an epoch has `steps`.

    >>> s = Schedule(lr=1.0, epochs=3)
    >>> [learning_rate(s, i, 2) for i in range(6)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    """
    warm, whole = schedule.warmup * steps, schedule.epochs * steps
    if step < warm:
        return schedule.lr * step / warm
    return schedule.lr * max(0.0, (whole - step) / max(1.0, whole - warm))


def steps_of(schedule: Schedule, rows: int) -> int:
    """Steps of an epoch."""
    return -(-rows // schedule.batch)


def idle(schedule: Schedule, rows: int) -> str:
    """Why a schedule would train nothing, every rate being 0; empty where it trains.

    >>> idle(Schedule(lr=1.0, epochs=1), rows=8)[:38]
    'the only step has the learning rate 0,'
    >>> idle(Schedule(lr=1.0, epochs=1, warmup=0), rows=8)
    ''
    """
    steps = steps_of(schedule, rows)
    whole = schedule.epochs * steps
    if any(learning_rate(schedule, step, steps) > 0 for step in range(whole)):
        return ""
    which = "the only step has" if whole == 1 else f"all {whole} steps have"
    return (
        f"{which} the learning rate 0, so nothing would be trained: it climbs from 0 through the first "
        f"{schedule.warmup:g} epoch(s). Set warmup=0, or more epochs, or a smaller batch."
    )


def beyond(at: Iterable[int], schedule: Schedule, rows: int) -> str:
    """Which of these steps a schedule never comes to, in words; empty where it comes to all.

    >>> beyond([4, 10], Schedule(lr=1.0, epochs=2, batch=4), rows=8)
    'it has 4 steps, and none is the 10th'
    """
    whole = schedule.epochs * steps_of(schedule, rows)
    late = [f"{step}th" for step in at if step > whole]
    return f"it has {whole} steps, and none is the {', '.join(late)}" if late else ""
