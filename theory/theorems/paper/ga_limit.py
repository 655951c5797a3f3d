"""Proposition 1 of arXiv:2404.05868 with its rate: NPO tends to gradient ascent, first order in β.

(2/β) softplus(βR) = R + (2/β) log 2 + (2/β) log cosh(βR/2), and 0 ≤ log cosh v ≤ min(v²/2, |v|). Hence

    0 ≤ [L_NPO − (2/β) log 2] − mean R ≤ mean min(βR²/4, |R|)
    |W_β(R) − 1| = |tanh(βR/2)| ≤ min(β|R|/2, 1)

and with it the gap between the gradients (`theory.theorems.paper.gradient_weight.PROPOSITION_1_GRADIENT`). Computed as
written, the left-hand sides lose every digit as β → 0; here the gap itself is computed.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = ["PROPOSITION_1", "PROPOSITION_1_WEIGHT", "LogRatios", "log_cosh", "loss_gap", "rate", "weight_gap"]

Array = np.ndarray


@dataclass(frozen=True)
class LogRatios:
    """An instance: the log-ratios R of a forget set (nats) and the β to look at."""

    log_ratio: Float[Array, " n"]
    betas: Float[Array, " m"]


def log_cosh(v: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
    """log cosh v to full relative precision, small and large.

    Small |v|: log1p(2 sinh²(v/2)), as cosh v = 1 + 2 sinh²(v/2). Large: |v| + log1p(e^{−2|v|}) − log 2.
    """
    size = np.abs(v)
    small = np.minimum(size, 1.0)
    return np.where(size < 1.0, np.log1p(2 * np.sinh(small / 2) ** 2), size + np.log1p(np.exp(-2 * size)) - np.log(2.0))


def loss_gap(log_ratio: Float[Array, " n"], betas: Float[Array, " m"]) -> Float[Array, " m"]:
    """[L_NPO,β − (2/β) log 2] − mean R = mean (2/β) log cosh(βR/2), for each β; nats.

    >>> float(loss_gap(np.array([1.0]), np.array([1e-12]))[0])  # βR²/4
    2.5e-13
    """
    half = 0.5 * betas[:, None] * log_ratio[None, :]
    return np.asarray(((2 / betas[:, None]) * log_cosh(half)).mean(axis=1))


def weight_gap(log_ratio: Float[Array, " n"], betas: Float[Array, " m"]) -> Float[Array, "m n"]:
    """|W_β(R) − 1| = |tanh(βR/2)| of each example, for each β."""
    return np.abs(np.tanh(0.5 * betas[:, None] * log_ratio[None, :]))


def rate(betas: Float[Array, " m"], gap: Float[Array, " m"]) -> float:
    """The fitted exponent of gap ∝ β^rate; Proposition 1 predicts 1 as β → 0."""
    return float(np.polyfit(np.log(betas), np.log(gap), 1)[0])


def _positive(instance: LogRatios) -> None:
    if not (np.all(instance.betas > 0) and np.all(np.isfinite(instance.log_ratio))):
        raise HypothesisError("Proposition 1 needs β > 0 and finite log-ratios: drop the offending entries.")


def _loss_bounds(instance: LogRatios, betas: Array) -> Bounds:
    size = np.abs(instance.log_ratio)[None, :]
    upper = np.minimum(betas[:, None] * size**2 / 4, size).mean(axis=1)
    return Bounds(np.zeros_like(upper), upper)


def _weight_bounds(instance: LogRatios, betas: Array) -> Bounds:
    upper = np.minimum(0.5 * betas[:, None] * np.abs(instance.log_ratio)[None, :], 1.0)
    return Bounds(np.zeros_like(upper), upper)


PROPOSITION_1: Theorem[LogRatios] = Theorem(
    name="Proposition 1, loss",
    statement="0 ≤ [L_NPO,β − (2/β) log 2] − L_GA ≤ mean min(βR²/4, |R|)",
    source="arXiv:2404.05868, Proposition 1; the rate is derived in theory/theorems/paper/ga_limit.py",
    hypotheses=_positive,
    predict=_loss_bounds,
    measure=lambda instance: Measurement(instance.betas, loss_gap(instance.log_ratio, instance.betas)),
)

PROPOSITION_1_WEIGHT: Theorem[LogRatios] = Theorem(
    name="Proposition 1, gradient weight",
    statement="|W_β(R) − 1| ≤ min(β|R|/2, 1)",
    source="arXiv:2404.05868, Proposition 1; the rate is derived in theory/theorems/paper/ga_limit.py",
    hypotheses=_positive,
    predict=_weight_bounds,
    measure=lambda instance: Measurement(instance.betas, weight_gap(instance.log_ratio, instance.betas)),
)
