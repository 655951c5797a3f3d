"""What the answers to the questions are read at: a column where something else has come so far."""

import numpy as np

__all__ = ["at_drop", "at_retention"]

Array = np.ndarray


def at_drop(drop: Array, column: Array, wanted: float) -> float:
    """The column where the drop first reaches `wanted`, linear between looks; NaN where it does not.

    >>> at_drop(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0]), 2.0)
    1.5
    """
    there = np.flatnonzero(drop >= wanted)
    if not there.size:
        return float("nan")
    k = int(there[0])
    if k == 0:
        return float(column[0])
    share = (wanted - drop[k - 1]) / (drop[k] - drop[k - 1])
    return float(column[k - 1] + share * (column[k] - column[k - 1]))


def at_retention(forget: Array, retain: Array, share: float) -> float:
    """The forget column where retention has first fallen to a share of its start; its end where it never does.

    >>> at_retention(np.array([0.9, 0.5, 0.1]), np.array([1.0, 1.0, 0.8]), 0.9), at_retention(
    ...     np.array([0.9, 0.5]), np.array([1.0, 0.95]), 0.9
    ... )
    (0.3, 0.5)
    """
    lost = 1 - retain / retain[0]
    found = at_drop(lost, forget, 1 - share)
    return float(forget[-1]) if np.isnan(found) else found
