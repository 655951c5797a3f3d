"""The numbers that our optimisers take."""

import math
from collections.abc import Sequence

__all__ = ["check"]


def check(*, betas: Sequence[float] = (), **numbers: float | int) -> None:
    """ValueError naming every one of `numbers` that is not finite and ≥ 0, and `betas` outside [0, 1).

    >>> check(lr=0.1, betas=(0.9, 0.99))
    >>> check(lr=-0.1, betas=(0.9, 1.0))
    Traceback (most recent call last):
    ValueError: lr must be a finite number ≥ 0, got -0.1; betas must be from 0 to below 1, got (0.9, 1.0)
    """
    wrong = [
        f"{name} must be a finite number ≥ 0, got {value}"
        for name, value in numbers.items()
        if not 0 <= float(value) < math.inf
    ]
    if not all(0 <= beta < 1 for beta in betas):
        wrong.append(f"betas must be from 0 to below 1, got {tuple(betas)}")
    if wrong:
        raise ValueError("; ".join(wrong))
