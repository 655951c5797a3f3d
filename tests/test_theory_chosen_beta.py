"""The β that a wanted drop asks for: round trips over fifteen decades, its derivatives, and what no β reaches."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory.theorems.beta.chosen_beta import beta_for, drop_at, sharpness
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.intrinsic_time import time_on_curve

EPS = np.finfo(np.float64).eps
decades = st.floats(-6, 6).map(lambda log: 10**log)


def budget_of(drop: float, x: float) -> float:
    """T = u + (e^x − 1 − x) u/2x at which βu = x, in logarithms where e^x is too large."""
    return drop * (float(time_on_curve(x)) / x if x < 600 else math.exp(x - math.log(2 * x)))


@given(x=st.floats(-12, 2.84).map(lambda log: 10**log), drop=decades)
def test_the_drop_of_the_chosen_beta_is_the_wanted_one(x: float, drop: float) -> None:
    budget = budget_of(drop, x)
    beta = float(beta_for(drop, budget))
    assert float(drop_at(beta, budget)) == pytest.approx(drop, rel=1e-13)
    assert beta * drop == pytest.approx(x, rel=8 * EPS * (1 + 4 / x))  # as exactly as drop and budget say it


def test_beta_is_exact_where_the_budget_is() -> None:
    """With T − u a double, nothing is lost however small βu is: x = 4g − (16/3)g² + (80/9)g³ − …, g = T/u − 1."""
    gaps = 2.0 ** np.arange(-50, -12)
    expected = 4 * gaps - 16 / 3 * gaps**2 + 80 / 9 * gaps**3
    np.testing.assert_allclose(beta_for(np.ones_like(gaps), 1 + gaps), expected, rtol=1e-10)


@pytest.mark.parametrize("x", [700.0, 1000.0])
def test_no_overflow_where_the_budget_over_the_drop_does(x: float) -> None:
    drop = 1e-280
    budget = math.exp(x + math.log(drop) - math.log(2 * x))
    beta = float(beta_for(drop, budget))
    assert beta * drop == pytest.approx(x, rel=1e-12)
    assert float(drop_at(beta, budget)) == pytest.approx(drop, rel=1e-12)


@given(beta=decades, budget=decades)
def test_every_drop_has_its_beta_and_none_is_beyond_gradient_ascent(beta: float, budget: float) -> None:
    drop = float(drop_at(beta, budget))
    assert 0 < drop <= budget
    k = 4 / (beta * drop) + 1
    assert float(beta_for(drop, budget)) == pytest.approx(beta, rel=16 * EPS * k, abs=16 * EPS / drop)


def test_gradient_ascent_drops_its_budget_and_more_is_not_reached() -> None:
    assert float(drop_at(0.0, 123.0)) == 123.0
    np.testing.assert_array_equal(np.isnan(beta_for(np.array([1.0, 2.0, 3.0]), 2.0)), [False, False, True])
    assert float(beta_for(2.0, 2.0)) == 0.0


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_what_is_no_drop_or_budget_is_refused(wrong: float) -> None:
    with pytest.raises(HypothesisError, match=r"A wanted drop must be positive and finite"):
        beta_for(np.array([1.0, wrong]), 2.0)
    with pytest.raises(HypothesisError, match=r"A budget must be positive and finite"):
        drop_at(1.0, wrong)
    if wrong:
        with pytest.raises(HypothesisError, match=r"β must be finite and at least 0"):
            drop_at(wrong, 1.0)


@given(x=st.floats(-3, 2.5).map(lambda log: 10**log), drop=decades)
def test_the_elasticities_are_those_of_autograd(x: float, drop: float) -> None:
    """Of G(log u, log β, log T) = log F(u, β) − log T = 0, by the implicit function theorem."""
    logs = torch.tensor([math.log(drop), math.log(x / drop)], dtype=torch.float64, requires_grad=True)
    u, beta = logs.exp()
    torch.log(0.5 * (u + torch.expm1(beta * u) / beta)).backward()
    by_u, by_beta = logs.grad.tolist()
    at = sharpness(x)
    assert float(at.drop_by_beta) == pytest.approx(-by_beta / by_u, rel=1e-9, abs=1e-11)
    assert float(at.beta_by_drop) == pytest.approx(-by_u / by_beta, rel=1e-9)
    assert float(at.beta_by_budget) == pytest.approx(1 / by_beta, rel=1e-9)


def test_the_elasticities_are_those_of_finite_differences() -> None:
    drop, budget, h = 356.0, 1.7e4, 1e-5
    beta = float(beta_for(drop, budget))
    at = sharpness(beta * drop)

    def slope(up: np.ndarray, down: np.ndarray) -> float:
        return float(np.log(up / down)) / (2 * h)

    up, down = math.exp(h), math.exp(-h)
    assert slope(drop_at(beta * up, budget), drop_at(beta * down, budget)) == pytest.approx(float(at.drop_by_beta))
    assert slope(beta_for(drop * up, budget), beta_for(drop * down, budget)) == pytest.approx(float(at.beta_by_drop))
    assert slope(beta_for(drop, budget * up), beta_for(drop, budget * down)) == pytest.approx(float(at.beta_by_budget))


def test_the_ends_of_the_choice() -> None:
    """Near gradient ascent β hardly matters; far from it β goes as 1/u, whatever the budget."""
    near, far = sharpness(1e-9), sharpness(1e3)
    assert float(near.drop_by_beta) == pytest.approx(-0.25e-9)
    assert float(far.drop_by_beta) == pytest.approx(-0.999)
    assert float(far.beta_by_budget) == pytest.approx(0.001, rel=0.01)
