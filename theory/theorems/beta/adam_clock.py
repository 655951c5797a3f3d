"""NPO under Adam: which drop a run ends at, and the β that a wanted drop asks for.

Let the forget gradient be W(u)·a with a constant a. Adam divides by what it remembers of it, so the size of a cancels:
in one coordinate a run depends only on β, Adam's own β₁, β₂ and `speeds[t]` = |a|·lr_t, the nats that gradient ascent
would drop in step t. With W = 2/(1 + e^{βu}) and biases corrected, step t is

    m ← β₁m + (1 − β₁)W,   v ← β₂v + (1 − β₂)W²,   u ← u + speeds[t] · m̂ / (√(v̂ + r²) + ε)

where r² ≥ 0 is what other terms (retain, noise of batches) add to v and ε is Adam's, both in units of the first forget
gradient.

A confident reference bends this: of n answer tokens with probability p₀ each, a softmax passes on only what it does not
give them, so the gradient grows by s = 1/(1 − p₀ + p₀e^{−z}) with the tokens' margin z, from 1 to 1/(1 − p₀), and

    W → sW in m and v,    z ← z + speeds[t]/(n(1 − p₀)) · m̂ / (√(v̂ + r²) + ε),    u = n log(p₀ + (1 − p₀)e^z)

Small steps within t ≪ 1/(1 − β₂), where v̂ is the mean of all W² so far, follow one curve in τ = βΣspeeds (p₀ = 0),

    dy/dτ = W / √(S/τ + r²),   dS/dτ = W²,   y = βu
    r = 0:   y → (3/2) log τ + κ,   κ = log(4/3) − ½ log S(∞) = 0.2729,   S(∞) = 1.0300

(late W → 2e^{−y}, so e^y → (4/3) τ^{3/2}/√S). It is left where r²τ > 1, for the plain law's log τ/r; and, without a
floor, beyond 1/(1 − β₂) steps: there Adam has forgotten the large gradients, and NPO drops at a constant speed again,
−log β₂/(2β) nats a step whatever the learning rate, once β·speed ≫ 1 − β₂.

Where steps are larger than 1/β, as in short finetunings, momentum decides: a first step carries on for six of its
speeds. On the 40 steps of the recipe tofu-mini (NPO+RT), one constant for the speeds, fitted to β ≤ .02, is off by up
to a factor 6 in u at β = .5; with r² and the reference's confidence, two constants leave 13 % to β = .02, 60 % to
β = .2 and a factor 2.3 at .5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.integrate import OdeSolution, solve_ivp
from scipy.optimize import brentq

from theory.theorems.theorem import HypothesisError

__all__ = ["KAPPA", "UNSURE", "Confidence", "adam_curve", "beta_under_adam", "drops_under_adam"]

Array = np.ndarray
Speeds = Float[Array, " steps"] | Sequence[float]
KAPPA = 0.2728938504587  # log(4/3) − ½ log S(∞), from the curve's own integration
EARLY, LATE = 1e-6, 1e12  # the τ between which the curve is integrated; before it y = τ, after it the asymptote
NO_STOP = 1e300  # a β at which every gradient after the first is 0


@dataclass(frozen=True)
class Confidence:
    """The reference's confidence: mean probability p₀ of an answer token, and n tokens an answer."""

    probability: float = 0.0
    tokens: float = 1.0

    def __post_init__(self) -> None:
        """HypothesisError for what is no probability below 1, or no length."""
        if not (0 <= self.probability < 1 and 0 < self.tokens < math.inf):
            raise HypothesisError(f"0 ≤ probability < 1 and tokens > 0 are needed, here they are {self}.")


UNSURE = Confidence()  # of a reference whose gradient does not change: p₀ = 0


def drops_under_adam(
    beta: float,
    speeds: Speeds,
    betas: tuple[float, float] = (0.9, 0.999),
    *,
    eps: float = 0.0,
    floor: float = 0.0,
    confidence: Confidence = UNSURE,
) -> Float[Array, " steps"]:
    """The drop u (nats) after each step of Adam on NPO in one coordinate; gradient ascent for β = 0.

    `speeds` are nats a step (see above: learning rates times one constant), `betas` Adam's (β₁, β₂), `eps` its ε
    relative to the first forget gradient, `floor` r² relative to that gradient's square. On the one-parameter loss it
    is torch.optim.Adam to rounding. HypothesisError for a negative β, speed, ε or floor, or β₁, β₂ outside [0, 1).

    >>> drops_under_adam(0.1, [1.0] * 100)[[0, 9, 99]].round(2).tolist()
    [1.0, 9.77, 41.37]
    """
    steps = _checked(beta, speeds, betas, eps, floor)
    (momentum, memory), p, n = betas, confidence.probability, confidence.tokens
    m = v = u = margin = 0.0
    kept_m = kept_v = e_margin = 1.0  # β₁^t, β₂^t, e^{−z}
    drops = np.empty(len(steps))
    for t, speed in enumerate(steps):
        e = math.exp(-beta * u)
        g = 2 * e / (1 + e) / (1 - p + p * e_margin)
        m, v = momentum * m + (1 - momentum) * g, memory * v + (1 - memory) * g * g
        kept_m, kept_v = kept_m * momentum, kept_v * memory
        size = math.sqrt(v / (1 - kept_v) + floor) + eps
        margin += speed / (n * (1 - p)) * (m / (1 - kept_m)) / size if size > 0 else 0.0
        e_margin = math.exp(-margin)
        u = n * (margin + math.log1p(p * math.expm1(-margin)))
        drops[t] = u
    return drops


def beta_under_adam(
    drop: float,
    speeds: Speeds,
    betas: tuple[float, float] = (0.9, 0.999),
    *,
    eps: float = 0.0,
    floor: float = 0.0,
    confidence: Confidence = UNSURE,
) -> float:
    """The β at which NPO under Adam ends at a wanted drop (nats) after steps of these speeds; 0 where GA ends there.

    The inverse of the last entry of `drops_under_adam`, by root finding in log β. HypothesisError where gradient ascent
    does not get there, and where Adam's momentum alone, which no β stops, goes further.

    >>> round(beta_under_adam(41.374863, [1.0] * 100), 4)
    0.1
    """
    if not 0 < drop < math.inf:
        raise HypothesisError(f"A wanted drop must be positive and finite (nats), here it is {drop:g}.")

    def end(beta: float) -> float:
        return float(drops_under_adam(beta, speeds, betas, eps=eps, floor=floor, confidence=confidence)[-1])

    furthest, least = end(0.0), end(NO_STOP)
    if math.isclose(drop, furthest, rel_tol=1e-12):
        return 0.0
    if drop > furthest:
        raise HypothesisError(
            f"Gradient ascent itself drops {furthest:.4g} nats in these steps, less than the wanted {drop:.4g}: "
            "no β gets there. Take more steps or a larger learning rate."
        )
    if drop <= least:
        raise HypothesisError(
            f"Adam's first step and its momentum drop {least:.4g} nats whatever β is, the wanted drop is {drop:.4g}. "
            "Take a smaller learning rate, or a warm-up."
        )
    low, high = 1e-3 / drop, 10 / drop
    while end(low) <= drop and low > 1e-14 / drop:
        low /= 10
    while end(high) >= drop and high < NO_STOP:
        high *= 10
    return math.exp(brentq(lambda log: math.log(end(math.exp(log)) / drop), math.log(low), math.log(high), xtol=1e-13))


def adam_curve(beta_time: Float[Array, "*shape"] | float, floor: float = 0.0) -> Float[Array, "*shape"]:
    """βu at τ = βΣspeeds on Adam's curve: small steps, within 1/(1 − β₂) of them, constant learning rate.

    `floor` is r², see above; with r = 0 the curve has no parameter, and is (3/2) log τ + κ within .02 from τ = 7 on.

    >>> adam_curve(np.array([1.0, 10.0, 100.0])).round(3).tolist()
    [0.872, 3.713, 7.178]
    """
    tau = np.asarray(beta_time, dtype=np.float64)
    if not bool(np.all(tau >= 0) and np.all(tau <= LATE)) or not 0 <= floor < math.inf:
        raise HypothesisError(f"Adam's curve is known for 0 ≤ τ ≤ {LATE:.0e} and a finite floor ≥ 0.")
    at = np.log(np.maximum(tau, EARLY))
    return np.asarray(np.where(tau > EARLY, _integrated(floor)(at)[0], tau / math.sqrt(1 + floor)))


@lru_cache(maxsize=64)
def _integrated(floor: float) -> OdeSolution:
    """(y, S) as a function of log τ."""

    def slope(log: float, state: Array) -> Array:
        y, total = state
        tau, w = math.exp(log), 2 / (1 + math.exp(y))
        return np.array([tau * w / math.sqrt(total / tau + floor), tau * w * w])

    start = np.array([EARLY / math.sqrt(1 + floor), EARLY])
    span = (math.log(EARLY), math.log(LATE))
    return solve_ivp(slope, span, start, method="DOP853", rtol=1e-11, atol=1e-15, dense_output=True).sol


def _checked(beta: float, speeds: Speeds, betas: tuple[float, float], eps: float, floor: float) -> list[float]:
    """The speeds as floats; HypothesisError for what no run of Adam has."""
    steps = np.asarray(speeds, dtype=np.float64)
    if steps.ndim != 1 or not steps.size or not bool(np.all((steps >= 0) & np.isfinite(steps))):
        raise HypothesisError("speeds must be one or more finite numbers ≥ 0 (nats), one for each step.")
    if not all(0 <= x < 1 for x in betas):
        raise HypothesisError(f"Adam's β₁ and β₂ must be at least 0 and below 1, here they are {betas}.")
    if not all(0 <= x < math.inf for x in (beta, eps, floor)):
        raise HypothesisError(f"β, eps and floor must be finite and ≥ 0, here they are {beta:g}, {eps:g}, {floor:g}.")
    return [float(s) for s in steps]
