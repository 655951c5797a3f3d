"""One step of each optimiser in one coordinate, as plain arithmetic: `theory.atlas.optimisers.loop` compiles these.

A rule is told log |g| and the sign of the force g on the margin, its state (six numbers, zeros before the first step)
and its options in the order (lr, β₁, β₂, ε, σ, λ), and gives how far the margin goes. In doubles they are torch's own
rules, to rounding. What divides by the size of the gradient keeps its memories in units of e^S, and S follows them
where they leave the range of doubles, so that ε = 0 means 0.
"""

import math

import numpy as np

__all__ = ["RULES", "adagrad", "adam", "amsgrad", "descent", "heavy_ball", "sign_descent", "sophia"]

Array = np.ndarray
SMALL = 1e-200  # a second moment below this is written in new units


def descent(log_g: float, sign: float, state: Array, options: Array) -> float:
    """lr · g."""
    return options[0] * sign * math.exp(log_g)


def heavy_ball(log_g: float, sign: float, state: Array, options: Array) -> float:
    """M ← μM + g, then lr · M: torch.optim.SGD with momentum β₁ = μ."""
    state[0] = options[1] * state[0] + sign * math.exp(log_g)
    return options[0] * state[0]


def sign_descent(log_g: float, sign: float, state: Array, options: Array) -> float:
    """lr · sign g; nothing where g is 0 in doubles. Normalised descent is the same in one coordinate."""
    return options[0] * sign if math.exp(log_g) > 0 else 0.0


def adam(log_g: float, sign: float, state: Array, options: Array) -> float:
    """lr · m̂/(√v̂ + ε), where other gradients put σ²e^(−2λt) into v beside g²: torch.optim.Adam for σ = 0.

    State: M, v, 1 − β₁^t and 1 − β₂^t as what is left of 1, S, t.
    """
    momentum, memory, eps, floor = options[1], options[2], options[3], options[4]
    g = sign * math.exp(log_g - state[4])
    other = floor * math.exp(-options[5] * state[5] - state[4]) if floor > 0 else 0.0
    kept, left = (state[2], state[3]) if state[5] > 0 else (1.0, 1.0)
    state[5] += 1
    state[0] = momentum * state[0] + (1 - momentum) * g
    state[1] = memory * state[1] + (1 - memory) * (g * g + other * other)
    state[2], state[3] = kept * momentum, left * memory
    size = math.sqrt(state[1]) / math.sqrt(1 - state[3]) + (eps * math.exp(-state[4]) if eps > 0 else 0.0)
    move = options[0] / (1 - state[2]) * (state[0] / size) if size > 0 else 0.0
    if 0 < state[1] < SMALL:
        shift = 0.5 * math.log(state[1])
        state[0], state[1], state[4] = state[0] * math.exp(-shift), 1.0, state[4] + shift
    return move


def amsgrad(log_g: float, sign: float, state: Array, options: Array) -> float:
    """lr · m̂/(√max v / √(1 − β₂^t) + ε): torch.optim.Adam with amsgrad=True. State 4 is max v."""
    g = sign * math.exp(log_g)
    kept, left = (state[2], state[3]) if state[5] > 0 else (1.0, 1.0)
    state[5] += 1
    state[0] = options[1] * state[0] + (1 - options[1]) * g
    state[1] = options[2] * state[1] + (1 - options[2]) * g * g
    state[2], state[3], state[4] = kept * options[1], left * options[2], max(state[4], state[1])
    return options[0] / (1 - state[2]) * state[0] / (math.sqrt(state[4]) / math.sqrt(1 - state[3]) + options[3])


def adagrad(log_g: float, sign: float, state: Array, options: Array) -> float:
    """lr · g/(√Σg² + ε): torch.optim.Adagrad. State 0 is Σg²."""
    g = sign * math.exp(log_g)
    state[0] += g * g
    return options[0] * g / (math.sqrt(state[0]) + options[3])


def sophia(log_g: float, sign: float, state: Array, options: Array) -> float:
    """lr · min(|M|/(ρ·bs·h + 1e-15), 1) sign M, as SOUL codes it (`theory.optimizers.sophia`); ρ·bs stands for ε."""
    g = sign * math.exp(log_g)
    state[1] = options[2] * state[1] + (1 - options[2]) * g * g
    state[0] = options[1] * (options[1] * state[0] + (1 - options[1]) * g) + (1 - options[1]) * g
    size = min(abs(state[0]) / (options[3] * state[1] + 1e-15), 1.0)
    return options[0] * size if state[0] > 0 else -options[0] * size


RULES = (descent, heavy_ball, sign_descent, adam, amsgrad, adagrad, sophia)
