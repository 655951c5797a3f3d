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

from synthetic.dual_state import DualState, begun
from synthetic.logistic.problem import Problem
from synthetic.logistic.quantities import TWO, AnsweredRows, check_supplied, reinforced
from theory.kernel import gather
from theory.objective import Objective, gradient_weights, z_ref_from_kl, z_ref_from_positive

__all__ = ["answered", "dual_of", "gradient", "gradient_on"]

Array = np.ndarray
Slope = Callable[[Array], Array]  # logits -> d (mean loss) / d logits, example by example


def gradient(problem: Problem, objective: Objective) -> Callable[[Array], Array]:
    """∇L(θ) as a function of θ (N,), over all rows of the problem; UserError where L needs what is not there."""
    return gradient_on(*answered(problem, objective), objective)


def answered(problem: Problem, objective: Objective) -> tuple[AnsweredRows, AnsweredRows]:
    """The rows to forget and to keep, with all that an objective asks of them."""
    y, ref = problem.y_forget, problem.theta_ref
    answers = {"": y, "_win": problem.y_idk, "_alternate": 1 - y}
    kept = {"": problem.y_retain, "_win": 1 - problem.y_retain}
    forget = AnsweredRows(TWO, problem.H_forget, answers, problem.H_forget @ ref)
    if "reinforced_logits" in objective.forget_needs:
        forget = reinforced(forget)
    return forget, AnsweredRows(TWO, problem.H_retain, kept, problem.H_retain @ ref)


def gradient_on(
    forget: AnsweredRows, retain: AnsweredRows, objective: Objective, dual: DualState | None = None
) -> Callable[[Array], Array]:
    """∇L(θ) as a function of θ, (N,) or (K, N), on the rows to forget and to keep.

    Where the retain weight is a dual variable each call is a step of it, of the one given or one of its own.
    """
    check_supplied(objective)
    forgetting, keeping = _forget_slope(forget, with_exact_kl(objective)), _retain_slope(retain, objective)
    dual = dual or dual_of(retain, objective)

    def at(theta: Array) -> Array:
        found = forgetting(forget.features @ theta.T).T @ forget.features
        if keeping is not None:
            z = retain.features @ theta.T
            found = found + keeping(z, objective.retain_weight if dual is None else dual.value).T @ retain.features
            if dual is not None:
                dual.step(_retain_loss(retain, objective, z))
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


def _retain_slope(rows: AnsweredRows, objective: Objective) -> Callable[[Array, float], Array] | None:
    """The gradient of the mean retain loss, so weighted, on the retain logits; None where there is no such term."""
    kernel, asked = objective.retain, objective.retain_needs
    if kernel is None:
        return None
    fixed = rows.fixed(asked)
    count = float(objective.retain_per(torch.ones(len(rows.ref))))
    return lambda z, weight: weight / count * rows.slope(z, gradient_weights(kernel, fixed | rows.moving(z, asked)))


def _retain_loss(rows: AnsweredRows, objective: Objective, z: Array) -> float:
    """The mean retain loss, without its weight."""
    kernel, asked = objective.retain, objective.retain_needs
    assert kernel is not None
    values = kernel(**gather(kernel, rows.fixed(asked) | rows.moving(z, asked)))
    return float(values.sum() / objective.retain_per(torch.ones(len(rows.ref))))


def dual_of(retain: AnsweredRows, objective: Objective, *, epoch: int = 1) -> DualState | None:
    """The dual variable before the first step, its bound from what π_ref loses on these rows; None for a number."""
    if objective.dual is None:
        return None
    return begun(objective, _retain_loss(retain, objective, retain.ref), epoch=epoch)
