"""The gradient of any objective on the logistic problem, from its gradient weights.

d loss / d logit = Σ over answers of (d loss / d log π) · (y − σ(z)), since d log π(y|x) / d z = y − σ(z). The paper's
methods have a shorter form, `synthetic.logistic.columns`; this one serves a kernel of one's own, and checks that one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from scipy.special import expit

from synthetic.logistic.problem import Problem
from theory.objective import Objective, gradient_weights, z_ref_from_kl, z_ref_from_positive
from theory.weights import bernoulli_kl, log_sigmoid

__all__ = ["gradient", "with_exact_kl"]

Array = np.ndarray
Slope = Callable[[Array], Array]  # logits -> d (mean loss) / d logit, example by example


def gradient(problem: Problem, objective: Objective) -> Callable[[Array], Array]:
    """∇L(θ) as a function of θ (N,), over all rows of the problem."""
    H_forget, H_retain = problem.H_forget, problem.H_retain
    forget = _forget_slope(problem, objective, H_forget @ problem.theta_ref)
    retain = _retain_slope(problem, objective, H_retain @ problem.theta_ref)

    def at(theta: Array) -> Array:
        found = forget(H_forget @ theta) @ H_forget
        return found if retain is None else found + retain(H_retain @ theta) @ H_retain

    return at


def _logp(logit: Array, y: Array) -> torch.Tensor:
    """log π(y|x) = log σ((2y − 1) · logit)."""
    return torch.from_numpy(log_sigmoid((2 * y - 1) * logit))


def _two_class(logit: Array) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.zeros_like(logit), logit], axis=1))


def with_exact_kl(objective: Objective) -> Objective:
    """An objective whose reference point (KTO) is the KL itself, known here, not estimated from positive answers."""
    estimate = objective.z_ref
    if isinstance(estimate, partial) and estimate.func is z_ref_from_positive:
        return replace(objective, z_ref=partial(z_ref_from_kl, **estimate.keywords))
    return objective


def _forget_slope(problem: Problem, objective: Objective, ref_logit: Array) -> Slope:
    """The gradient of the weighted mean forget loss on the forget logits, given those of π_ref."""
    objective = with_exact_kl(objective)
    asked = objective.forget_needs
    labels = {"logp": problem.y_forget, "logp_win": problem.y_idk}
    moving = {name: y for name, y in labels.items() if name in asked}
    fixed = {f"ref_{name}": _logp(ref_logit, y) for name, y in labels.items() if f"ref_{name}" in asked}
    scale = objective.forget_weight / float(objective.forget_per(torch.ones(len(ref_logit))))

    def slope(z: Array) -> Array:
        given = fixed | {name: _logp(z, y) for name, y in moving.items()}
        if "kl_to_ref" in asked:
            given["kl_to_ref"] = torch.from_numpy(bernoulli_kl(z, ref_logit))
        weight, p = gradient_weights(objective.forget, objective.with_z_ref(given)), expit(z)
        return scale * sum((w.numpy() * (labels[name] - p) for name, w in weight.items()), np.zeros_like(p))

    return slope


def _retain_slope(problem: Problem, objective: Objective, ref_logit: Array) -> Slope | None:
    """The gradient of the weighted mean retain loss on the retain logits; None where there is no such term."""
    if objective.retain is None:
        return None
    kernel, y = objective.retain, problem.y_retain
    scale = objective.retain_weight / float(objective.retain_per(torch.ones(len(ref_logit))))
    if "logits" in objective.retain_needs:
        ref_logits = _two_class(ref_logit)
        return lambda z: (
            scale
            * gradient_weights(kernel, {"logits": _two_class(z), "ref_logits": ref_logits})["logits"].numpy()[:, 1]
        )
    return lambda z: scale * gradient_weights(kernel, {"logp": _logp(z, y)})["logp"].numpy() * (y - expit(z))
