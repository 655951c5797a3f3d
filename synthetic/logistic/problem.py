"""The logistic problem of the paper's Section 4: features of every set, labels, and the two models fitted to them.

π_θ(y=1|x) = σ(θᵀ act(Wx)), W fixed; the paper's activation is ReLU. Source: arXiv:2404.05868, Sec. 4 and App. D.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from records.errors import UserError
from records.work import Progress, silent
from synthetic.logistic.columns import march
from synthetic.logistic.rows import Column, SharedRows, columns
from theory.weights import softplus

__all__ = [
    "FIT_LR",
    "FIT_STEPS",
    "NotConverged",
    "Problem",
    "check_arrays",
    "fit",
    "fit_to_tolerance",
    "problem_from_arrays",
    "relu",
    "rows_of_fits",
]

FIT_STEPS = 20_000
FIT_LR = 0.05
REAL = "biuf"  # kinds of dtypes
CHUNK = 1000  # steps between two words to a progress bar

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Features of every set, labels, and the two models that unlearning goes between; all float64."""

    H_forget: Array  # (n_f, N)
    y_forget: Array  # (n_f,) in {0, 1}
    H_retain: Array
    y_retain: Array
    H_eval_forget: Array
    H_eval_retain: Array
    y_idk: Array  # (n_f,)
    theta_ref: Array  # (N,) fitted on forget ∪ retain
    theta_retrain: Array  # (N,) fitted on retain alone


class NotConverged(UserError):  # noqa: N818 - the name that its users know
    """An optimiser ended above the tolerance that it was asked for."""


def relu(x: Array) -> Array:
    """max(x, 0), the paper's activation."""
    return np.maximum(x, 0.0)


# --- fitting --------------------------------------------------------------------------------------------------


def fit(H: Array, y: Array, *, steps: int = FIT_STEPS, lr: float = FIT_LR, progress: Progress = silent) -> Array:
    """θ after full-batch gradient descent from 0 on the mean cross-entropy, as the paper fits π_ref and π_retr.

    20,000 steps do not converge (an optimiser would end elsewhere), so they are taken literally.
    """
    rows = SharedRows(H, y, y, np.zeros(len(y)), np.zeros((0, H.shape[1])), np.zeros(0), np.zeros(0))
    return _descended(rows, [Column(lr, forget=1 / len(y), lose=-1)], steps, progress)[0]


def _descended(rows: SharedRows, runs: list[Column], steps: int, progress: Progress) -> Array:
    theta = np.zeros((len(runs), rows.H_forget.shape[1]))
    for done in range(0, steps, CHUNK):
        progress(done, steps)
        theta = march(rows, columns(*runs), theta, min(CHUNK, steps - done))
    return theta


def fit_to_tolerance(H: Array, y: Array, *, tolerance: float = 1e-8, max_iterations: int = 1000) -> Array:
    """θ where every entry of the gradient of the mean cross-entropy is below `tolerance`, by scipy's Newton method.

    Another experiment than the paper's: 20,000 steps of its gradient descent end far from here.
    Raises NotConverged where the optimiser stops above the tolerance, as it must where the classes can be separated
    and the minimum is at infinity.

    >>> theta = fit_to_tolerance(np.array([[1.0], [1.0], [1.0], [1.0]]), np.array([1.0, 1.0, 1.0, 0.0]))
    >>> round(float(theta[0]), 6) == round(float(np.log(3)), 6)
    True
    """
    n = len(y)

    def loss(theta: Array) -> float:
        z = H @ theta
        return float((softplus(z) - y * z).mean())

    def slope(theta: Array) -> Array:
        return np.asarray(H.T @ (expit(H @ theta) - y) / n)

    def curvature(theta: Array) -> Array:
        p = expit(H @ theta)
        return np.asarray((H.T * (p * (1 - p))) @ H / n)

    found = minimize(
        loss,
        np.zeros(H.shape[1]),
        jac=slope,
        hess=curvature,
        method="trust-exact",
        options={"gtol": tolerance, "maxiter": max_iterations},
    )
    left = float(np.abs(slope(found.x)).max())
    separated = bool(np.all((2 * y - 1) * (H @ found.x) > 0))
    if not left <= tolerance or separated:
        why = "the classes can be separated, so that there is no minimum" if separated else str(found.message)
        raise _not_converged(found.nit, left, tolerance, why)
    return np.asarray(found.x)


def _not_converged(steps: int, left: float, tolerance: float, why: str) -> NotConverged:
    return NotConverged(
        f"After {steps} Newton steps the gradient is {left:.1e}, asked for {tolerance:.1e}: {why}. "
        "Give more rows or fewer features, a larger tolerance, or fit by gradient descent (fit=None)."
    )


# --- from arrays ----------------------------------------------------------------------------------------------


def check_arrays(arrays: Mapping[str, Array], classes: int = 2) -> dict[str, Array]:
    """Every array as float64, labels in {0, …, classes − 1}; UserError listing all that is wrong with them."""
    found, wrong = {}, []
    for name, value in arrays.items():
        try:
            given = np.asarray(value)
        except (TypeError, ValueError):  # rows of different lengths
            given = np.asarray(None)
        if given.dtype.kind not in REAL:
            wrong.append(f"{name} is not an array of real numbers.")
        elif given.dtype.kind in "iu" and given.size and max(abs(int(given.min())), abs(int(given.max()))) > 2**53:
            wrong.append(f"{name} holds whole numbers beyond 2^53, which float64 does not hold: scale them down.")
        else:
            with np.errstate(over="ignore"):  # told below, as infinite
                found[name] = np.asarray(given, dtype=np.float64, order="C")
    if wrong:
        raise UserError("The logistic problem's arrays are not usable. " + " ".join(wrong))
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
            elif not np.isin(x, np.arange(classes)).all():
                wrong.append(f"{name} holds labels outside {{0, {'' if classes == 2 else '…, '}{classes - 1}}}.")
        elif x.ndim != 2 or x.shape[-1] != d or not x.size:
            wrong.append(f"{name} has shape {x.shape}: a non-empty matrix with {d} columns, as W has, is needed.")
    if wrong:
        raise UserError("The logistic problem's arrays are not usable. " + " ".join(wrong))
    return found


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
    activation: Callable[[Array], Array] = relu,
    fit: Callable[[Array, Array], Array] | None = None,
    fit_steps: int = FIT_STEPS,
    fit_lr: float = FIT_LR,
    progress: Progress = silent,
) -> Problem:
    """A problem from one's own arrays, with π_ref and π_retr fitted.

    Shapes: W (N, d); X_* (n, d); y_* (n,) with labels in {0, 1}; y_idk (n_f,) the positive labels of IDK and DPO.
    `activation` works element by element (np.tanh, np.cos, …). `fit` maps features (n, N) and labels (n,) to θ (N,),
    e.g. `fit_to_tolerance`; None is the paper's gradient descent of `fit_steps` steps of `fit_lr`.
    Raises UserError naming every array of wrong shape, with NaN, or with another label.
    """
    inputs = {
        "X_forget": X_forget,
        "X_retain": X_retain,
        "X_eval_forget": X_eval_forget,
        "X_eval_retain": X_eval_retain,
    }
    given = check_arrays({"W": W, **inputs, "y_forget": y_forget, "y_retain": y_retain, "y_idk": y_idk})
    with np.errstate(over="ignore", invalid="ignore"):  # told below, in words
        H = {f"H_{name[2:]}": activation(x @ given["W"].T) for name, x in given.items() if name.startswith("X_")}
        y = {name: labels for name, labels in given.items() if name.startswith("y_")}
        ref, retrain = _two_fits(H, y, fit_steps, fit_lr, progress) if fit is None else _two_fits_by(fit, H, y)
    if not (np.isfinite(ref).all() and np.isfinite(retrain).all()):
        raise UserError(f"Fitting π_ref and π_retr diverged: scale the inputs down, or lower fit_lr={fit_lr}.")
    return Problem(**H, **y, theta_ref=ref, theta_retrain=retrain)


def _two_fits(
    H: Mapping[str, Array], y: Mapping[str, Array], steps: int, lr: float, progress: Progress
) -> tuple[Array, Array]:
    """θ of π_ref, fitted on forget ∪ retain, and of π_retr, fitted on retain alone; by gradient descent."""
    theta = _descended(*rows_of_fits({**H, **y}, lr), steps, progress)
    return theta[0], theta[1]


def _two_fits_by(
    fit: Callable[[Array, Array], Array], H: Mapping[str, Array], y: Mapping[str, Array]
) -> tuple[Array, Array]:
    """θ of π_ref and of π_retr by a fit of the caller's."""
    every = np.concatenate([H["H_forget"], H["H_retain"]]), np.concatenate([y["y_forget"], y["y_retain"]])
    return fit(*every), fit(H["H_retain"], y["y_retain"])


def rows_of_fits(data: Mapping[str, Array], lr: float) -> tuple[SharedRows, list[Column]]:
    """The fits of π_ref and π_retr as two columns (see `synthetic.logistic.columns`) on the rows of a problem."""
    n_forget, n_retain = len(data["y_forget"]), len(data["y_retain"])
    nothing = np.zeros(n_forget), np.zeros(n_retain)  # these columns have no reference
    forget = data["H_forget"], data["y_forget"], data["y_idk"], nothing[0]
    rows = SharedRows(*forget, data["H_retain"], data["y_retain"], nothing[1])
    each = 1 / (n_forget + n_retain)
    return rows, [Column(lr, forget=each, lose=-1, labels=each), Column(lr, labels=1 / n_retain)]
