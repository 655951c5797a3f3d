"""How deep knowledge was removed: the share of layers' effect that a model lost, as a retrained one never had it.

A model's hidden states of one layer are put into the finetuned model, and the log-probability of the answer's words
falls by D: D₁ with the retrained model's states, D₂ with the unlearned one's.

    UDS = Σ_l D₁ clip(D₂/D₁, 0, 1) / Σ_l D₁        over layers with D₁ > τ

Source: arXiv:2605.24614.
"""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["THRESHOLD", "unlearning_depth"]

THRESHOLD = 0.05
"""τ in nats (of a mean log-probability a token): layers whose D₁ is no larger hold nothing that could be removed."""


def unlearning_depth(retrained: ArrayLike, unlearned: ArrayLike, threshold: float = THRESHOLD) -> np.ndarray:
    """UDS of every question from its drops D₁ (`retrained`) and D₂ (`unlearned`), (…, layers), in nats; (…,).

    1: every layer lost as much as by retraining; 0: none lost anything. NaN where no layer has D₁ > `threshold` ≥ 0:
    the finetuned model knows no more than the retrained one, and there is nothing to say. As D₁ clip(D₂/D₁, 0, 1) is
    clip(D₂, 0, D₁), nothing is divided by a small number.  ValueError where shapes differ or the threshold is negative.

    >>> unlearning_depth([[1.0, 3.0], [0.01, 0.02]], [[2.0, 0.75], [1.0, 1.0]])
    array([0.4375,    nan])
    """
    first, second = np.asarray(retrained, dtype=np.float64), np.asarray(unlearned, dtype=np.float64)
    if first.shape != second.shape or not first.ndim:
        raise ValueError(f"retrained {first.shape} and unlearned {second.shape} are drops of the same layers.")
    if not threshold >= 0:
        raise ValueError(f"threshold is a drop in nats, not below 0, and not {threshold}.")
    holds = first > threshold
    first = np.where(holds, first, 0.0)
    lost = np.where(holds, np.clip(second, 0.0, first), 0.0)
    whole = first.sum(axis=-1)
    return np.where(whole > 0, lost.sum(axis=-1) / np.where(whole > 0, whole, 1.0), np.nan)
