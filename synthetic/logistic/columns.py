"""Many unlearning runs on the same rows at once: each is a column of numbers, and one formula serves all of them.

Every forget loss of the paper is a function of φ = a_l log π(y|x) − a_w log π(y⁺|x), so that with p = σ(z)

    φ = g z − h softplus(z),   φ' = g − h p,   g = a_l y − a_w y⁺,   h = a_l − a_w
    d ℓ / d z = c · 2σ(β(φ − φ_ref) − κβ E KL(π_θ ‖ π_ref)) · φ'

    GA   a_l = 1, β = 0 (the weight is 1)         NPO  a_l = 1                    KTO  a_l = 1, κ = 1
    IDK  a_w = 1, β = 0                           DPO  a_l = a_w = 1              NLL  a_l = −1, β = 0

and both retain losses are p − t, with t = y for RT and t = π_ref(1|x) for KL. Fitting π_ref and π_retr is of the same
form. `step` is the formula in numpy; `synthetic.logistic.compiled` is the same as a compiled loop.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from synthetic.logistic.rows import Column, Columns, SharedRows
from theory import losses, retain
from theory.kernel import Kernel
from theory.objective import Objective, z_ref_from_kl, z_ref_from_positive
from theory.weights import bernoulli_kl, softplus

__all__ = ["closed", "gradient", "march", "step"]

Array = np.ndarray

_LOSE_AND_WIN: dict[Kernel, tuple[float, float]] = {
    losses.ga: (1, 0),
    losses.nll: (-1, 0),
    losses.idk: (0, 1),
    losses.npo: (1, 0),
    losses.dpo: (1, 1),
    losses.kto: (1, 0),
}
_ESTIMATES = (z_ref_from_positive, z_ref_from_kl)  # both stand for the KL, which is exact here


def _plain(kernel: Kernel | None) -> tuple[Kernel | None, dict[str, Any]]:
    """The function and its bound hyperparameters."""
    return (kernel.func, kernel.keywords) if isinstance(kernel, partial) else (kernel, {})


def closed(objective: Objective, lr: float, n_forget: int, n_retain: int) -> Column | None:
    """The numbers of an objective of known kernels; None for any other.

    >>> from theory.objective import method
    >>> closed(method("DPO+KL", beta=0.5), 0.1, 2, 4)
    Column(lr=0.1, forget=0.5, lose=1, win=1, beta=0.5, kl=0.0, labels=0.0, reference=0.25)
    """
    forget, bound = _plain(objective.forget)
    retained = objective.retain
    if forget not in _LOSE_AND_WIN or retained not in (None, losses.nll, retain.kl) or objective.dual is not None:
        return None
    estimate, estimated = _plain(objective.z_ref)
    moving_point = forget is losses.kto
    if moving_point and (estimate not in _ESTIMATES or estimated != bound or objective.z_ref_floor != 0):
        return None
    weight = objective.forget_weight / float(objective.forget_per(torch.ones(n_forget)))
    kept = objective.retain_weight / float(objective.retain_per(torch.ones(n_retain))) if retained else 0.0
    lose, win = _LOSE_AND_WIN[forget]
    return Column(
        lr,
        forget=weight * bound.get("prefactor", 2.0) / 2,
        lose=lose,
        win=win,
        beta=bound.get("beta", 0.0),
        kl=float(moving_point),
        labels=kept if retained is losses.nll else 0.0,
        reference=kept if retained is retain.kl else 0.0,
    )


def gradient(rows: SharedRows, c: Columns, theta: Array) -> Array:
    """∇L(θ) of every column; θ is (M, N)."""
    z, g, h = rows.H_forget @ theta.T, np.outer(rows.y, c.lose) - np.outer(rows.y_idk, c.win), c.lose - c.win
    slope = c.forget * (g - h * expit(z))
    if c.beta.any():
        z_ref = np.broadcast_to(rows.z_ref[:, None], z.shape)
        rise = g * (z - z_ref) - h * (softplus(z) - softplus(z_ref))
        point = c.kl * bernoulli_kl(z, z_ref).mean(axis=0) if c.kl.any() else 0.0
        slope *= 2 * expit(c.beta * (rise - point))
    found = np.asarray(slope.T @ rows.H_forget)
    kept = np.flatnonzero(c.labels + c.reference)
    if kept.size:
        labels, reference = c.labels[kept], c.reference[kept]
        slope = (labels + reference) * expit(rows.H_retain @ theta[kept].T)
        slope -= np.outer(rows.y_retain, labels) + np.outer(rows.p_ref, reference)
        found[kept] += slope.T @ rows.H_retain
    return found


def step(rows: SharedRows, c: Columns, theta: Array) -> Array:
    """θ − lr ∇L(θ) of every column; θ is (M, N)."""
    return np.asarray(theta - c.lr[:, None] * gradient(rows, c, theta))


March = Callable[[SharedRows, Columns, Array, int], Array]


@cache
def _compiled() -> March | None:
    """The compiled loop, or None where the extra `fast` is not installed."""
    try:
        from synthetic.logistic.compiled import march as compiled
    except ImportError:
        return None
    return compiled


def march(rows: SharedRows, columns: Columns, theta: Array, steps: int, *, compiled: bool = True) -> Array:
    """θ (M, N) after so many steps; `compiled=False` takes the numpy form step by step."""
    loop = _compiled() if compiled else None
    if loop is not None:
        return loop(rows, columns, theta, steps)
    for _ in range(steps):
        theta = step(rows, columns, theta)
    return theta
