"""The logistic problem with K ≥ 2 classes: π_θ(y=k|x) = softmax(Θ act(Wx))_k, Θ (K, N).

With two classes and half the step size it is `synthetic.logistic.unlearning`, with θ = Θ_1 − Θ_0. Gradients come from
the objective's gradient weights, d log π(y|x) / d logits = onehot(y) − π. Distances are the categorical KLs. The data
has the paper's law at K = 2: x − μ ~ N(0, I), P(y=k|x) ∝ exp(±½ c_k ((x − μ)ᵀ1/√d + 1)), c_k evenly spaced from −1 to 1
and the sign that of the side. Source: arXiv:2404.05868, Sec. 4, whose case is K = 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import softmax

from records.errors import UserError
from records.work import Progress, silent
from synthetic.logistic.gaussians import Sample, draw
from synthetic.logistic.problem import FIT_LR, FIT_STEPS, check_arrays, relu
from synthetic.logistic.quantities import CLASSES, AnsweredRows, other_classes, reinforced
from synthetic.logistic.slopes import gradient_on
from synthetic.logistic.unlearning import Recorder, Trajectory, evaluated
from theory.objective import Objective
from theory.weights import categorical_kl

__all__ = ["SoftmaxProblem", "draw_classes", "softmax_problem_from_arrays", "unlearn_softmax"]

Array = np.ndarray


@dataclass(frozen=True)
class SoftmaxProblem:
    """Features, labels in {0, …, K − 1}, and the two models; as `synthetic.logistic.problem.Problem`, with Θ (K, N)."""

    H_forget: Array  # (n_f, N)
    y_forget: Array  # (n_f,)
    H_retain: Array
    y_retain: Array
    H_eval_forget: Array
    H_eval_retain: Array
    y_idk: Array  # (n_f,)
    theta_ref: Array  # (K, N)
    theta_retrain: Array  # (K, N)


def draw_classes(*, classes: int, alpha: float, seed: int, label_noise: float = 0.0, **sizes: int) -> Sample:
    """The inputs of `gaussians.draw` with labels of K classes; y_idk is uniform.

    `label_noise` is the share of training labels that are another class, any of them alike. Raises UserError for fewer
    than two classes, sizes below 1 and a share outside [0, 1].

    >>> sorted(set(draw_classes(classes=3, alpha=1.0, seed=0).y_forget.tolist()))
    [0.0, 1.0, 2.0]
    """
    if classes < 2:
        raise UserError(f"classes must be at least 2, got {classes}.")
    sample = draw(alpha=alpha, seed=seed, label_noise=label_noise, **sizes)
    generator = torch.Generator().manual_seed((seed + 2**62) % 2**63)  # a stream that no other seed has for its inputs
    bias = torch.linspace(-1, 1, classes, dtype=torch.float64) / 2

    def labels(X: Array, side: float) -> Array:
        score = torch.from_numpy(side * ((X - side * alpha).sum(axis=1) / math.sqrt(X.shape[1]) + 1))
        p = torch.softmax(score[:, None] * bias, dim=1)
        return torch.multinomial(p, 1, generator=generator)[:, 0].double().numpy()

    def noisy(y: Array) -> Array:
        turned = torch.rand(len(y), generator=generator, dtype=torch.float64).numpy() < label_noise
        other = torch.randint(1, classes, (len(y),), generator=generator).double().numpy()
        return np.where(turned, (y + other) % classes, y)

    idk = torch.randint(classes, (len(sample.y_idk),), generator=generator).double().numpy()
    y = {"y_forget": labels(sample.X_forget, 1.0), "y_retain": labels(sample.X_retain, -1.0), "y_idk": idk}
    return Sample(**{**vars(sample), **y, "y_forget": noisy(y["y_forget"]), "y_retain": noisy(y["y_retain"])})


def softmax_problem_from_arrays(
    *,
    classes: int,
    W: Array,
    X_forget: Array,
    y_forget: Array,
    X_retain: Array,
    y_retain: Array,
    X_eval_forget: Array,
    X_eval_retain: Array,
    y_idk: Array,
    activation: Callable[[Array], Array] = relu,
    fit_steps: int = FIT_STEPS,
    fit_lr: float = FIT_LR / 2,
    progress: Progress = silent,
) -> SoftmaxProblem:
    """A problem of K classes from one's own arrays, with π_ref and π_retr fitted by gradient descent from 0.

    Shapes as in `synthetic.logistic.problem.problem_from_arrays`, labels in {0, …, K − 1}. The step size is half of the
    paper's, which makes K = 2 the paper's problem. Raises UserError naming every array that is wrong.
    """
    X = {"X_forget": X_forget, "X_retain": X_retain, "X_eval_forget": X_eval_forget, "X_eval_retain": X_eval_retain}
    labels = {"y_forget": y_forget, "y_retain": y_retain, "y_idk": y_idk}
    given = check_arrays({"W": W, **X, **labels}, classes)
    with np.errstate(over="ignore", invalid="ignore"):  # told below, in words
        H = {f"H_{name[2:]}": activation(given[name] @ given["W"].T) for name in X}
        y = {name: given[name].astype(np.int64) for name in labels}
        both = np.concatenate([H["H_forget"], H["H_retain"]]), np.concatenate([y["y_forget"], y["y_retain"]])
        ref = _fit(*both, classes, fit_steps, fit_lr, lambda k, n: progress(k, 2 * n))
        retrain = _fit(H["H_retain"], y["y_retain"], classes, fit_steps, fit_lr, lambda k, n: progress(n + k, 2 * n))
    if not (np.isfinite(ref).all() and np.isfinite(retrain).all()):
        raise UserError(f"Fitting π_ref and π_retr diverged: scale the inputs down, or lower fit_lr={fit_lr}.")
    return SoftmaxProblem(**H, **y, theta_ref=ref, theta_retrain=retrain)


def _fit(H: Array, y: Array, classes: int, steps: int, lr: float, progress: Progress) -> Array:
    theta, wanted = np.zeros((classes, H.shape[1])), np.eye(classes)[y]
    for k in range(steps):
        theta = theta - lr / len(y) * (softmax(H @ theta.T, axis=1) - wanted).T @ H
        if k % 1000 == 0:
            progress(k, steps)
    return theta


# --- unlearning -------------------------------------------------------------------------------------------------


def unlearn_softmax(
    problem: SoftmaxProblem, objective: Objective, *, lr: float, steps: int, every: int, progress: Progress = silent
) -> Trajectory:
    """Unlearn from π_ref by full-batch gradient descent; the columns are those of `synthetic.logistic.unlearn`.

    >>> from theory.objective import method
    >>> sample = draw_classes(classes=3, alpha=1.0, seed=0)
    >>> problem = softmax_problem_from_arrays(classes=3, **vars(sample), fit_steps=50)
    >>> unlearn_softmax(problem, method("NPO", beta=1.0), lr=5e-3, steps=20, every=10).steps
    array([ 0., 10., 20.])
    """
    if not (0 < lr < np.inf and steps >= 0 and every > 0):
        raise UserError(f"unlearn needs lr > 0, steps ≥ 0 and every > 0; got lr={lr}, steps={steps}, every={every}.")
    at, theta = set(evaluated(steps, every)), problem.theta_ref.copy()
    recorder = Recorder(lambda now: _measure(problem, now))
    slope = _gradient(problem, objective)
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run ends by the test for finite numbers
        for k in range(steps + 1):
            if k in at:
                if not recorder.record(k, theta):
                    break
                progress(k, steps)
            if k < steps:
                theta = theta - lr * slope(theta)
    return recorder.trajectory()


def _measure(problem: SoftmaxProblem, theta: Array) -> tuple[float, ...]:
    kls = [
        float(categorical_kl(H @ base.T, H @ theta.T).mean())
        for base in (problem.theta_retrain, problem.theta_ref)
        for H in (problem.H_eval_forget, problem.H_eval_retain)
    ]
    return (*kls, *(float(np.linalg.norm(theta - base)) for base in (problem.theta_retrain, problem.theta_ref)))


def _gradient(problem: SoftmaxProblem, objective: Objective) -> Callable[[Array], Array]:
    """∇L as a function of Θ."""
    y, ref = problem.y_forget, problem.theta_ref
    answers = {"": y, "_win": problem.y_idk, "_alternate": other_classes(y, len(ref))}
    forget = AnsweredRows(CLASSES, problem.H_forget, answers, problem.H_forget @ ref.T)
    if "reinforced_logits" in objective.forget_needs:
        forget = reinforced(forget)
    kept = {"": problem.y_retain, "_win": other_classes(problem.y_retain, len(ref))}
    retain = AnsweredRows(CLASSES, problem.H_retain, kept, problem.H_retain @ ref.T)
    return gradient_on(forget, retain, objective)
