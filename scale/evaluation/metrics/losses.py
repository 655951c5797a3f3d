"""The losses of the answers to a set of questions, which most of TOFU's metrics are computed from."""

from typing import NamedTuple

import numpy as np

__all__ = ["GUARD", "Losses"]

GUARD = 1e-10
"""What open-unlearning adds to a probability that it divides by."""


class Losses(NamedTuple):
    """Per-token mean NLL of n questions, in nats: answer (n,), paraphrase (n,), k perturbed answers (n, k)."""

    answer: np.ndarray
    paraphrase: np.ndarray
    perturbed: np.ndarray
