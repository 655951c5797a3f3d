"""Section 4 of the paper, exactly: unlearning in logistic regression on random features, by full-batch descent.

π_θ(y=1|x) = σ(θᵀReLU(Wx)). The features are computed once, and the gradient is taken in closed form: the objective's
gradient weights d loss / d log π, times d log π(y|x) / d logit = y − σ(logit).
Distances are E KL(π_retr ‖ π_θ), KLs are E KL(π_ref ‖ π_θ), in nats over the evaluation inputs.
Source: arXiv:2404.05868, Sec. 4 and App. D.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from scipy.special import expit

from records.errors import UserError
from records.work import Progress, silent
from theory.objective import Objective, gradient_weights, needs
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
    H = {name[2:]: np.maximum(x @ given["W"].T, 0.0) for name, x in given.items() if name.startswith("X_")}
    both = np.concatenate([H["forget"], H["retain"]]), np.concatenate([given["y_forget"], given["y_retain"]])
    theta_ref = fit(*both, steps=fit_steps, lr=fit_lr, progress=lambda k, n: progress(k, 2 * n))
    theta_retrain = fit(
        H["retain"],
        given["y_retain"],
        steps=fit_steps,
        lr=fit_lr,
        progress=lambda k, n: progress(n + k, 2 * n),
    )
    return Problem(
        H_forget=H["forget"],
        y_forget=given["y_forget"],
        H_retain=H["retain"],
        y_retain=given["y_retain"],
        H_eval_forget=H["eval_forget"],
        H_eval_retain=H["eval_retain"],
        y_idk=given["y_idk"],
        theta_ref=theta_ref,
        theta_retrain=theta_retrain,
    )


# --- the gradient -----------------------------------------------------------------------------------------------


Slope = Callable[[Array], Array]  # logits -> d (mean loss) / d logit, example by example


def _logp(logit: Array, y: Array) -> torch.Tensor:
    """log π(y|x) = log σ((2y − 1) · logit)."""
    return torch.from_numpy(log_sigmoid((2 * y - 1) * logit))


def _two_class(logit: Array) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.zeros_like(logit), logit], axis=1))


def _forget_slope(problem: Problem, objective: Objective, z_ref: Array) -> Slope:
    """The gradient of the weighted mean forget loss on the forget logits, given those of π_ref."""
    asked = set(needs(objective.forget)) | objective.forget_needs
    every = {"ref_logp": problem.y_forget, "ref_logp_win": problem.y_idk}
    fixed = {name: _logp(z_ref, y) for name, y in every.items() if name in objective.forget_needs}
    moving = {"logp": problem.y_forget, "logp_win": problem.y_idk}
    moving = {name: y for name, y in moving.items() if name in objective.forget_needs}
    scale = objective.forget_weight / float(objective.forget_per(torch.ones(len(z_ref))))

    def slope(z: Array) -> Array:
        given = fixed | {name: _logp(z, y) for name, y in moving.items()}
        if "z_ref" in asked:  # KTO's E[β KL(π_θ ‖ π_ref)] is exact here: no estimate from positive answers
            given["z_ref"] = torch.tensor(_beta(objective) * bernoulli_kl(z, z_ref).mean())
        weight, p = gradient_weights(objective.forget, given), expit(z)
        return scale * sum((w.numpy() * (moving[name] - p) for name, w in weight.items()), np.zeros_like(p))

    return slope


def _beta(objective: Objective) -> float:
    return objective.forget.keywords["beta"] if isinstance(objective.forget, partial) else 1.0


def _retain_slope(problem: Problem, objective: Objective, z_ref: Array) -> Slope | None:
    """The gradient of the weighted mean retain loss on the retain logits; None where there is no such term."""
    if objective.retain is None:
        return None
    kernel, y = objective.retain, problem.y_retain
    scale = objective.retain_weight / float(objective.retain_per(torch.ones(len(z_ref))))
    if "logits" in objective.retain_needs:
        ref_logits = _two_class(z_ref)
        return lambda z: (
            scale
            * gradient_weights(kernel, {"logits": _two_class(z), "ref_logits": ref_logits})["logits"].numpy()[:, 1]
        )
    return lambda z: scale * gradient_weights(kernel, {"logp": _logp(z, y)})["logp"].numpy() * (y - expit(z))


def unlearn(
    problem: Problem, objective: Objective, *, lr: float, steps: int, every: int, progress: Progress = silent
) -> Trajectory:
    """Unlearn from π_ref by full-batch gradient descent, evaluated every `every` steps.

    θ ← θ − lr ∇L(θ), L = mean forget loss + mean retain loss with the objective's weights.
    A run whose parameters stop being finite ends there, and keeps its history.

    >>> from theory.objective import method
    >>> from synthetic.gaussians import draw
    >>> problem = problem_from_arrays(**vars(draw(alpha=1.0, seed=0)), fit_steps=200)
    >>> unlearn(problem, method("NPO", beta=1.0), lr=5e-3, steps=50, every=25).steps
    array([ 0., 25., 50.])
    """
    if not (lr > 0 and steps >= 0 and every > 0):
        raise UserError(f"unlearn needs lr > 0, steps ≥ 0 and every > 0; got lr={lr}, steps={steps}, every={every}.")
    theta = problem.theta_ref.copy()
    forget_slope = _forget_slope(problem, objective, problem.H_forget @ theta)
    retain_slope = _retain_slope(problem, objective, problem.H_retain @ theta)
    back_forget, back_retain = (
        np.ascontiguousarray(problem.H_forget.T),
        np.ascontiguousarray(problem.H_retain.T),
    )
    rows = []
    for k in range(steps + 1):
        if k % every == 0:
            rows.append((float(k), *_measure(problem, theta)))
            progress(k, steps)
        gradient = back_forget @ forget_slope(problem.H_forget @ theta)
        if retain_slope is not None:
            gradient += back_retain @ retain_slope(problem.H_retain @ theta)
        theta = theta - lr * gradient
        if not np.isfinite(theta).all():
            break
    return Trajectory(*(np.asarray(column) for column in zip(*rows, strict=True)))


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
