"""The closed gradient weights and Bernoulli KL once more for numpy, as functions of the log-ratio.

For inner loops that would drown in the call overhead of torch; a test holds them to `theory.losses` and
`theory.retain` within 1e-12. Here R = log π_θ − log π_ref and z is a logit, both float64 arrays.
"""

import numpy as np
from jaxtyping import Float
from scipy import special
from scipy.special import expit

__all__ = ["bernoulli_kl", "categorical_kl", "kto", "log_sigmoid", "log_softmax", "npo", "softplus"]

Array = np.ndarray


def softplus(x: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
    """log(1 + e^x) = max(x, 0) + log(1 + e^{−|x|}), which neither overflows nor cancels."""
    return np.asarray(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


def log_sigmoid(x: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
    """log σ(x) = −softplus(−x)."""
    return np.asarray(-softplus(-np.asarray(x)))


def npo(log_ratio: Float[Array, "*n"] | float, *, beta: float) -> Float[Array, "*n"]:
    """W_β(R) = 2σ(βR)."""
    return np.asarray(2 * expit(beta * np.asarray(log_ratio)))


def kto(log_ratio: Float[Array, "*n"] | float, z_ref: float, *, beta: float) -> Float[Array, "*n"]:
    """2σ(βR − z_ref)."""
    return np.asarray(2 * expit(beta * np.asarray(log_ratio) - z_ref))


def bernoulli_kl(logit_p: Float[Array, "*n"] | float, logit_q: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
    """KL(Bern(σ(a)) ‖ Bern(σ(b))) in nats, finite for any finite logits.

    = σ(a)(a − b) + softplus(b) − softplus(a), as σ(a) log σ(a)/σ(b) + σ(−a) log σ(−a)/σ(−b) collapses to it.
    """
    a, b = np.asarray(logit_p, dtype=np.float64), np.asarray(logit_q, dtype=np.float64)
    # KL is invariant under (a, b) -> (−a, −b); flipping to a ≤ 0 keeps softplus(a), softplus(b) small where p ≈ 0.
    flip = np.where(a > 0, -1.0, 1.0)
    a, b = flip * a, flip * b
    return np.asarray(np.maximum(expit(a) * (a - b) + softplus(b) - softplus(a), 0.0))


def log_softmax(logits: Float[Array, "n classes"]) -> Float[Array, "n classes"]:
    """log π of each class, row by row: z − log Σ e^z, by scipy."""
    return np.asarray(special.log_softmax(logits, axis=1))


def categorical_kl(logits_p: Float[Array, "n classes"], logits_q: Float[Array, "n classes"]) -> Float[Array, " n"]:
    """KL(softmax(a) ‖ softmax(b)) in nats, row by row: Σ_k p_k (log p_k − log q_k).

    >>> round(float(categorical_kl(np.zeros((1, 2)), np.array([[0.0, np.log(3.0)]]))[0]), 6)  # ½ log(4/3)
    0.143841
    """
    p, q = log_softmax(logits_p), log_softmax(logits_q)
    return np.asarray(np.maximum((np.exp(p) * (p - q)).sum(axis=1), 0.0))
