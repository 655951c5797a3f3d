"""Section 4 of the paper, exactly: unlearning in logistic regression on random features, by full-batch descent.

π_θ(y=1|x) = σ(θᵀReLU(Wx)). The features are computed once, and the gradient is taken in closed form: the objective's
gradient weights d loss / d log π, times d log π(y|x) / d logit = y − σ(logit).
Distances are E KL(π_retr ‖ π_θ), KLs are E KL(π_ref ‖ π_θ), in nats over the evaluation inputs.
Source: arXiv:2404.05868, Sec. 4 and App. D.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from scipy.special import expit

from records.errors import UserError
from records.work import Progress, silent
from theory.objective import Objective, gradient_weights, z_ref_from_kl, z_ref_from_positive
from theory.weights import bernoulli_kl, log_sigmoid

__all__ = ["FIT_LR", "FIT_STEPS", "Problem", "Trajectory", "fit", "problem_from_arrays", "unlearn"]

FIT_STEPS = 20_000
FIT_LR = 0.05

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """Features ReLU(Wx) of every set, labels, and the two models that unlearning goes between; all float64."""

    H_forget: Array  # (n_f, N)
    y_forget: Array  # (n_f,) in {0, 1}
    H_retain: Array
    y_retain: Array
    H_eval_forget: Array
    H_eval_retain: Array
    y_idk: Array  # (n_f,)
    theta_ref: Array  # (N,) fitted on forget ∪ retain
    theta_retrain: Array  # (N,) fitted on retain alone


@dataclass(frozen=True)
class Trajectory:
    """What unlearning did, at each evaluated step; float64, the first entry before the first step."""

    steps: Array
    forget_distance: Array  # E KL(π_retr ‖ π_θ) on the forget distribution
    retain_distance: Array
    forget_kl: Array  # E KL(π_ref ‖ π_θ) on the forget distribution
    retain_kl: Array
    parameter_distance: Array  # ‖θ − θ_retr‖₂
    reference_distance: Array  # ‖θ − θ_ref‖₂

    def arrays(self) -> dict[str, Array]:
        """The columns by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def _checked(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Every array as float64; UserError listing all that is wrong with them."""
    found = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    if found["W"].ndim != 2:
        raise UserError(f"W has shape {found['W'].shape}: a matrix (features, input dimensions) is needed.")
    wrong = [f"{name} holds NaN or infinite values." for name, x in found.items() if not np.isfinite(x).all()]
    d = found["W"].shape[-1]
    for name, x in found.items():
        if name.startswith("y_"):
            inputs = "forget" if name == "y_idk" else name.removeprefix("y_")
            if x.shape != found[f"X_{inputs}"].shape[:1]:
                wrong.append(
                    f"{name} has shape {x.shape}, X_{inputs} has {found[f'X_{inputs}'].shape}: one label a row."
                )
            elif not np.isin(x, (0.0, 1.0)).all():
                wrong.append(f"{name} holds labels outside {{0, 1}}.")
        elif x.ndim != 2 or x.shape[-1] != d or not x.size:
            wrong.append(f"{name} has shape {x.shape}: a non-empty matrix with {d} columns, as W has, is needed.")
    if wrong:
        raise UserError("The logistic problem's arrays are not usable. " + " ".join(wrong))
    return found


def fit(H: Array, y: Array, *, steps: int = FIT_STEPS, lr: float = FIT_LR, progress: Progress = silent) -> Array:
    """θ after full-batch gradient descent from 0 on the mean cross-entropy, as the paper fits π_ref and π_retr.

    20,000 steps do not converge (an optimiser would end elsewhere), so they are taken literally.
    """
    theta, scaled = np.zeros(H.shape[1]), np.ascontiguousarray(H.T) * (lr / H.shape[0])
    for k in range(steps):
        theta -= scaled @ (expit(H @ theta) - y)
        if k % 1000 == 0:
            progress(k, steps)
    return theta


def problem_from_arrays(
    *,
    W: Array,
    X_forget: Array,
    y_forget: Array,
    X_retain: Array,
    y_retain: Array,
    X_eval_forget: Array,
    X_eval_retain: Array,
    y_idk: Array,
    fit_steps: int = FIT_STEPS,
    fit_lr: float = FIT_LR,
    progress: Progress = silent,
) -> Problem:
    """A problem from one's own arrays, with π_ref and π_retr fitted.

    Shapes: W (N, d); X_* (n, d); y_* (n,) with labels in {0, 1}; y_idk (n_f,) the positive labels of IDK and DPO.
    Raises UserError naming every array of wrong shape, with NaN, or with another label.
    """
    given = _checked(
        {
            "W": W,
            "X_forget": X_forget,
            "y_forget": y_forget,
            "X_retain": X_retain,
            "y_retain": y_retain,
            "X_eval_forget": X_eval_forget,
            "X_eval_retain": X_eval_retain,
            "y_idk": y_idk,
        }
    )
    with np.errstate(over="ignore", invalid="ignore"):  # told below, in words
        H = {f"H_{name[2:]}": np.maximum(x @ given["W"].T, 0.0) for name, x in given.items() if name.startswith("X_")}
        y = {name: labels for name, labels in given.items() if name.startswith("y_")}
        theta_ref, theta_retrain = _two_fits(H, y, fit_steps, fit_lr, progress)
    if not (np.isfinite(theta_ref).all() and np.isfinite(theta_retrain).all()):
        raise UserError(f"Fitting π_ref and π_retr diverged: scale the inputs down, or lower fit_lr={fit_lr}.")
    return Problem(**H, **y, theta_ref=theta_ref, theta_retrain=theta_retrain)


def _two_fits(
    H: Mapping[str, Array], y: Mapping[str, Array], steps: int, lr: float, progress: Progress
) -> tuple[Array, Array]:
    """θ of π_ref, fitted on forget ∪ retain, and of π_retr, fitted on retain alone."""
    features, labels = np.concatenate([H["H_forget"], H["H_retain"]]), np.concatenate([y["y_forget"], y["y_retain"]])
    theta_ref = fit(features, labels, steps=steps, lr=lr, progress=lambda k, n: progress(k, 2 * n))
    second: Progress = lambda k, n: progress(n + k, 2 * n)  # noqa: E731
    return theta_ref, fit(H["H_retain"], y["y_retain"], steps=steps, lr=lr, progress=second)


# --- the gradient -----------------------------------------------------------------------------------------------


Slope = Callable[[Array], Array]  # logits -> d (mean loss) / d logit, example by example


def _logp(logit: Array, y: Array) -> torch.Tensor:
    """log π(y|x) = log σ((2y − 1) · logit)."""
    return torch.from_numpy(log_sigmoid((2 * y - 1) * logit))


def _two_class(logit: Array) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.zeros_like(logit), logit], axis=1))


def _with_exact_kl(objective: Objective) -> Objective:
    """The same with KTO's reference point from the KL itself, known here, not estimated from positive answers."""
    estimate = objective.z_ref
    if isinstance(estimate, partial) and estimate.func is z_ref_from_positive:
        return replace(objective, z_ref=partial(z_ref_from_kl, **estimate.keywords))
    return objective


def _forget_slope(problem: Problem, objective: Objective, ref_logit: Array) -> Slope:
    """The gradient of the weighted mean forget loss on the forget logits, given those of π_ref."""
    objective = _with_exact_kl(objective)
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


def unlearn(
    problem: Problem, objective: Objective, *, lr: float, steps: int, every: int, progress: Progress = silent
) -> Trajectory:
    """Unlearn from π_ref by full-batch gradient descent, evaluated every `every` steps and after the last.

    θ ← θ − lr ∇L(θ), L = mean forget loss + mean retain loss with the objective's weights.
    A run whose parameters stop being finite ends there, and keeps its history.

    >>> from theory.objective import method
    >>> from synthetic.gaussians import draw
    >>> problem = problem_from_arrays(**vars(draw(alpha=1.0, seed=0)), fit_steps=200)
    >>> unlearn(problem, method("NPO", beta=1.0), lr=5e-3, steps=60, every=25).steps
    array([ 0., 25., 50., 60.])
    """
    if not (0 < lr < np.inf and steps >= 0 and every > 0):
        raise UserError(f"unlearn needs lr > 0, steps ≥ 0 and every > 0; got lr={lr}, steps={steps}, every={every}.")
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run ends by the test for finite numbers
        rows = _descend(problem, objective, lr, steps, every, progress)
    return Trajectory(*(np.asarray(column) for column in zip(*rows, strict=True)))


def _descend(
    problem: Problem, objective: Objective, lr: float, steps: int, every: int, progress: Progress
) -> list[tuple[float, ...]]:
    """The rows of a Trajectory."""
    theta = problem.theta_ref.copy()
    forget_slope = _forget_slope(problem, objective, problem.H_forget @ theta)
    retain_slope = _retain_slope(problem, objective, problem.H_retain @ theta)
    back_forget, back_retain = np.ascontiguousarray(problem.H_forget.T), np.ascontiguousarray(problem.H_retain.T)
    rows: list[tuple[float, ...]] = []
    for k in range(steps + 1):
        if k % every == 0 or k == steps:
            row = (float(k), *_measure(problem, theta))
            if not np.isfinite(row).all():
                break
            rows.append(row)
            progress(k, steps)
        if k == steps:
            break
        gradient = back_forget @ forget_slope(problem.H_forget @ theta)
        if retain_slope is not None:
            gradient += back_retain @ retain_slope(problem.H_retain @ theta)
        theta = theta - lr * gradient
        if not np.isfinite(theta).all():
            break
    return rows


def _measure(problem: Problem, theta: Array) -> tuple[float, ...]:
    """The columns of a Trajectory at one θ."""
    kls = [
        float(bernoulli_kl(H @ base, H @ theta).mean())
        for base in (problem.theta_retrain, problem.theta_ref)
        for H in (problem.H_eval_forget, problem.H_eval_retain)
    ]
    return (
        *kls,
        float(np.linalg.norm(theta - problem.theta_retrain)),
        float(np.linalg.norm(theta - problem.theta_ref)),
    )
