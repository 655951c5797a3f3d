"""Relearning: training on the likelihood of rows through the project's own loop, stopped at numbers of steps."""

from collections.abc import Iterator, Sequence

from records.errors import UserError
from scale.training.loop import Training

__all__ = ["relearn"]


def relearn(training: Training, steps: Sequence[int]) -> Iterator[float]:
    """Train in place; yields each of these numbers of steps once it is reached, by all processes together.

    `training` has them as its `at`, and its rate is constant, so that the model after k steps is that of a training of
    k steps. UserError where a step is not finite.
    """
    for moment in training.run():
        if moment.stopped:
            raise UserError(f"Relearning diverged: {moment.stopped} Choose a smaller lr.")
        if moment.step in steps:
            yield float(moment.step)
