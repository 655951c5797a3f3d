"""What a training's results owe to how it was done, in the words of a record: means, decay, clipping, warming up."""

from typing import Any

from scale.training.schedule import Schedule
from theory.objective import Objective
from theory.retain import kl

__all__ = ["trained_as"]


def trained_as(objective: Objective, schedule: Schedule, *, pooled: bool = False) -> dict[str, Any]:
    """For whoever compares runs of different programs: each choice that is often made in silence.

    >>> from theory.objective import method
    >>> found = trained_as(method("NPO+RT", beta=0.1), Schedule(lr=1e-5, epochs=1, decay="matrices"))
    >>> found["forget_mean"], found["decay"], found["clip"]
    ('examples', 'matrices', None)
    """
    retain = "tokens" if objective.retain is kl else objective.retain_per.__name__
    return {
        "optimizer": schedule.described()["optimizer"],
        "weight_decay": schedule.weight_decay,
        "decay": schedule.decay,
        "clip": schedule.clip,
        "warmup": {"epochs": schedule.warmup} if schedule.warmup_steps is None else {"steps": schedule.warmup_steps},
        "length": {"epochs": schedule.epochs} if schedule.steps is None else {"steps": schedule.steps},
        "forget_mean": "both sets" if pooled else objective.forget_per.__name__,
        **({} if objective.retain is None else {"retain_mean": "both sets" if pooled else retain}),
    }
