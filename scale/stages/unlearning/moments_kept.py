"""What is kept of a run's moments, question by question: in a checkpoint one after another, at the end stacked."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["ByQuestion", "from_flat", "in_flat", "stacked"]

ByQuestion = Mapping[str, np.ndarray]
"""Every number of a moment by question, as `scale.evaluation.results.arrays` has them."""


def in_flat(found: Sequence[ByQuestion]) -> dict[str, np.ndarray]:
    """All moments' arrays by `number/name`."""
    return {f"{i}/{key}": array for i, one in enumerate(found) for key, array in one.items()}


def from_flat(flat: ByQuestion, count: int) -> list[ByQuestion]:
    """So many moments from what `in_flat` made."""
    found: list[dict[str, np.ndarray]] = [{} for _ in range(count)]
    for key, array in flat.items():
        number, _, name = key.partition("/")
        found[int(number)][name] = array
    return list(found)


def stacked(found: Sequence[ByQuestion]) -> dict[str, np.ndarray]:
    """By name, moments along the first axis; moments without answers hold NaN."""
    whole = max(found, key=lambda one: sum(array.size for array in one.values()))
    return {
        name: np.stack([one[name] if one[name].size else np.full(array.shape, np.nan) for one in found])
        for name, array in whole.items()
    }
