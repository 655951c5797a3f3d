"""Exact gradient flow of one logistic example: how long until the forgetting margin is m?

dm/dτ = W(m) σ(m − c), with τ = η₀‖x‖² t, c the initial confidence (logit) and u(m) the drop in nats:

    GA :  τ(m) = m + e^c (1 − e^{−m})
    NPO:  τ(m) = ∫₀^m ds / (2σ(−βu(s)) σ(s − c))  ≈  e^{βm} / (2β (1 + e^c)^β)  once βm ≫ 1

so the number of steps to a margin is linear in it for GA and exponential, at rate β, for NPO.
"""

import itertools

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import wrightomega

from theory.theorems.paper.margins import drop
from theory.weights import log_sigmoid

__all__ = ["ga_margin", "ga_time", "npo_asymptote", "npo_margin", "npo_time", "npo_time_at_beta_one"]

Array = np.ndarray


def ga_time(margin: Float[Array, "*n"] | float, c: float) -> Float[Array, "*n"]:
    """τ at which GA reaches a margin: m − e^c expm1(−m).  Source: exact integral of dm/dτ = σ(m − c).

    >>> float(ga_time(np.array(10.0), 2.0).round(1))
    17.4
    """
    m = np.asarray(margin, dtype=np.float64)
    return np.asarray(m - np.exp(c) * np.expm1(-m))


def ga_margin(tau: Float[Array, "*n"] | float, c: float) -> Float[Array, "*n"]:
    """The margin that GA has reached at τ: the inverse of `ga_time`, by Wright's ω at z = c + e^c − τ.

    τ − e^c + ω(z) loses its digits where it is small, so c − log ω(z) for z > 0, c − z + ω(z) for z ≤ 0,
    and one Newton step on `ga_time`, which restores what is left.
    """
    t = np.asarray(tau, dtype=np.float64)
    z = c + np.exp(c) - t
    omega = wrightomega(z)
    with np.errstate(divide="ignore"):  # ω underflows for z ≪ 0, where the other branch is taken
        m = np.where(z > 0, c - np.log(omega), c - z + omega)
    return np.asarray(m - (ga_time(m, c) - t) / (1 + np.exp(c - m)))


def npo_time(margin: float, c: float, *, beta: float) -> float:
    """τ at which NPO reaches a margin, by adaptive quadrature (relative error 1e-10).

    >>> round(npo_time(10.0, 2.0, beta=0.1), 1)
    19.6
    """

    def inverse_speed(s: float) -> float:
        # 1 / (2σ(−βu) σ(s − c)) in the log domain, so that it overflows only where the time itself does
        m = np.array(s)
        log_speed = np.log(2) + log_sigmoid(-beta * drop(m, np.array(c))) + log_sigmoid(m - c)
        return float(np.exp(-log_speed))

    pieces = np.linspace(0.0, margin, max(2, int(np.ceil(abs(margin) * max(beta, 1.0) / 5)) + 1))
    return float(sum(quad(inverse_speed, a, b, epsabs=0, epsrel=1e-10)[0] for a, b in itertools.pairwise(pieces)))


def npo_time_at_beta_one(margin: Float[Array, "*n"] | float, c: float) -> Float[Array, "*n"]:
    """τ(m) for β = 1 in closed form: F(m) − F(0), F(m) = [(3e^c + 1)m − (2e^c + 1)e^{c−m} + e^m] / (2(e^c + 1)).

    >>> float(npo_time_at_beta_one(0.0, 2.0))
    0.0
    """
    m, e = np.asarray(margin, dtype=np.float64), np.exp(c)
    return np.asarray(((3 * e + 1) * m - (2 * e + 1) * e * np.expm1(-m) + np.expm1(m)) / (2 * (e + 1)))


def npo_asymptote(tau: Float[Array, "*n"] | float, c: float, *, beta: float) -> Float[Array, "*n"]:
    """The margin of NPO for τ → ∞, its constant included: (1/β) log(2βτ) + log(1 + e^c) + o(1)."""
    return np.asarray(np.log(2 * beta * np.asarray(tau)) / beta + np.logaddexp(0.0, c))


def npo_margin(tau: float, c: float, *, beta: float) -> float:
    """The margin that NPO has reached at τ, by inverting `npo_time` in log τ; to τ = 1e100 and beyond.

    >>> round(npo_margin(npo_time(7.0, 2.0, beta=0.5), 2.0, beta=0.5), 9)
    7.0
    """
    if tau == 0:
        return 0.0
    # NPO is slower than GA (W ≤ 1 for m ≥ 0), and on its asymptote within a few nats and 1/β of it.
    above = min(float(ga_margin(tau, c)), max(float(npo_asymptote(tau, c, beta=beta)), 0.0) + 5 + 5 / beta)
    return float(brentq(lambda m: np.log(npo_time(m, c, beta=beta) / tau), 1e-12 * above, above, xtol=1e-11))
