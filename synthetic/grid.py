"""At which steps to look: every so many, or evenly in the logarithm."""

import numpy as np

__all__ = ["evaluated", "log_grid"]


def evaluated(steps: int, every: int) -> list[int]:
    """0, every, 2 every, … and the last step.

    >>> evaluated(60, 25)
    [0, 25, 50, 60]
    """
    return [*range(0, steps, every), steps]


def log_grid(steps: int, per_decade: int = 20) -> list[int]:
    """0, 1, 2, … and then about evenly spaced in the logarithm, to `steps`.

    >>> log_grid(10, per_decade=4)
    [0, 1, 2, 3, 6, 10]
    """
    count = int(per_decade * np.log10(steps)) + 1
    return [0, *sorted({int(x) for x in np.geomspace(1, steps, count).round()} | {steps})]
