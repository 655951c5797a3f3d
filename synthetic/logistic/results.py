"""What the units of the logistic room left, found by their names."""

from collections.abc import Mapping

import numpy as np

from records.store import Data

__all__ = ["by_alpha", "of_kind", "runs_of"]

Runs = list[Mapping[str, np.ndarray]]


def of_kind(results: Mapping[str, Data], kind: str) -> list[Data]:
    """The units of a kind ("figure3", "long", "order", …), one a seed."""
    return [data for name, data in sorted(results.items()) if name.startswith(f"logistic/{kind}-")]


def runs_of(results: Mapping[str, Data], kind: str) -> Runs:
    """The trajectories that the units of a kind left, one a seed."""
    return [data.arrays for data in of_kind(results, kind)]


def by_alpha(results: Mapping[str, Data]) -> tuple[Runs, Runs]:
    """The runs of all methods at α = 1 and those at α = 0 (which may be none), one a seed."""
    return runs_of(results, "methods-1"), runs_of(results, "methods-0")
