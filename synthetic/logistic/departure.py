"""How a set of correlated forget points leaves the intrinsic-time law under NPO, and which law it follows instead.

Everything happens in the forgetting margins m = −s⟨h, θ − θ_ref⟩, s = 2y − 1: with A = diag(s) H Hᵀ diag(s),
a_i = 1 − π_i = σ(m_i − c_i) and c_i = s_i⟨h_i, θ_ref⟩,

    dm/dt = (1/n) A (W ∘ a),   du_i/dt = (1/n) Σ_j K_ij W_j,   K_ij = a_i A_ij a_j,   u_i = log π_ref − log π_i

and F(u_i) = T_i + remainder_i exactly (`theory.theorems.time.intrinsic_time`), where the remainder sums (1/n) ∫ K_ij
(W_j/W_i − 1) dt over j. Here it is kept apart for those j whose label agrees with that of i and for those whose label
does not.

Far out, π_i → 0 and the NPO loss of an example tends to (2/β) e^{−βu}: an exponential loss, for the labels turned
round. Gradient flow on such a loss goes to infinity like log t along the direction of largest margin
(arXiv:1710.10345). So where Theorem 2 of arXiv:2404.05868, which asks for nearly orthogonal inputs, gives every example
the rate β du/d log t = 1, correlated inputs give 1 to the support vectors and margin_i/margin_min ≥ 1 to the others.
But the loss also goes flat where π_i → 1: an example that its neighbours push up so far is given up, and the margin is
that of the rest.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls
from scipy.special import expit

from records.work import Progress, silent
from synthetic.logistic.problem import Problem
from theory.weights import log_sigmoid

__all__ = ["SetPath", "follow_set", "relative_margins", "signed_features"]

Array = np.ndarray
STABLE = 0.3  # of the largest step that is stable for the largest eigenvalue of A
RECORDS = 25  # records in a decade of time


@dataclass(frozen=True)
class SetPath:
    """The forget set along NPO's gradient flow; arrays over recorded times, then examples; nats."""

    time: Array  # (k,) Σ η
    drop: Array  # (k, n) u_i
    margin: Array  # (k, n) m_i
    clock: Array  # (k, n) T_i
    agreeing: Array  # (k, n) the remainder's part from examples of the same label
    opposite: Array  # (k, n) and from those of the other label

    @property
    def remainder(self) -> Array:
        """F(u_i) − T_i, to the step."""
        return np.asarray(self.agreeing + self.opposite)


class SetPoint(NamedTuple):
    """One recorded time of a `SetPath`; its arrays are over examples."""

    time: float
    drop: Array
    margin: Array
    clock: Array
    agreeing: Array
    opposite: Array


def signed_features(problem: Problem) -> Array:
    """−s_i h_i, (n, N): the direction in θ that lowers log π of each forget example."""
    return np.asarray(-(2 * problem.y_forget - 1)[:, None] * problem.H_forget)


def _kernel_parts(G: Array, labels: Array) -> tuple[Array, float]:
    """A between examples of one label and of different ones, (2, n, n), and the largest eigenvalue of A."""
    A = G @ G.T
    same = np.equal.outer(labels, labels)
    return np.stack([np.where(same, A, 0.0), np.where(same, 0.0, A)]), float(np.linalg.eigvalsh(A)[-1])


def follow_set(
    problem: Problem,
    *,
    beta: float,
    until: float,
    step: float = 0.05,
    max_steps: int = 20_000,
    progress: Progress = silent,
) -> SetPath:
    """NPO on the whole forget set by descent in small steps, to time `until` (Σ η) or for `max_steps`.

    A step moves no βu by more than `step` (to first order), so that the clocks are right to that fraction, and is
    stable for the stiffest direction. `until` is in units of the learning rate: 2000 steps of 5e-3 are 10.
    """
    G = signed_features(problem)
    parts, stiffest = _kernel_parts(G, problem.y_forget)
    n, c = len(G), -(G @ problem.theta_ref)
    start = log_sigmoid(c)
    m, time = np.zeros(n), 0.0
    clock, remainder = np.zeros(n), np.zeros((2, n))
    points, due = list[SetPoint](), 0.0
    for k in range(max_steps + 1):
        a, u = expit(m - c), start - log_sigmoid(c - m)
        last = time >= until or k == max_steps
        if time >= due or last:
            points.append(SetPoint(time, u, m, clock, *remainder))
            due = max(time, 1e-3) * 10 ** (1 / RECORDS)
            progress(k, max_steps)
        if last:
            break
        w = 2 * expit(-beta * u)
        plain, weighted = parts @ a, parts @ (w * a)  # (2, n) each
        motion = a * weighted.sum(axis=0) / n
        eta = step / (beta * float(np.abs(motion).max()))
        eta = min(eta, STABLE * n / (stiffest * max(beta, 1.0) * float((w * a).max())), until - time)
        remainder = remainder + eta * a * (weighted / w - plain) / n
        clock = clock + eta * a * plain.sum(axis=0) / n
        m, time = m + eta * weighted.sum(axis=0) / n, time + eta
    return SetPath(*(np.array(column) for column in zip(*points, strict=True)))


def relative_margins(G: Array) -> Array:
    """margin_i / margin_min of the direction with the largest smallest margin: min ‖θ‖ subject to Gθ ≥ 1.

    Rows of `G` (n, N); the result (n,) is 1 for support vectors, more for the others. Least-distance programming by
    non-negative least squares (scipy). NaN everywhere where no direction has all margins positive.

    >>> relative_margins(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0]])).round(6)
    array([1., 1., 6.])
    """
    n, features = G.shape
    target = np.append(np.zeros(features), 1.0)
    system = np.vstack([G.T, np.ones(n)])
    multipliers, left = nnls(system, target, maxiter=50 * n)
    if left < 1e-9:
        return np.full(n, np.nan)
    residual = system @ multipliers - target
    return np.asarray(G @ (-residual[:-1] / residual[-1]))
