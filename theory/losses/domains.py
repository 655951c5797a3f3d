"""What the hyperparameters of a kernel may be, said in its annotations: `def npo(…, *, beta: Positive)`."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Annotated

__all__ = ["Blocks", "Domain", "Finite", "NotNegative", "Positive"]


@dataclass(frozen=True)
class Domain:
    """Which numbers there may be, and how a message says so."""

    said: str
    holds: Callable[[float | int], bool]


Finite = Annotated[float | int, Domain("a finite number", isfinite)]
Positive = Annotated[float | int, Domain("a positive number", lambda value: value > 0 and isfinite(value))]
NotNegative = Annotated[float | int, Domain("a number ≥ 0", lambda value: value >= 0 and isfinite(value))]
Blocks = Annotated[
    float | int,
    Domain(
        "a whole number of blocks, or a share of them below 1",
        lambda value: isfinite(value) and (0 < value < 1 or (value >= 1 and value == int(value))),
    ),
]
"""A layer, by the block after which it stands: so many blocks from the input, or below 1 that share, rounded up."""
