"""What each optimiser makes of a loss's class: closed laws in the number of steps t.

A loss of the logarithmic class has the tail V ~ A e^(−k(m − c)), m = (1/k) log(kAτ) + c (`theory.atlas.growth`); NPO
has k = β. In one coordinate with step size η:

    GD, SAM          τ = ηt; SAM looks back by ρ, so m is larger by ρ in the end
    heavy ball       η → η/(1 − μ)
    weight decay     m* with V(m*) = λ(m* − c), for every class
    sign             linear at η, until V is 0 in doubles, k(m − c) = 745 + log A
    Adam, ε = 0      linear: a normaliser that forgets cancels a force that fades, at a speed below −log β₂/(2k) nats a
                     step; sooner, within 1/(1 − β₂) steps, (3/2k) log t (`theory.theorems.beta.adam_clock`)
    Adam, ε or σ     GD with η/ε, or η/σ where other gradients have root mean square σ, once V is below it; σ that fades
                     as e^(−λt) makes it linear again, at λ/k or Adam's own speed, whichever is less
    AdamW, ε = 0     m* = c + 1/λ, GA's and every other loss's: what decay holds does not fade any more
    AMSGrad          GD with η/√max v: it never forgets
    AdaGrad          GD with η/√S, √S = (L(0) − L(∞))/(2η): half of the loss that there was to lose, over η.
                     A loss without a floor, as GA, has √S = √t, m = 2η√t
    Sophia (SOUL)    the step grows as V fades: linear at η once V < 1/(ρ·bs), then GD with η/1e-15 once V < 1e-15

Source: this project; Adam's speed from the algebra of arXiv:1412.6980, Algorithm 1.
"""

import math
from dataclasses import replace

from scipy.optimize import brentq

from theory.atlas.growth import Growth, power
from theory.atlas.optimisers.force import Force

__all__ = [
    "adagrad_memory",
    "adam_cap",
    "adam_ratio",
    "adam_speed",
    "decayed",
    "fading_speed",
    "floored",
    "in_steps",
    "under_adagrad",
]


def in_steps(flow: Growth, lr: float) -> Growth:
    """A flow's law in the number of steps t: τ = lr · t.

    >>> from theory.atlas.growth import logarithmic
    >>> in_steps(logarithmic(10.0, 5.0), 0.1).constant.__round__(4)
    -18.0259
    """
    if flow.kind == "logarithmic":
        return replace(flow, constant=flow.constant + flow.coefficient * math.log(lr))
    return replace(flow, coefficient=flow.coefficient * lr)


def adam_cap(k: float, beta2: float = 0.999) -> float:
    """The largest speed of Adam on a tail e^(−km), in nats a step, whatever its learning rate: −log β₂/(2k).

    >>> round(adam_cap(0.1), 8)
    0.0050025
    """
    return -math.log(beta2) / (2 * k)


def adam_speed(k: float, lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> float:
    """Adam's final speed on a tail e^(−km) at ε = 0, in nats a step: s/k of the fixed point

        s/(k·lr) = (1 − β₁)/(1 − β₁e^s) · √((1 − β₂e^(2s))/(1 − β₂)).

    >>> round(adam_speed(0.1, 0.01), 9)
    0.004148387
    """
    beta1, beta2 = betas
    most = min(adam_cap(1.0, beta2), -math.log(beta1) if beta1 > 0 else math.inf)

    def excess(s: float) -> float:
        size = math.sqrt(max(1 - beta2 * math.exp(2 * s), 0.0) / (1 - beta2))
        return (1 - beta1) / (1 - beta1 * math.exp(s)) * size - s / (k * lr)

    return float(brentq(excess, 0.0, most * (1 - 1e-15), xtol=1e-18)) / k


def adam_ratio(a: float) -> float:
    """Adam's speed on a fading force over that on a constant one, a = k·lr/(1 − β₂): √(1 + a²) − a, at first order.

    >>> round(adam_ratio(1.0), 6)
    0.414214
    """
    return 1 / (math.sqrt(1 + a * a) + a)


def floored(flow: Growth, floor: float) -> float:
    """The margin at which a logarithmic loss's force has come down to `floor` (ε, or σ): (1/k) log(A/floor) + c.

    >>> from theory.atlas.growth import from_tail
    >>> round(floored(from_tail(k=0.1, amplitude=2.0, c=0.0), 1e-8))
    191
    """
    k = 1 / flow.coefficient
    return flow.constant - math.log(k * floor) / k


def fading_speed(k: float, lr: float, fading: float, betas: tuple[float, float] = (0.9, 0.999)) -> float:
    """Adam's final speed where what others put into v fades as e^(−λt), in nats a step: min(λ/k, its own speed)."""
    return min(fading / k, adam_speed(k, lr, betas))


def adagrad_memory(loss_range: float, lr: float) -> float:
    """√S that AdaGrad ends at on a loss that can fall by `loss_range` in all, for small steps: loss_range/(2 lr)."""
    return loss_range / (2 * lr)


def under_adagrad(flow: Growth, lr: float, loss_range: float) -> Growth:
    """The law in t; `loss_range` is L(0) − L(∞), which a linear loss does not have."""
    if flow.kind == "linear":
        return power(4 * lr**2, 0.5)
    return in_steps(flow, lr / adagrad_memory(loss_range, lr))


def decayed(force: Force, weight_decay: float) -> float:
    """m* where weight decay holds a loss: V(m*) = λ(m* − c), c its confidence."""
    c = force.confidence

    def excess(m: float) -> float:
        return force(m) - weight_decay * (m - c)

    return float(brentq(excess, 0.0, c + 2 / weight_decay * max(1.0, force(c + 50.0)), xtol=1e-12))
