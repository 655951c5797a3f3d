"""The rows that many runs share, and the numbers that tell these runs apart: one column each."""

from typing import NamedTuple

import numpy as np

__all__ = ["Column", "Columns", "SharedRows", "columns"]

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


class Column(NamedTuple):
    """The numbers of one run in the formula of `synthetic.logistic.columns`; where one is 0, its term is absent."""

    lr: float
    forget: float = 0.0  # weight of a forget row, c/N_f included
    lose: float = 0.0  # a_l
    win: float = 0.0  # a_w
    beta: float = 0.0
    kl: float = 0.0  # κ
    labels: float = 0.0  # weight of a retain row under RT
    reference: float = 0.0  # and under KL


class Columns(NamedTuple):
    """The numbers of M runs: each field of `Column` as a float64 array (M,)."""

    lr: Array
    forget: Array
    lose: Array
    win: Array
    beta: Array
    kl: Array
    labels: Array
    reference: Array

    def where(self, which: Array) -> "Columns":
        """Some of the columns."""
        return Columns(*(numbers[which] for numbers in self))


def columns(*runs: Column) -> Columns:
    """Runs side by side."""
    return Columns(*(np.array(numbers, dtype=np.float64) for numbers in zip(*runs, strict=True)))
