"""Theorem 2 of arXiv:2404.05868 with explicit constants: GA diverges linearly in t, NPO like log t.

For the logistic model with nearly orthogonal inputs, b_x ≤ ‖x_i‖ ≤ B_x, B = B_x B_θ, η₀ = η/n_f, for all i, t ≥ 1:

    GA :           C₁ η₀ t          ≤ m_i(t) ≤           C₂ η₀ t
    NPO: (1/β) log(1 + C_a η₀ t)    ≤ m_i(t) ≤ (1/β) log(1 + C_b η₀ t)

    C₁ = ½ b_x² σ(−B),  C₂ = B_x² + C₁,  C_a = β k₁,  C_b = β k₂ e^{βη₀κ},
    k₁ = ½ b_x² σ(−B),  k₂ = 3 B_x² (1 + e^B)^β,  κ = (3/2) B_x².

The paper proves that such constants exist (for NPO with η ≤ 1; here the step size enters C_b instead), for
‖θ − θ_init‖_{XᵀX} = ‖m‖₂, which the bounds on each m_i imply.

Why these work. GA: the off-diagonal terms of A add at most Σ_{j≠i}|γ_ij| ≤ C₀ since g ≤ 1, and the diagonal gives at
least γ_ii σ(−B) while m ≥ 0. NPO: follow z = e^{βm}; below, e^{βδ} ≥ 1 + βδ, so z grows by at least βη₀k₁ a step;
above, e^{βδ} ≤ 1 + βδ e^{βδ} and δ ≤ η₀κ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from theory.theorems.paper.margins import LinearLogistic, log_grid, simulate
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = ["THEOREM_2_GA", "THEOREM_2_NPO", "Constants", "Divergence", "build", "constants", "coupling"]

Array = np.ndarray


@dataclass(frozen=True)
class Divergence:
    """An instance of Theorem 2: the forget set, β, and how far and how densely to look."""

    model: LinearLogistic
    beta: float
    steps: int
    points: int = 60


@dataclass(frozen=True)
class Constants:
    """The explicit constants of Theorem 2; C₀(·)/n_f bounds the coupling max_{i≠j} |γ_ij|."""

    C0_GA: float
    C1: float
    C2: float
    C0_NPO: float
    Ca: float
    Cb: float


def constants(model: LinearLogistic, beta: float) -> Constants:
    """C₀, C₁, C₂, C_a, C_b of a forget set, from its norms and B = B_x B_θ (uniform in i)."""
    squared_norm = np.diag(model.signed_gram)
    low, high = float(squared_norm.min()), float(squared_norm.max())
    B = float(np.sqrt(high)) * model.radius
    eta0 = model.lr / model.size
    k1 = 0.5 * low * float(expit(-B))
    stretch = float(np.exp(beta * np.logaddexp(0.0, B)))  # (1 + e^B)^β
    k2, kappa = 3 * high * stretch, 1.5 * high
    Ca, Cb = beta * k1, beta * k2 * float(np.exp(beta * eta0 * kappa))
    return Constants(C0_GA=k1, C1=k1, C2=high + k1, C0_NPO=k1 / (2 * stretch) * Ca / Cb, Ca=Ca, Cb=Cb)


def coupling(model: LinearLogistic) -> float:
    """max_{i≠j} |γ_ij|: how far the inputs are from orthogonal."""
    off = np.abs(model.signed_gram - np.diag(np.diag(model.signed_gram)))
    return float(off.max())


def build(
    *,
    n: int,
    d: int,
    beta: float,
    lr: float,
    seed: int,
    radius: float = 1.0,
    spread: float = 0.2,
    fill: float = 0.9,
) -> LinearLogistic:
    """A forget set that satisfies the hypotheses of both halves of Theorem 2.

    Orthonormal rows, scaled by factors in [1 − spread, 1 + spread], plus a perturbation as large as `fill` ∈ [0, 1]
    of what near-orthogonality allows; random labels, and θ_init of norm `radius`. Needs d ≥ n. (C₀(NPO)/n_f is of
    order 1e-6, so such instances are built, not found among Gaussian draws.)
    """
    if d < n:
        raise HypothesisError(f"{n} nearly orthogonal inputs need at least as many dimensions: d={d}, take d ≥ {n}.")
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, n)))[0].T
    scaled = basis * rng.uniform(1 - spread, 1 + spread, size=(n, 1))
    theta = rng.normal(size=d)
    theta *= radius / np.linalg.norm(theta)
    signs = rng.choice([-1.0, 1.0], size=n)
    tilt = rng.normal(size=(n, d))
    tilt /= np.linalg.norm(tilt, axis=1, keepdims=True)
    size = 0.05
    while True:  # shrink the perturbation until near-orthogonality holds with room to spare
        X = signs[:, None] * (scaled + size * tilt)
        model = LinearLogistic(X @ X.T, X @ theta, radius, lr)
        c = constants(model, beta)
        allowed = fill * min(c.C0_GA, c.C0_NPO) / n
        if coupling(model) <= allowed:
            return model
        _check_allowed(allowed, lr, beta)
        size *= min(0.5, allowed / coupling(model))


def _check_allowed(coupling: float, lr: float, beta: float) -> None:
    if coupling < 1e-15:
        raise HypothesisError(
            f"Theorem 2 allows a coupling of {coupling:.1e} here, less than float64 can tell from 0: "
            f"take a smaller step size than lr={lr:g} (lr/n matters), a smaller β than {beta:g} or a larger `fill`."
        )


def _near_orthogonal(C0: Callable[[Constants], float], half: str) -> Callable[[Divergence], None]:
    def hypotheses(instance: Divergence) -> None:
        model = instance.model
        worst = float(np.max(np.abs(model.confidence) / np.sqrt(np.diag(model.signed_gram))))
        if worst > model.radius * (1 + 1e-12):
            raise HypothesisError(
                f"|⟨x_i, θ_init⟩|/‖x_i‖ reaches {worst:.3g}, above radius B_θ = {model.radius:.3g}: raise `radius`."
            )
        allowed = C0(constants(model, instance.beta)) / model.size
        if coupling(model) > allowed:
            raise HypothesisError(
                f"Theorem 2 ({half}) needs max |γ_ij| ≤ C₀/n_f = {allowed:.3g}, here it is {coupling(model):.3g}: "
                "orthogonalise the inputs, e.g. theory.theorems.paper.divergence.build(...)."
            )

    return hypotheses


def _ga_bounds(instance: Divergence, at: Array) -> Bounds:
    c = constants(instance.model, instance.beta)
    t = (instance.model.lr / instance.model.size) * at[:, None] * np.ones(instance.model.size)
    return Bounds(c.C1 * t, c.C2 * t)


def _npo_bounds(instance: Divergence, at: Array) -> Bounds:
    c, beta = constants(instance.model, instance.beta), instance.beta
    t = (instance.model.lr / instance.model.size) * at[:, None] * np.ones(instance.model.size)
    return Bounds(np.log1p(c.Ca * t) / beta, np.log1p(c.Cb * t) / beta)


def _margins(beta_of: Callable[[Divergence], float]) -> Callable[[Divergence], Measurement]:
    def measure(instance: Divergence) -> Measurement:
        at = log_grid(instance.steps, instance.points)
        return Measurement(at, simulate(instance.model, beta=beta_of(instance), at=at))

    return measure


_SOURCE = "arXiv:2404.05868, Theorem 2 (existence); constants derived in theory/theorems/paper/divergence.py"

THEOREM_2_GA: Theorem[Divergence] = Theorem(
    name="Theorem 2, GA",
    statement="C₁ η₀ t ≤ m_i(t) ≤ C₂ η₀ t: the forgetting margin grows linearly",
    source=_SOURCE,
    hypotheses=_near_orthogonal(lambda c: c.C0_GA, "GA"),
    predict=_ga_bounds,
    measure=_margins(lambda instance: 0.0),
)

THEOREM_2_NPO: Theorem[Divergence] = Theorem(
    name="Theorem 2, NPO",
    statement="(1/β) log(1 + C_a η₀ t) ≤ m_i(t) ≤ (1/β) log(1 + C_b η₀ t): the margin grows logarithmically",
    source=_SOURCE,
    hypotheses=_near_orthogonal(lambda c: c.C0_NPO, "NPO"),
    predict=_npo_bounds,
    measure=_margins(lambda instance: instance.beta),
)
