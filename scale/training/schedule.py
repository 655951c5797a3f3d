"""How long and how fast: learning rates step by step, batches, micro-batches, what decays, the longest gradient."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, model_validator

from records.settings import Positive, Steps
from scale.training.optimizer_settings import OptimizerChoice, decays

__all__ = ["Epochs", "Schedule", "all_steps", "beyond", "epochs_of", "idle", "learning_rate", "steps_of"]

Epochs = Annotated[int, Field(ge=1, le=100_000)]
"""More is a slip of the keyboard."""


class Schedule(BaseModel):
    """Learning rate, epochs or steps, rows of a batch (a step, over all processes) and of a micro-batch (`piece`, one
    forward pass).

    The rate climbs linearly from 0 through the first `warmup` epochs, or `warmup_steps`, and then falls linearly to 0,
    which it would reach in the step after the last; or it stays (`falls: false`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lr: Positive
    epochs: Epochs
    steps: Steps | None = Field(None, description="so many steps instead of epochs, which may be left out then")
    batch: PositiveInt = 32
    piece: PositiveInt = 8
    weight_decay: NonNegativeFloat = Field(0.01, allow_inf_nan=False)
    decay: Literal["all", "matrices"] = Field(
        "all", description="what weight decay is for; matrices: not norms and biases, as transformers' Trainer has it"
    )
    warmup: NonNegativeFloat = Field(1.0, allow_inf_nan=False, description="in epochs")
    warmup_steps: Annotated[int, Field(ge=0)] | None = Field(None, description="instead of warmup, in steps")
    falls: bool = Field(True, description="false: after the warm-up the rate stays as it is")
    clip: Positive | None = Field(
        None, description="a longer gradient of a step is shortened to this norm (Trainer: 1); default: none is"
    )
    optimizer: OptimizerChoice = Field(
        "adamw",
        description="a name, or {name: AdamW, betas: [0.9, 0.95]}: torch's, SAM, SignDescent, Sophia, file.py:name, "
        "with its own options; adamw8bit: moments in 8 bits, a quarter of their memory (package bitsandbytes)",
    )
    recompute: bool = Field(False, description="gradient checkpointing: less memory, a third more time")

    @model_validator(mode="before")
    @classmethod
    def _long_enough(cls, given: Any) -> Any:
        counted = isinstance(given, Mapping) and given.get("steps") is not None and "epochs" not in given
        return {**given, "epochs": 1} if counted else given

    @model_validator(mode="after")
    def _decays(self) -> "Schedule":
        if self.decay != "all" and not decays(self.optimizer):
            raise ValueError(f"decay={self.decay}: this optimizer takes no weight decay. Leave it out")
        return self

    def described(self) -> dict[str, Any]:
        """What results owe to it, as JSON has it; without those options that came later, where they are not used."""
        later = {"steps": None, "decay": "all", "warmup_steps": None, "falls": True, "clip": None}
        return self.model_dump(
            mode="json", exclude={name for name, usual in later.items() if getattr(self, name) == usual}
        )


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0), where an epoch has `steps`.

    >>> s = Schedule(lr=1.0, epochs=3)
    >>> [learning_rate(s, i, 2) for i in range(6)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    >>> learning_rate(Schedule(lr=1.0, steps=9, warmup=0, falls=False), 8, 2)
    1.0
    """
    warm = schedule.warmup * steps if schedule.warmup_steps is None else schedule.warmup_steps
    whole = schedule.steps or schedule.epochs * steps
    if step < warm:
        return schedule.lr * step / warm
    if not schedule.falls:
        return schedule.lr
    return schedule.lr * max(0.0, (whole - step) / max(1.0, whole - warm))


def steps_of(schedule: Schedule, rows: int) -> int:
    """Steps of an epoch."""
    return -(-rows // schedule.batch)


def all_steps(schedule: Schedule, rows: int) -> int:
    """Steps of a whole training.

    >>> all_steps(Schedule(lr=1.0, epochs=3, batch=4), rows=8), all_steps(Schedule(lr=1.0, steps=5, batch=4), rows=8)
    (6, 5)
    """
    return schedule.steps or schedule.epochs * steps_of(schedule, rows)


def epochs_of(schedule: Schedule, rows: int) -> int:
    """Epochs of a whole training, the last of which may end early.

    >>> epochs_of(Schedule(lr=1.0, steps=5, batch=4), rows=8)
    3
    """
    return -(-all_steps(schedule, rows) // steps_of(schedule, rows))


def idle(schedule: Schedule, rows: int) -> str:
    """Why a schedule would train nothing, every rate being 0; empty where it trains.

    >>> idle(Schedule(lr=1.0, epochs=1), rows=8)[:38]
    'the only step has the learning rate 0,'
    >>> idle(Schedule(lr=1.0, epochs=1, warmup=0), rows=8)
    ''
    """
    steps = steps_of(schedule, rows)
    whole = all_steps(schedule, rows)
    if any(learning_rate(schedule, step, steps) > 0 for step in range(whole)):
        return ""
    which = "the only step has" if whole == 1 else f"all {whole} steps have"
    long = f"{schedule.warmup:g} epoch(s)" if schedule.warmup_steps is None else f"{schedule.warmup_steps} step(s)"
    name = "warmup" if schedule.warmup_steps is None else "warmup_steps"
    return (
        f"{which} the learning rate 0, so nothing would be trained: it climbs from 0 through the first {long}. "
        f"Set {name}=0, or more epochs, or a smaller batch."
    )


def beyond(at: Iterable[int], schedule: Schedule, rows: int) -> str:
    """Which of these steps a schedule never comes to, in words; empty where it comes to all.

    >>> beyond([4, 10], Schedule(lr=1.0, epochs=2, batch=4), rows=8)
    'it has 4 steps, and none is the 10th'
    """
    whole = all_steps(schedule, rows)
    late = [f"{step}th" for step in at if step > whole]
    return f"it has {whole} steps, and none is the {', '.join(late)}" if late else ""
