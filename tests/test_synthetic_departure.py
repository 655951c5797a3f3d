"""A forget set in margin space: the same path as the law's own integrator, exact remainders, and the margin law."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from synthetic.logistic.departure import SetPath, follow_set, relative_margins, signed_features
from synthetic.logistic.gaussians import draw
from synthetic.logistic.law import plain_descent_gap, rate_in_decade
from synthetic.logistic.problem import Problem, problem_from_arrays
from theory.logprobs import from_margins
from theory.theorems.time.intrinsic_time import follow, time_on_curve, weight_by_drop


@pytest.fixture(scope="module")
def problem() -> Problem:
    sizes = {"n_forget": 12, "n_retain": 60, "n_eval": 10, "features": 20, "d": 5}
    return problem_from_arrays(**vars(draw(alpha=1.0, seed=4, **sizes)), fit_steps=500)


def _orthogonal(n: int) -> Problem:
    return _alike(np.eye(n), np.ones(n), np.zeros(n))


def _alike(H: np.ndarray, y: np.ndarray, theta: np.ndarray) -> Problem:
    """A problem all of whose sets are the same, and both models too."""
    features = {f"H_{name}": H for name in ("forget", "retain", "eval_forget", "eval_retain")}
    return Problem(**features, y_forget=y, y_retain=y, y_idk=y, theta_ref=theta, theta_retrain=theta)


def test_it_is_the_path_of_the_law_s_own_integrator(problem: Problem) -> None:
    beta = 0.5
    sign, H = torch.from_numpy(2 * problem.y_forget - 1), torch.from_numpy(problem.H_forget)
    theirs = follow(
        lambda p: from_margins(sign * (H @ p["theta"])),
        {"theta": torch.from_numpy(problem.theta_ref)},
        weight_by_drop(beta),
        step=0.01,
        until=3.0,
        scale=beta,
    )
    ours = follow_set(problem, beta=beta, until=float(theirs.time[-1]), step=0.01)
    assert ours.time[-1] == pytest.approx(theirs.time[-1])
    np.testing.assert_allclose(ours.drop[-1], theirs.drop[-1], atol=0.05)
    np.testing.assert_allclose(ours.clock[-1], theirs.clock[-1], rtol=0.02, atol=0.02)
    np.testing.assert_allclose(ours.remainder[-1], theirs.remainder[-1], rtol=0.03, atol=0.1)


def test_curve_and_remainder_account_for_the_drop(problem: Problem) -> None:
    errors = []
    for step in (0.05, 0.025):
        path = follow_set(problem, beta=1.0, until=50.0, step=step)
        reached = time_on_curve(path.drop[-1])
        errors.append(np.abs(reached - path.clock[-1] - path.remainder[-1]) / (1 + np.abs(reached)))
    assert errors[0].max() < 0.05
    assert errors[1].max() < 0.7 * errors[0].max()


def test_one_label_alone_leaves_no_opposite_part() -> None:
    path = follow_set(_orthogonal(3), beta=1.0, until=10.0)
    assert (path.opposite == 0).all()
    np.testing.assert_allclose(path.remainder, 0, atol=1e-12)  # orthogonal and alike: all share a weight


def test_records_are_increasing_and_end_where_asked(problem: Problem) -> None:
    path = follow_set(problem, beta=2.0, until=7.0)
    assert path.time[0] == 0
    assert path.time[-1] == pytest.approx(7.0)
    assert (np.diff(path.time) > 0).all()
    assert len(follow_set(problem, beta=2.0, until=1e9, max_steps=5).time) <= 6


def test_margins_are_those_of_the_least_norm() -> None:
    G = np.random.default_rng(0).normal(size=(4, 6))
    found = minimize(
        lambda w: w @ w,
        np.linalg.lstsq(G, np.ones(4))[0],
        jac=lambda w: 2 * w,
        constraints={"type": "ineq", "fun": lambda w: G @ w - 1, "jac": lambda w: G},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(relative_margins(G), G @ found.x, atol=1e-6)
    assert np.isnan(relative_margins(np.array([[1.0], [-1.0]]))).all()


def test_the_margin_law_and_theorem_2_as_its_orthogonal_case() -> None:
    path = follow_set(_orthogonal(4), beta=1.0, until=1e8)
    np.testing.assert_allclose(relative_margins(signed_features(_orthogonal(4))), 1.0)
    np.testing.assert_allclose(rate_in_decade(path, 1.0, 0), 1.0, atol=0.01)
    G = np.array([[1.0, 0.0], [0.0, 1.0], [1.5, 1.5]])
    coupled = _alike(G, np.zeros(3), np.zeros(2))
    path = follow_set(coupled, beta=1.0, until=1e8)
    np.testing.assert_allclose(rate_in_decade(path, 1.0, 0), relative_margins(signed_features(coupled)), atol=0.03)


def test_a_rate_is_that_of_its_decade() -> None:
    t = np.append(0.0, np.geomspace(1e-3, 1e6, 226))
    drop = np.log1p(t)[:, None] * np.array([[2.0, 0.5]])
    path = SetPath(t, drop, drop, drop, drop, drop)
    np.testing.assert_allclose(rate_in_decade(path, 0.5, 0), [1.0, 0.25], atol=1e-4)
    np.testing.assert_allclose(rate_in_decade(path, 0.5, 2), [1.0, 0.25], atol=1e-2)


@pytest.mark.parametrize("beta", [0.0, 0.3, 2.0])
def test_plain_descent_of_one_example_is_first_order(beta: float) -> None:
    gaps = [plain_descent_gap(1.0, 40.0, beta, step) for step in (0.1, 0.05, 0.025)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.05)
    assert gaps[1] / gaps[2] == pytest.approx(2, rel=0.05)
