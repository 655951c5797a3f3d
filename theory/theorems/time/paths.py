"""A path in intrinsic time, and the one way in which every room saves and loads it.

A path lies among the arrays of a unit under a label, in four columns; nats, never in units of β:

    <label>.time         (steps,)     Σ η, the flow's own time
    <label>.clock        (steps, n)   T_i
    <label>.drop         (steps, n)   u_i
    <label>.remainder    (steps, n)   (1/n) Σ η Σ_j K_ij (W_j/W_i − 1), what takes a set off the curve

Labels: `<model>, <β>` in the theory's own room, `single-<β>-<example>` and `set-<β>` in the logistic one,
`<seed>-<sequence>` and `<seed>` in the transformer's, `single` and `set` in language models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from torch import Tensor

__all__ = ["COLUMNS", "IntrinsicPath", "from_arrays", "labels_of", "to_arrays"]

Array = np.ndarray
COLUMNS = ("time", "clock", "drop", "remainder")


@dataclass(frozen=True)
class IntrinsicPath:
    """An unlearning trajectory in intrinsic time; arrays over recorded steps, runs (where there are several), examples;
    nats. A run that has ended stands still while others go on.
    """

    time: Float[Array, "steps ..."]
    clock: Float[Array, "steps ... n"]
    drop: Float[Array, "steps ... n"]
    remainder: Float[Array, "steps ... n"]
    parameters: dict[str, Tensor] = field(default_factory=dict)  # at the end; not saved

    def of(self, run: int) -> "IntrinsicPath":
        """The path of one run of several, to its own end."""
        moves = np.diff(self.time[:, run]) > 0
        end = int(np.flatnonzero(moves)[-1]) + 2 if moves.any() else 1
        time, clock, drop, remainder = (getattr(self, name)[:end, run] for name in COLUMNS)
        return IntrinsicPath(time, clock, drop, remainder, {name: p[run] for name, p in self.parameters.items()})

    def times(self, unit: float) -> "IntrinsicPath":
        """Clock, drop and remainder in units of β: βT, βu and β · remainder, dimensionless."""
        return IntrinsicPath(self.time, unit * self.clock, unit * self.drop, unit * self.remainder, self.parameters)


def to_arrays(path: IntrinsicPath, label: str) -> dict[str, Array]:
    """The path's columns under a label, to be saved among others."""
    return {f"{label}.{name}": getattr(path, name) for name in COLUMNS}


def from_arrays(arrays: Mapping[str, Array], label: str) -> IntrinsicPath:
    """The path that lies under a label, in float64; KeyError where a column is missing."""
    time, clock, drop, remainder = (np.asarray(arrays[f"{label}.{name}"], dtype=np.float64) for name in COLUMNS)
    return IntrinsicPath(time, clock, drop, remainder)


def labels_of(arrays: Mapping[str, Array]) -> list[str]:
    """The labels under which a whole path lies, in the order of the arrays."""
    first = [key.removesuffix(".time") for key in arrays if key.endswith(".time")]
    return [label for label in first if all(f"{label}.{name}" in arrays for name in COLUMNS)]
