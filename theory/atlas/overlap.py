"""A forget and a retain example that overlap: the retain gap stays for gradient ascent, and closes for NPO.

Two examples of unit norm with κ = y_f y_r ⟨x_f, x_r⟩ ∈ (−1, 1), F = V(m) the force of the forget loss and R = 1 − π_r
that of the retain likelihood (+RT), r the retain margin:

    dm/dτ = F − κR,    dr/dτ = R − κF.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.special import expit

from theory.atlas.growth import Growth, linear, logarithmic
from theory.atlas.scalar import ScalarLoss

__all__ = ["Overlap", "ga_with_rt", "npo_with_rt", "retain_gap_of_npo"]

Array = np.ndarray


@dataclass(frozen=True)
class Overlap:
    """A forget loss with +RT, the overlap κ, and the retain example's confidence."""

    loss: ScalarLoss
    kappa: float
    retain_confidence: float = 2.0

    def simulate(self, tau: Float[Array, " k"]) -> Float[Array, "k 2"]:
        """Forget margin and retain gap 1 − π_r at increasing times, by integration in log τ."""

        def rates(x: float, state: Array) -> Array:
            force, retain = self.loss.speed(state[:1])[0], expit(-self.retain_confidence - state[1])
            return np.asarray(np.exp(x) * np.array([force - self.kappa * retain, retain - self.kappa * force]))

        at = np.log(tau)
        span = (-12.0, float(at[-1]))
        found = solve_ivp(rates, span, np.zeros(2), method="LSODA", t_eval=at, rtol=1e-9, atol=1e-11)
        return np.asarray(np.stack([found.y[0], expit(-self.retain_confidence - found.y[1])], -1))


def ga_with_rt(kappa: float) -> Growth:
    """m ~ (1 − κ²)τ of GA+RT, up to a constant; its retain gap tends to κ > 0 and stays there."""
    return linear(1 - kappa**2)


def npo_with_rt(c: float, kappa: float, *, beta: float) -> Growth:
    """m = (1/β) log(2β(1 − κ²)τ/(1 + βκ)) + log(1 + e^c) of NPO+RT."""
    constant = np.log(2 * beta * (1 - kappa**2) / (1 + beta * kappa)) / beta + np.logaddexp(0.0, c)
    return logarithmic(1 / beta, float(constant))


def retain_gap_of_npo(tau: Float[Array, "*n"] | float, kappa: float, *, beta: float) -> Float[Array, "*n"]:
    """1 − π_r → (β + κ)/(β(1 − κ²)τ) of NPO+RT: it closes."""
    return np.asarray((beta + kappa) / (beta * (1 - kappa**2) * np.asarray(tau)))
