"""Gradient descent of the logistic model, followed in its forgetting margins.

The gradients lie in the span of the inputs, so everything happens in m_i = −s_i⟨x_i, θ − θ_init⟩ (logit units):

    m ← m + η₀ A g,    A = diag(s) X Xᵀ diag(s),    η₀ = η/n,    g_i = W_i σ(m_i − c_i),

with W = 1 for GA and W_i = 2σ(−βu_i) for NPO, u_i = softplus(m_i − c_i) − softplus(−c_i) the drop in nats. One step
costs one n × n product whatever the dimension is, and is the same map as gradient descent on θ.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from theory.weights import softplus

__all__ = ["LinearLogistic", "drop", "log_grid", "margin_step", "simulate"]

Array = np.ndarray


@dataclass(frozen=True)
class LinearLogistic:
    """A forget set for P(y_i|x_i) = σ(s_i⟨x_i, θ⟩), as the dynamics see it.

    `signed_gram` A = diag(s) X Xᵀ diag(s); `confidence` c_i = s_i⟨x_i, θ_init⟩; `radius` B_θ ≥ ‖θ_init‖;
    `lr` η of gradient descent on the mean loss.
    """

    signed_gram: Float[Array, "n n"]
    confidence: Float[Array, " n"]
    radius: float
    lr: float

    @property
    def size(self) -> int:
        """n_f, the number of forget examples."""
        return int(self.confidence.shape[0])


def drop(margin: Float[Array, "*n"] | float, confidence: Float[Array, "*n"] | float) -> Float[Array, "*n"]:
    """u = log π_ref − log π_θ (nats) at forgetting margin m: softplus(m − c) − softplus(−c)."""
    c = np.asarray(confidence)
    return np.asarray(softplus(margin - c) - softplus(-c))


def log_grid(steps: int, points: int) -> Int[Array, " k"]:
    """Step numbers 1 … steps, about evenly spaced in log t, both ends included."""
    grid = np.unique(np.round(np.geomspace(1, steps, points)).astype(np.int64))
    return np.asarray(grid)


def margin_step(
    m: Float[Array, " n"], A: Float[Array, "n n"], c: Float[Array, " n"], eta0: float, beta: float
) -> Float[Array, " n"]:
    """One step of gradient descent; β = 0 is gradient ascent, the limit of NPO (W = 1)."""
    pull = expit(m - c)
    weight = 2 * expit(-beta * drop(m, c))
    return np.asarray(m + eta0 * (A @ (weight * pull)))


def _march(m: Array, A: Array, c: Array, eta0: float, beta: float, steps: int) -> Array:
    """`steps` margin steps as plain loops: the compiled twin of `margin_step`.

    For β = 0 and β = 1 one exponential an example suffices: W = 1, and W = 2π/(π + π_ref) with π = 1/(1 + e^{m−c}).
    """
    n = m.shape[0]
    floor = np.maximum(-c, 0.0) + np.log1p(np.exp(-np.abs(c)))  # softplus(−c)
    start = np.exp(floor)  # 1 + e^{−c}
    g = np.empty(n)
    for _ in range(steps):
        for i in range(n):
            z = m[i] - c[i]
            e = np.exp(-abs(z))
            pull = 1.0 / (1.0 + e) if z >= 0 else e / (1.0 + e)
            if beta == 0.0:
                g[i] = pull
            elif beta == 1.0:  # 1/(1 + e^z) = e/(1 + e) for z ≥ 0, which only underflows
                pi = e / (1.0 + e) if z >= 0 else 1.0 / (1.0 + e)
                g[i] = pull * 2.0 * pi * start[i] / (1.0 + pi * start[i])
            else:
                u = max(z, 0.0) + np.log1p(e) - floor[i]
                shrink = np.exp(-beta * abs(u))
                g[i] = pull * (2.0 * shrink / (1.0 + shrink) if u >= 0 else 2.0 / (1.0 + shrink))
        for i in range(n):
            s = 0.0
            for j in range(n):
                s += A[i, j] * g[j]
            m[i] += eta0 * s
    return m


@cache
def _compiled() -> Callable[..., Array] | None:
    """The march compiled by numba, or None where the extra `fast` is not installed."""
    try:
        import numba
    except ImportError:
        return None
    return numba.njit(inspect.unwrap(_march), cache=False, fastmath={"reassoc", "contract"})


def simulate(model: LinearLogistic, *, beta: float, at: Int[Array, " k"], compiled: bool = True) -> Float[Array, "k n"]:
    """The forgetting margins after each number of steps in `at` (increasing), from m = 0, in float64.

    `beta` > 0 is NPO, `beta` = 0 gradient ascent. `compiled=False` takes the numpy form step by step.
    """
    march = _compiled() if compiled else None
    A, c = np.ascontiguousarray(model.signed_gram), np.ascontiguousarray(model.confidence)
    eta0 = model.lr / model.size
    m, done, rows = np.zeros(model.size), 0, []
    for target in np.asarray(at).tolist():
        if march is not None:
            m = march(m, A, c, eta0, float(beta), target - done)
        else:
            for _ in range(target - done):
                m = margin_step(m, A, c, eta0, beta)
        done = target
        rows.append(m.copy())
    return np.stack(rows)
