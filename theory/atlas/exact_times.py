"""Exact times τ(m) of the family in the scalar model, and the margins that invert in closed form.

By the master integral, with J = I₀ and I_b of weight π^b: GA τ = J; WGA τ = I_b; IHL 2τ = I₁; NPO 2τ = J + π_ref^b I_b;
TNPO, with a floor in its weight, 2τ = J + (π_ref^b + floor) I_b; WTNPO 2τ = I_a + (π_ref^b + floor) I_(a+b);
SimNPO 2τ = J + e^(−γ) I_b; KTO at a constant z_ref 2τ = J + e^z π_ref^b I_b; D2O at a constant positive term S
aτ = J + e^S π_ref^a I_a; SatImp τ = ∫ π^(−b₁) (1 − π)^(−1−b₂); CE-U τ = m + e^(−c)(e^m − 1); DPO with the other class
as its positive answer (2/prefactor)·2τ = ∫ (1 + e^(βm)). Each function takes margins and c, hyperparameters by name.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import wrightomega

from theory.atlas.master_integral import master_integral
from theory.weights import log_sigmoid

__all__ = ["EXACT_TIMES", "ce_u_margin", "dpo_margin"]

Array = np.ndarray
Margins = Float[Array, "*n"] | float
Times = Float[Array, "*n"]


def _log_ref(c: float) -> float:
    return float(log_sigmoid(c))


def _ascent(m: Margins, c: float) -> Times:
    return master_integral(m, c, b=0.0, d=1.0)


def _weighted(m: Margins, c: float, *, beta: float) -> Times:
    return master_integral(m, c, b=beta, d=1.0)


def _smoothed(m: Margins, c: float, *, beta: float, log_level: float) -> Times:
    """½ (J + level · I_β), the time of every weight 2/(1 + level π^(−β))."""
    return np.asarray((_ascent(m, c) + np.exp(log_level) * _weighted(m, c, beta=beta)) / 2)


def _npo(m: Margins, c: float, *, beta: float) -> Times:
    return _smoothed(m, c, beta=beta, log_level=beta * _log_ref(c))


def _kto(m: Margins, c: float, *, beta: float, z_ref: float) -> Times:
    return _smoothed(m, c, beta=beta, log_level=z_ref + beta * _log_ref(c))


def _simnpo(m: Margins, c: float, *, beta: float, gamma: float) -> Times:
    return _smoothed(m, c, beta=beta, log_level=-gamma)


def _tnpo(m: Margins, c: float, *, beta: float, floor: float = 1e-5) -> Times:
    return _smoothed(m, c, beta=beta, log_level=float(np.log(np.exp(beta * _log_ref(c)) + floor)))


def _wtnpo(m: Margins, c: float, *, beta: float, alpha: float, floor: float = 1e-5) -> Times:
    level = np.exp(beta * _log_ref(c)) + floor
    return np.asarray((_weighted(m, c, beta=alpha) + level * _weighted(m, c, beta=alpha + beta)) / 2)


def _satimp(m: Margins, c: float, *, beta1: float, beta2: float) -> Times:
    return master_integral(m, c, b=beta1, d=1 + beta2)


def _ihl(m: Margins, c: float) -> Times:
    return np.asarray(_weighted(m, c, beta=1.0) / 2)


def _d2o(m: Margins, c: float, *, alpha: float, positive: float) -> Times:
    return np.asarray(_smoothed(m, c, beta=alpha, log_level=positive + alpha * _log_ref(c)) * 2 / alpha)


def _ce_u(m: Margins, c: float) -> Times:
    return np.asarray(m + np.exp(-c) * np.expm1(m))


def _dpo(m: Margins, c: float, *, beta: float, prefactor: float = 2.0) -> Times:
    return np.asarray((m + np.expm1(beta * np.asarray(m)) / beta) / prefactor)


EXACT_TIMES = {
    "GA": _ascent,
    "WGA": _weighted,
    "NPO": _npo,
    "TNPO": _tnpo,
    "WTNPO": _wtnpo,
    "SimNPO": _simnpo,
    "SatImp": _satimp,
    "IHL": _ihl,
    "D2O": _d2o,
    "KTO": _kto,
    "CE-U": _ce_u,
    "IDK": _ce_u,
    "DPO": _dpo,
    "AltPO": _dpo,
}
"""τ(m) of each loss that has an exact time: `EXACT_TIMES["NPO"](m, c, beta=0.1)`."""


def ce_u_margin(tau: Float[Array, "*n"] | float, c: float) -> Float[Array, "*n"]:
    """m = c + log ω(τ + e^(−c) − c) of CE-U, by Wright's ω: the inverse of its exact time."""
    return np.asarray(c + np.log(wrightomega(np.asarray(tau, dtype=np.float64) + np.exp(-c) - c)))


def dpo_margin(tau: Float[Array, "*n"] | float, *, beta: float) -> Float[Array, "*n"]:
    """m = (1/β) log ω(2βτ + 1) of DPO whose positive answer is the other class.

    >>> float(dpo_margin(_dpo(3.0, 2.0, beta=0.5), beta=0.5).round(12))
    3.0
    """
    return np.asarray(np.log(wrightomega(2 * beta * np.asarray(tau, dtype=np.float64) + 1)) / beta)
