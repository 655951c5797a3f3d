"""A forget and a retain example that overlap: the retain gap stays for gradient ascent, and closes for NPO.

Two examples of unit norm with κ = y_f y_r ⟨x_f, x_r⟩ ∈ (−1, 1), F = V(m) the force of the forget loss and R that of the
retain term, r the retain margin:

    dm/dτ = F − κR,    dr/dτ = R − κF.

R is the retain gap: 1 − π_r of the likelihood (+RT), π_r,ref − π_r of the divergence from the reference (+KL). With
gradient ascent it settles at κ > 0, where it can: +KL has no gap beyond π_r,ref.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.special import expit

from theory.atlas.growth import Growth, linear, logarithmic
from theory.atlas.scalar import ScalarLoss

__all__ = [
    "Gap",
    "Overlap",
    "divergence",
    "ga_with_retain",
    "likelihood",
    "npo_with_kl",
    "npo_with_rt",
    "retain_gap_of_npo",
    "retain_gap_of_npo_with_kl",
]

Array = np.ndarray
Margins = Float[Array, "*n"] | float
Gap = Callable[[Margins, float], Float[Array, "*n"]]


def likelihood(r: Margins, confidence: float) -> Float[Array, "*n"]:
    """1 − π_r, the gap and the force of +RT."""
    return np.asarray(expit(-confidence - r))


def divergence(r: Margins, confidence: float) -> Float[Array, "*n"]:
    """π_r,ref − π_r, the gap and the force of +KL, KL(π_ref ‖ π_θ) of two classes."""
    return np.asarray(expit(confidence) * expit(-confidence - r) * -np.expm1(r))


@dataclass(frozen=True)
class Overlap:
    """A forget loss with a retain term, the overlap κ, and the retain example's confidence."""

    loss: ScalarLoss
    kappa: float
    retain_confidence: float = 2.0
    gap: Gap = likelihood

    def simulate(self, tau: Float[Array, " k"]) -> Float[Array, "k 2"]:
        """Forget margin and retain gap R at increasing times, by integration in log τ."""

        def rates(x: float, state: Array) -> Array:
            force, retain = self.loss.speed(state[:1])[0], self.gap(state[1], self.retain_confidence)
            return np.asarray(np.exp(x) * np.array([force - self.kappa * retain, retain - self.kappa * force]))

        at = np.log(tau)
        span = (-12.0, float(at[-1]))
        found = solve_ivp(rates, span, np.zeros(2), method="LSODA", t_eval=at, rtol=1e-9, atol=1e-11)
        return np.asarray(np.stack([found.y[0], self.gap(found.y[1], self.retain_confidence)], -1))


def ga_with_retain(kappa: float) -> Growth:
    """m ~ (1 − κ²)τ of GA+RT and GA+KL, up to a constant; the retain gap tends to κ and stays there.

    For that, +RT needs κ > 0 and +KL −(1 − π_r,ref) < κ < π_r,ref: no gap is larger.
    """
    return linear(1 - kappa**2)


def npo_with_rt(c: float, kappa: float, *, beta: float) -> Growth:
    """m = (1/β) log(2β(1 − κ²)τ/(1 + βκ)) + log(1 + e^c) of NPO+RT."""
    constant = np.log(2 * beta * (1 - kappa**2) / (1 + beta * kappa)) / beta + np.logaddexp(0.0, c)
    return logarithmic(1 / beta, float(constant))


def retain_gap_of_npo(tau: Float[Array, "*n"] | float, kappa: float, *, beta: float) -> Float[Array, "*n"]:
    """1 − π_r → (β + κ)/(β(1 − κ²)τ) of NPO+RT: it closes."""
    return np.asarray((beta + kappa) / (beta * (1 - kappa**2) * np.asarray(tau)))


def npo_with_kl(c: float, kappa: float, *, beta: float) -> Growth:
    """m = (1/β) log(2β(1 − κ²)τ) + log(1 + e^c) of NPO+KL."""
    constant = np.log(2 * beta * (1 - kappa**2)) / beta + np.logaddexp(0.0, c)
    return logarithmic(1 / beta, float(constant))


def retain_gap_of_npo_with_kl(tau: Float[Array, "*n"] | float, kappa: float, *, beta: float) -> Float[Array, "*n"]:
    """π_r,ref − π_r → κ/(β(1 − κ²)τ) of NPO+KL: it closes, κF at every time."""
    return np.asarray(kappa / (beta * (1 - kappa**2) * np.asarray(tau)))
