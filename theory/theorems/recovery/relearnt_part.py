"""Relearning a part of a set moves the rest through the tangent kernel, whatever loss relearns and whatever unlearned.

Descent on any loss of the log-probabilities of a part T moves θ by Σ_{i∈T} w_i ∇log π_i. With K_ij = ⟨∇log π_i, ∇log
π_j⟩ the rises r of T and of the rest V obey dr_T = K_TT w dτ and dr_V = K_VT w dτ, so that the weights drop out:

    dr_V = P dr_T,   P = K_VT K_TT⁺,        hence        r_V − P₀ r_T = ∫ (P − P₀) dr_T

P is the regression of the rest's gradients on those of the part. Where it stays what it was at the start the law is
r_V = P₀ r_T; otherwise the integral along the path is its exact remainder. Where outputs are linear in θ (a logistic
model, a head on fixed features) it holds of the outputs at every size, see `Relearnable`: with a part relearnt until
its outputs are the reference's, θ has moved by the projection of what unlearning took on the part's features,

    what comes back of V = Q m_T,        what does not = m_V − Q m_T,        Q = A_VT A_TT⁺, m the margins lost

and if all are alike, A_ii = a and A_ij = κa, each row of V gets back the share tκ/(1 + (t − 1)κ), t rows relearnt.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem
from theory.theorems.time.intrinsic_time import LogProbs, Parameters
from theory.weights import log_sigmoid

__all__ = [
    "RELEARNT_PART",
    "RELEARNT_PART_LINEAR",
    "PartPath",
    "Relearnable",
    "even_share",
    "regression",
    "relearn_part",
]

Array = np.ndarray
CUT = 1e-12  # of the largest eigenvalue, below which a direction of the part's gradients is none
HALVINGS = 40
LINEAR = 0.25


def regression(gram: Float[Array, "... n n"], part: Int[Array, " t"]) -> Float[Array, "... v t"]:
    """P = K_VT K_TT⁺ of a Gram matrix (or of several), `part` the numbers of the rows of T; V are the others in order.

    >>> regression(np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0]))
    array([[0.25]])
    """
    rest = np.setdiff1d(np.arange(gram.shape[-1]), part)
    within, across = (gram[..., rows[:, None], part] for rows in (part, rest))
    return np.asarray(across @ np.linalg.pinv(within, rcond=CUT, hermitian=True))


def even_share(coupling: float, relearnt: int) -> float:
    """tκ/(1 + (t − 1)κ): the share of what it lost that a row gets back where t rows coupled to it by κ are relearnt.

    >>> round(even_share(0.05, 20), 3), even_share(1.0, 3)
    (0.513, 1.0)
    """
    return relearnt * coupling / (1 + (relearnt - 1) * coupling)


# --- any model ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PartPath:
    """A relearning of some rows of n, seen at some moments; nats.

    `kernel` is the tangent kernel at each, `slack` by how much the steps so far may have missed dr_V = P dr_T.
    """

    rise: Float[Array, "k n"]  # log π now less at the start
    kernel: Float[Array, "k n n"]
    part: Int[Array, " t"]
    slack: Float[Array, " k"]

    @property
    def rest(self) -> Array:
        """The numbers of the rows of V."""
        return np.setdiff1d(np.arange(self.rise.shape[1]), self.part)

    @property
    def law(self) -> Float[Array, "k v"]:
        """P₀ r_T, at each moment."""
        return np.asarray(self.rise[:, self.part] @ regression(self.kernel[0], self.part).T)

    def along(self, *, middle: bool = True) -> Float[Array, "k v"]:
        """∫ P dr_T with P from both ends of every stretch, or from its beginning."""
        P = regression(self.kernel, self.part)
        steps = np.diff(self.rise[:, self.part], axis=0)
        mean = (P[1:] + P[:-1]) / 2 if middle else P[:-1]
        moved = np.einsum("kvt,kt->kv", mean, steps)
        return np.concatenate([np.zeros((1, moved.shape[1])), np.cumsum(moved, axis=0)])


def relearn_part(
    log_probs: LogProbs,
    parameters: Parameters,
    part: Int[Array, " t"],
    *,
    step: float,
    until: float,
    max_steps: int = 2000,
    weight: Callable[[Tensor], Tensor] = torch.ones_like,
) -> tuple[PartPath, dict[str, Tensor]]:
    """Relearn rows `part` in steps that are small for the law until their mean rise is `until` nats; and θ at the end.

    A step raises no log-probability by more than `step` nats and is linear to a fraction `step`, a quarter at most.
    `weight` maps log π of
    the part to the weights with which it is relearnt (1 is the NLL).
    """
    theta = {name: p.detach().clone() for name, p in parameters.items()}
    logp, jacobian = _seen(log_probs, theta)
    start, slack = logp, 0.0
    rises, kernels, slacks = list[Array](), list[Array](), list[float]()
    for k in range(max_steps + 1):
        kernel = (jacobian @ jacobian.T).double().numpy()
        rises.append((logp - start).double().numpy())
        kernels.append(kernel)
        slacks.append(slack)
        if k == max_steps or rises[-1][part].mean() >= until:
            break
        w = torch.zeros_like(logp)
        w[part] = weight(logp[part])
        theta, missed = _step(log_probs, theta, logp, jacobian, w, step)
        slack += missed * (1 + float(np.abs(regression(kernel, part)).sum(axis=1).max()))
        logp, jacobian = _seen(log_probs, theta)
    return PartPath(np.stack(rises), np.stack(kernels), part, np.array(slacks)), theta


def _seen(log_probs: LogProbs, theta: Parameters) -> tuple[Tensor, Tensor]:
    """log π (n,) and its Jacobian (n, parameters), a row at a time."""
    at = {name: p.detach().requires_grad_() for name, p in theta.items()}
    logp = log_probs(at)
    rows = [torch.autograd.grad(x, list(at.values()), retain_graph=True) for x in logp]
    return logp.detach(), torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])


def _step(
    log_probs: LogProbs, theta: Parameters, logp: Tensor, jacobian: Tensor, w: Tensor, step: float
) -> tuple[dict[str, Tensor], float]:
    """θ a step further, and by how much the step may have missed K w."""
    direction = w @ jacobian
    motion = jacobian @ direction
    fastest = float(motion.abs().max())
    if not 0 < fastest < np.inf:
        raise HypothesisError("No row moves: the part's gradients are 0. Relearn a model that has forgotten the part.")
    eta = step / fastest
    for _ in range(HALVINGS):
        shifts = direction.split([p.numel() for p in theta.values()])
        moved = {name: p + eta * shift.view_as(p) for (name, p), shift in zip(theta.items(), shifts, strict=True)}
        with torch.no_grad():
            missed = float((log_probs(moved) - logp - eta * motion).abs().max())
        if missed <= min(step, LINEAR) * eta * fastest:
            break
        eta /= 2
    return moved, missed


def _several(path: PartPath) -> None:
    if not 0 < len(path.part) < path.rise.shape[1]:
        raise HypothesisError("The law is of a part and a rest: relearn at least one row and leave at least one.")


def _law(path: PartPath, at: Array) -> Bounds:
    room = path.slack[at, None]
    return Bounds(path.law[at] - room, path.law[at] + room)


def _without_remainder(path: PartPath) -> Measurement:
    remainder = path.along(middle=False) - path.law
    at = np.arange(1, len(path.rise))
    return Measurement(at, (path.rise[:, path.rest] - remainder)[at])


RELEARNT_PART: Theorem[PartPath] = Theorem(
    name="Relearning a part",
    statement="r_V − P₀ r_T = ∫ (P − P₀) dr_T, P = K_VT K_TT⁺: the rest rises by the part's rises through the kernel",
    source="derived in theory/theorems/recovery/relearnt_part.py from dr = K w dτ, w = 0 outside the part",
    hypotheses=_several,
    predict=_law,
    measure=_without_remainder,
)


# --- outputs linear in θ ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relearnable:
    """A logistic model π(y_i) = σ(g_i·θ) (g signed features) whose rows `part` are relearnt by descent on their NLL."""

    features: Float[Array, "n d"]
    theta: Float[Array, " d"]
    part: Int[Array, " t"]
    lr: float
    steps: Int[Array, " k"]  # after which to look, increasing

    def relearn(self) -> Float[Array, "k d"]:
        """θ at these steps."""
        G, theta, seen = self.features[self.part], self.theta.copy(), list[Array]()
        for k in range(int(self.steps[-1]) + 1):
            if k in self.steps:
                seen.append(theta.copy())
            theta = theta + self.lr / len(G) * np.exp(log_sigmoid(-(G @ theta))) @ G
        return np.stack(seen)


def _some_left(instance: Relearnable) -> None:
    if not 0 < len(instance.part) < len(instance.features):
        raise HypothesisError("The law is of a part and a rest: relearn at least one row and leave at least one.")


def _margins(instance: Relearnable) -> tuple[Array, Array, Array]:
    """What the margins of all rows have gained at the steps (k, n); the margins of V at the start, and its rows."""
    moved = (instance.relearn() - instance.theta) @ instance.features.T
    rest = np.setdiff1d(np.arange(moved.shape[1]), instance.part)
    return moved, (instance.features @ instance.theta)[rest], rest


def _log_probabilities(instance: Relearnable) -> Measurement:
    moved, start, rest = _margins(instance)
    return Measurement(instance.steps, log_sigmoid(start + moved[:, rest]))


def _from_the_part(instance: Relearnable, at: Array) -> Bounds:
    del at  # all of the instance's steps
    moved, start, _ = _margins(instance)
    Q = regression(instance.features @ instance.features.T, instance.part)
    found = log_sigmoid(start + moved[:, instance.part] @ Q.T)
    return Bounds(found, found)


RELEARNT_PART_LINEAR: Theorem[Relearnable] = Theorem(
    name="Relearning a part of a linear model",
    statement="z_V − z_V(0) = A_VT A_TT⁺ (z_T − z_T(0)), at every step, whatever relearns T: log π_V = log σ(z_V)",
    source="derived in theory/theorems/recovery/relearnt_part.py: θ moves in the span of the part's features",
    hypotheses=_some_left,
    predict=_from_the_part,
    measure=_log_probabilities,
    tolerance=1e-9,
)
