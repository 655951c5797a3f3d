"""The probability of the true answer: by itself, or among the wrong ones."""

import numpy as np
from scipy.special import logsumexp

from scale.evaluation.metrics.losses import GUARD, Losses

__all__ = ["paraphrase_probability", "probability", "probability_among", "probability_among_guarded"]


def probability(losses: Losses) -> np.ndarray:
    """exp(−NLL(answer)), (n,): the geometric mean of the probabilities of an answer's tokens."""
    return np.exp(-losses.answer)


def paraphrase_probability(losses: Losses) -> np.ndarray:
    """exp(−NLL(paraphrase)), (n,): does the model know what it was trained on in other words?

    Of several paraphrases the geometric mean; the answer's own where there is none.  Source: arXiv:2506.12618.
    """
    return np.exp(-losses.paraphrase)


def probability_among(losses: Losses) -> np.ndarray:
    """The answer's probability among itself and the perturbed ones, (n,); TOFU's for real authors and world facts.

    P(answer) / (P(answer) + Σ_j P(perturbed_j)), each P = exp(−NLL).  Source: arXiv:2401.06121, Sec. 2.2.
    """
    every = np.concatenate([losses.answer[:, None], losses.perturbed], axis=1)
    with np.errstate(invalid="ignore"):  # none of them has a probability
        return np.exp(-losses.answer - logsumexp(-every, axis=1))


def probability_among_guarded(losses: Losses) -> np.ndarray:
    """`probability_among` with 10⁻¹⁰ added to what is divided by, (n,): open-unlearning's, 0 for a destroyed model."""
    truth = np.exp(-losses.answer)
    return truth / (truth + np.exp(-losses.perturbed).sum(axis=1) + GUARD)
