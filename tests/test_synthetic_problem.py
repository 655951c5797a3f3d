"""Fitting the two models: both at once, to a tolerance, with other activations; and what can't be used."""

from functools import partial

import numpy as np
import pytest

from records.errors import UserError
from synthetic.logistic.gaussians import draw
from synthetic.logistic.problem import NotConverged, fit, fit_to_tolerance, problem_from_arrays

ARRAYS = vars(draw(alpha=0.5, seed=2, d=4, features=9, n_forget=30, n_retain=81, n_eval=10))


def _slope(H: np.ndarray, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return H.T @ (1 / (1 + np.exp(-(H @ theta))) - y) / len(y)


def test_both_models_come_from_one_descent() -> None:
    p = problem_from_arrays(**ARRAYS, fit_steps=300, fit_lr=0.1)
    both = np.concatenate([p.H_forget, p.H_retain]), np.concatenate([p.y_forget, p.y_retain])
    np.testing.assert_allclose(p.theta_ref, fit(*both, steps=300, lr=0.1), atol=1e-13)
    np.testing.assert_allclose(p.theta_retrain, fit(p.H_retain, p.y_retain, steps=300, lr=0.1), atol=1e-13)


def test_a_fit_to_a_tolerance_has_that_gradient_and_is_for_both_models() -> None:
    p = problem_from_arrays(**ARRAYS, fit=partial(fit_to_tolerance, tolerance=1e-9))
    assert np.abs(_slope(p.H_retain, p.y_retain, p.theta_retrain)).max() < 1e-9
    both = np.concatenate([p.H_forget, p.H_retain]), np.concatenate([p.y_forget, p.y_retain])
    assert np.abs(_slope(*both, p.theta_ref)).max() < 1e-9
    far = fit(p.H_retain, p.y_retain, steps=20_000)
    assert np.linalg.norm(far - p.theta_retrain) > 0.01  # the paper's descent is not there


def test_what_does_not_converge_says_so_with_numbers() -> None:
    H, y = np.array([[1.0], [2.0], [-1.0]]), np.array([1.0, 1.0, 0.0])
    with pytest.raises(NotConverged, match="the classes can be separated, so that there is no minimum"):
        fit_to_tolerance(H, y)
    with pytest.raises(NotConverged, match=r"After 1 Newton steps the gradient is .*, asked for 1\.0e-12"):
        fit_to_tolerance(ARRAYS["X_retain"], ARRAYS["y_retain"], tolerance=1e-12, max_iterations=1)


def test_another_activation() -> None:
    p = problem_from_arrays(**ARRAYS, activation=np.tanh, fit_steps=10)
    np.testing.assert_array_equal(p.H_eval_forget, np.tanh(ARRAYS["X_eval_forget"] @ ARRAYS["W"].T))


def test_what_is_no_array_of_numbers_is_told() -> None:
    with pytest.raises(UserError, match=r"X_forget is not an array of real numbers\. y_idk is not"):
        problem_from_arrays(**{**ARRAYS, "X_forget": [[1.0], [1.0, 2.0]], "y_idk": ["a"]})
