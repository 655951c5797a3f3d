"""The intrinsic times of losses that can be integrated: T = ∫₀ᵘ dv/w(v) as a formula in the drop u.

Almost every published loss has 1/w(u) = Σ_k B_k e^{κ_k u}, so that its time is one line,

    T = Σ_k B_k (e^{κ_k u} − 1)/κ_k        (B_k u where κ_k = 0; p = π_ref, ε a floor, n tokens, z and R⁺ held still)

    GA                T = u
    NPO               T = ½(u + (e^{βu} − 1)/β)
    KTO               T = ½(u + e^z (e^{βu} − 1)/β)
    DPO, AltPO        T = (u + e^{βR⁺} (e^{βu} − 1)/β)/c
    SimNPO            T = (n/2)(u + e^{−γ} p^{−β/n} (e^{βu/n} − 1) n/β)
    WGA               T = p^{−β} (e^{βu} − 1)/β
    TNPO              T = ½(u + (1 + ε p^{−β}) (e^{βu} − 1)/β)

and with r(u) = e^u/p − 1, the odds against the answer,

    CE-U              T = (1/p − 1)(e^u − 1) + (e^u − 1 − u)                    that of unlikelihood, −log(1 − p)
    SatImp            T = ∫ (1 + r)^{β₁+β₂−1} r^{−β₂} dr = Σ_k C(β₁+β₂−1, k) [r^{k+1−β₂}/(k + 1 − β₂)],  β₁ + β₂ whole

All are written in terms of (e^x − 1)/x, so that no digits are lost for u → 0, β → 0 or π_ref → 1.
Each is checked against quadrature of its kernel's own weight.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import binom, exprel

from theory.theorems.time.drop_weights import ForgetAnswer

__all__ = [
    "ClosedTime",
    "ce_u_time",
    "exponentials",
    "ga_time",
    "kto_time",
    "npo_time",
    "paired_time",
    "rise",
    "satimp_time",
    "simnpo_time",
    "tnpo_time",
    "wga_time",
]

Array = np.ndarray
LONGEST = 60  # terms of a binomial sum


@dataclass(frozen=True)
class ClosedTime:
    """A time u -> T(u) in float64 nats, its formula, and the drop at which π = 1 where it ends there."""

    formula: str
    time: Callable[[Array], Array]
    least: float = -np.inf


def rise(rate: float, u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """(e^{κu} − 1)/κ, which is u for κ = 0."""
    return np.asarray(u * exprel(rate * u))


def exponentials(formula: str, terms: Mapping[float, float]) -> ClosedTime:
    """Σ_k B_k (e^{κ_k u} − 1)/κ_k of κ_k -> B_k."""

    def time(u: Array) -> Array:
        return np.asarray(sum(factor * rise(rate, u) for rate, factor in terms.items()))

    return ClosedTime(formula, time)


# --- losses of an answer's log-probability --------------------------------------------------------------------------


def ga_time(answer: ForgetAnswer) -> ClosedTime:
    """Of w = 1."""
    return ClosedTime("T = u", lambda u: u)


def npo_time(answer: ForgetAnswer, *, beta: float) -> ClosedTime:
    """Of w = 2/(1 + e^{βu})."""
    return exponentials("T = ½(u + (e^{βu} − 1)/β)", {0.0: 0.5, beta: 0.5})


def kto_time(answer: ForgetAnswer, *, beta: float) -> ClosedTime:
    """Of w = 2/(1 + e^{βu + z}), z `held` as z_ref."""
    z = answer.held.get("z_ref", 0.0)
    return exponentials("T = ½(u + e^z (e^{βu} − 1)/β)", {0.0: 0.5, beta: 0.5 * np.exp(z)})


def paired_time(positive: str) -> Callable[..., ClosedTime]:
    """DPO with the positive answer's log-ratio R⁺ held still."""

    def found(answer: ForgetAnswer, *, beta: float, prefactor: float = 2.0) -> ClosedTime:
        ratio = answer.held.get(positive, 0.0) - answer.held.get(f"ref_{positive}", 0.0)
        return exponentials(
            "T = (u + e^{βR⁺} (e^{βu} − 1)/β)/c", {0.0: 1 / prefactor, beta: np.exp(beta * ratio) / prefactor}
        )

    return found


def simnpo_time(answer: ForgetAnswer, *, beta: float, gamma: float) -> ClosedTime:
    """Of w = (2/n)/(1 + e^{−γ} p^{−β/n} e^{βu/n})."""
    n = answer.count
    rate = beta / n
    late = 0.5 * n * np.exp(-gamma - rate * answer.ref_logp)
    return exponentials("T = (n/2)(u + e^{−γ} p^{−β/n} (e^{βu/n} − 1) n/β)", {0.0: 0.5 * n, rate: late})


# --- losses of a token's --------------------------------------------------------------------------------------------


def wga_time(answer: ForgetAnswer, *, beta: float) -> ClosedTime:
    """Of w = q^β, q = p e^{−u}."""
    return exponentials("T = p^{−β} (e^{βu} − 1)/β", {beta: np.exp(-beta * answer.ref_logp)})


def tnpo_time(answer: ForgetAnswer, *, beta: float, floor: float = 1e-5) -> ClosedTime:
    """Of w = 2q^β/(q^β + p^β + ε)."""
    late = 0.5 * (1 + floor * np.exp(-beta * answer.ref_logp))
    return exponentials("T = ½(u + (1 + ε p^{−β}) (e^{βu} − 1)/β)", {0.0: 0.5, beta: late})


def ce_u_time(answer: ForgetAnswer, *, skip: int = 1) -> ClosedTime:
    """Of w = q/(1 − q), which unlikelihood has too."""
    odds = np.expm1(-answer.ref_logp)  # 1/p − 1

    def time(u: Array) -> Array:
        return np.asarray(odds * np.expm1(u) + _beyond_linear(u))

    return ClosedTime("T = (1/p − 1)(e^u − 1) + (e^u − 1 − u)", time, answer.ref_logp)


def _beyond_linear(u: Array) -> Array:
    """e^u − 1 − u, by its series near 0."""
    x = np.asarray(u, dtype=np.float64)
    near = np.abs(x) < 0.5
    small = np.where(near, x, 0.0)
    series = np.zeros_like(small)
    for k in range(16, 1, -1):  # x²/2 (1 + x/3 (1 + x/4 (…)))
        series = small / k * (1 + series)
    return np.asarray(np.where(near, small * series, np.expm1(x) - x))


def satimp_time(answer: ForgetAnswer, *, beta1: float, beta2: float) -> ClosedTime | None:
    """Of w = q^{β₁} (1 − q)^{β₂}; None where β₁ + β₂ is not whole or π_ref is 1."""
    power = beta1 + beta2 - 1
    if answer.ref_logp == 0 or power < 0 or power > LONGEST or power != round(power):
        return None
    start = np.expm1(-answer.ref_logp)  # r at u = 0
    terms = [(binom(power, k), k + 1 - beta2) for k in range(round(power) + 1)]

    def time(u: Array) -> Array:
        gained = np.asarray(np.log1p(np.exp(-answer.ref_logp) * np.expm1(u) / start))  # log(r / r₀)
        return np.asarray(sum(factor * start**e * rise(e, gained) for factor, e in terms))

    return ClosedTime("T = Σ_k C(β₁+β₂−1, k) [r^{k+1−β₂}/(k+1−β₂)],  r = e^u/p − 1", time, answer.ref_logp)
