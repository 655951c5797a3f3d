"""The gradient of any objective on a logistic problem, of two classes or of K, from its gradient weights.

d loss / d logits = Σ over quantities of (d loss / d quantity) · (d quantity / d logits), the second as in
`synthetic.logistic.quantities`. The paper's methods have a shorter form, `synthetic.logistic.columns`; this one serves
every other and a kernel of one's own, and checks that one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from synthetic.logistic.problem import Problem
from synthetic.logistic.quantities import TWO, AnsweredRows, check_supplied
from theory.objective import Objective, gradient_weights, z_ref_from_kl, z_ref_from_positive

__all__ = ["gradient", "gradient_on"]

Array = np.ndarray
Slope = Callable[[Array], Array]  # logits -> d (mean loss) / d logits, example by example


def gradient(problem: Problem, objective: Objective) -> Callable[[Array], Array]:
    """∇L(θ) as a function of θ (N,), over all rows of the problem; UserError where L needs what is not there."""
    y, ref = problem.y_forget, problem.theta_ref
    answers = {"": y, "_win": problem.y_idk, "_alternate": 1 - y}
    forget = AnsweredRows(TWO, problem.H_forget, answers, problem.H_forget @ ref)
    retain = AnsweredRows(TWO, problem.H_retain, {"": problem.y_retain}, problem.H_retain @ ref)
    return gradient_on(forget, retain, objective)


def gradient_on(forget: AnsweredRows, retain: AnsweredRows, objective: Objective) -> Callable[[Array], Array]:
    """∇L(θ) as a function of θ, (N,) or (K, N), on the rows to forget and to keep."""
    check_supplied(objective)
    forgetting, keeping = _forget_slope(forget, with_exact_kl(objective)), _retain_slope(retain, objective)

    def at(theta: Array) -> Array:
        found = forgetting(forget.features @ theta.T).T @ forget.features
        if keeping is not None:
            found = found + keeping(retain.features @ theta.T).T @ retain.features
        return np.asarray(found)

    return at


def with_exact_kl(objective: Objective) -> Objective:
    """An objective whose reference point (KTO) is the KL itself, known here, not estimated from positive answers."""
    estimate = objective.z_ref
    if isinstance(estimate, partial) and estimate.func is z_ref_from_positive:
        return replace(objective, z_ref=partial(z_ref_from_kl, **estimate.keywords))
    return objective


def _forget_slope(rows: AnsweredRows, objective: Objective) -> Slope:
    """The gradient of the weighted mean forget loss on the forget logits."""
    asked = objective.forget_needs
    fixed = rows.fixed(asked)
    scale = objective.forget_weight / float(objective.forget_per(torch.ones(len(rows.ref))))

    def slope(z: Array) -> Array:
        given = objective.with_z_ref(fixed | rows.moving(z, asked))
        return scale * rows.slope(z, gradient_weights(objective.forget, given))

    return slope


def _retain_slope(rows: AnsweredRows, objective: Objective) -> Slope | None:
    """The gradient of the weighted mean retain loss on the retain logits; None where there is no such term."""
    kernel, asked = objective.retain, objective.retain_needs
    if kernel is None:
        return None
    fixed = rows.fixed(asked)
    scale = objective.retain_weight / float(objective.retain_per(torch.ones(len(rows.ref))))
    return lambda z: scale * rows.slope(z, gradient_weights(kernel, fixed | rows.moving(z, asked)))
