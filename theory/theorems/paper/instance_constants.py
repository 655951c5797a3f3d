"""Theorem 2's constants for the instance at hand: one pair of bounds an example, far tighter than the uniform ones.

With γ_ii = ‖x_i‖², r_i = Σ_{j≠i}|γ_ij|, c_i the initial confidence and η₀ = η/n_f, for all t ≥ 1:

    GA :  (γ_ii σ(−c_i) − r_i) η₀ t        ≤ m_i ≤ (γ_ii + r_i) η₀ t                      if r_i ≤ γ_ii σ(−c_i)
    NPO:  (1/β) log(1 + C_a,i η₀ t)        ≤ m_i ≤ (1/β) log(1 + C_b,i η₀ t)              if δ_i ≤ ½, where

    C_a,i = (1 − δ_i) β γ_ii σ(−c_i),      C_b,i = (1 + δ_i) 2β γ_ii (1 + e^{c_i})^β e^{βη₀(1+δ_i)γ_ii},
    δ_i   = max_{j≠i} (r_i/γ_ii) · 2(1 + e^{c_j})^β / σ(−c_i) · max(1, C_b,i/C_a,j)       with the C of δ = ½.

Why. For m ≥ 0, σ(−c) e^{−βm} ≤ g ≤ 2(1 + e^c)^β e^{−βm}, so g_j/g_i is at most the last line without r_i/γ_ii, and the
off-diagonal terms are at most δ_i γ_ii g_i. Smaller δ only narrow the C, so the δ found with ½ may be used in them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from theory.theorems.paper.divergence import Divergence
from theory.theorems.paper.margins import LinearLogistic, log_grid, simulate
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = ["INSTANCE_GA", "INSTANCE_NPO", "InstanceConstants", "instance_constants"]

Array = np.ndarray


@dataclass(frozen=True)
class InstanceConstants:
    """One entry an example; `dominance` δ_i must not exceed ½ for C_a and C_b, C₁ must not be negative."""

    C1: Float[Array, " n"]
    C2: Float[Array, " n"]
    Ca: Float[Array, " n"]
    Cb: Float[Array, " n"]
    dominance: Float[Array, " n"]


def instance_constants(model: LinearLogistic, beta: float) -> InstanceConstants:
    """C₁, C₂ of GA and C_a, C_b, δ of NPO at inverse temperature β, for every example."""
    diagonal, c, eta0 = np.diag(model.signed_gram), model.confidence, model.lr / model.size
    r = np.abs(model.signed_gram).sum(axis=1) - np.abs(diagonal)
    floor, stretch = diagonal * expit(-c), np.exp(beta * np.logaddexp(0.0, c))  # γσ(−c) and (1 + e^c)^β

    def both(delta: Array) -> tuple[Array, Array]:
        step = np.exp(beta * eta0 * (1 + delta) * diagonal)
        return (1 - delta) * beta * floor, (1 + delta) * 2 * beta * diagonal * stretch * step

    Ca, Cb = both(np.full_like(c, 0.5))
    ratio = 2 * stretch[None, :] / expit(-c)[:, None] * np.maximum(1.0, Cb[:, None] / Ca[None, :])
    np.fill_diagonal(ratio, 0.0)
    delta = r / diagonal * ratio.max(axis=1)
    Ca, Cb = both(np.minimum(delta, 0.5))
    return InstanceConstants(floor - r, diagonal + r, Ca, Cb, delta)


def _ga_dominated(instance: Divergence) -> None:
    C1 = instance_constants(instance.model, instance.beta).C1
    if C1.min() < 0:
        worst = int(C1.argmin())
        raise HypothesisError(
            f"Example {worst} is coupled too strongly for GA: γσ(−c) − r = {C1[worst]:.3g} < 0. "
            "Orthogonalise the inputs, or start less confident."
        )


def _npo_dominated(instance: Divergence) -> None:
    delta = instance_constants(instance.model, instance.beta).dominance
    if delta.max() > 0.5:
        worst = int(delta.argmax())
        raise HypothesisError(
            f"Example {worst} is not dominated by itself: δ = {delta[worst]:.3g} > ½. "
            "Orthogonalise the inputs, e.g. theory.theorems.paper.divergence.build(...), or take a smaller β."
        )


def _times(instance: Divergence, at: Array) -> Array:
    return (instance.model.lr / instance.model.size) * at[:, None]


def _ga_bounds(instance: Divergence, at: Array) -> Bounds:
    c, t = instance_constants(instance.model, instance.beta), _times(instance, at)
    return Bounds(c.C1 * t, c.C2 * t)


def _npo_bounds(instance: Divergence, at: Array) -> Bounds:
    c, t, beta = instance_constants(instance.model, instance.beta), _times(instance, at), instance.beta
    return Bounds(np.log1p(c.Ca * t) / beta, np.log1p(c.Cb * t) / beta)


def _measure(instance: Divergence, beta: float) -> Measurement:
    at = log_grid(instance.steps, instance.points)
    return Measurement(at, simulate(instance.model, beta=beta, at=at))


_SOURCE = (
    "arXiv:2404.05868, Theorem 2; the instance's own constants derived in theory/theorems/paper/instance_constants.py"
)

INSTANCE_GA: Theorem[Divergence] = Theorem(
    name="Theorem 2, GA, instance constants",
    statement="(γ_ii σ(−c_i) − r_i) η₀ t ≤ m_i(t) ≤ (γ_ii + r_i) η₀ t",
    source=_SOURCE,
    hypotheses=_ga_dominated,
    predict=_ga_bounds,
    measure=lambda instance: _measure(instance, 0.0),
)

INSTANCE_NPO: Theorem[Divergence] = Theorem(
    name="Theorem 2, NPO, instance constants",
    statement="(1/β) log(1 + C_a,i η₀ t) ≤ m_i(t) ≤ (1/β) log(1 + C_b,i η₀ t)",
    source=_SOURCE,
    hypotheses=_npo_dominated,
    predict=_npo_bounds,
    measure=lambda instance: _measure(instance, instance.beta),
)
