"""The rows that many runs share, and the numbers that tell these runs apart: one column each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Columns", "SharedRows", "columns"]

Array = np.ndarray


class SharedRows(NamedTuple):
    """The rows that all columns share: features and labels, and what π_ref says of them; float64."""

    H_forget: Array  # (n_f, N)
    y: Array  # (n_f,)
    y_idk: Array  # (n_f,)
    z_ref: Array  # (n_f,) logits of π_ref
    H_retain: Array  # (n_r, N)
    y_retain: Array  # (n_r,)
    p_ref: Array  # (n_r,) π_ref(1|x)


class Columns(NamedTuple):
    """The numbers of the formula, one of each a run; float64 arrays (M,)."""

    lr: Array
    forget: Array  # weight of a forget row, c/N_f included
    lose: Array  # a_l
    win: Array  # a_w
    beta: Array
    kl: Array  # κ
    labels: Array  # weight of a retain row under RT
    reference: Array  # and under KL

    def where(self, which: Array) -> "Columns":
        """Some of the columns."""
        return Columns(*(numbers[which] for numbers in self))


def columns(*runs: Sequence[float]) -> Columns:
    """Columns of runs, each given as its numbers in the order of the fields."""
    return Columns(*(np.array(numbers, dtype=np.float64) for numbers in zip(*runs, strict=True)))
