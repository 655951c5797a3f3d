"""One formula for all methods: against the gradient weights, and the compiled loop against its numpy form."""

import dataclasses
import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from synthetic.logistic import columns as module
from synthetic.logistic.columns import closed, march, step
from synthetic.logistic.problem import Problem
from synthetic.logistic.rows import SharedRows, columns
from synthetic.logistic.slopes import gradient
from theory import losses
from theory.objective import METHODS, Objective, compose, method, tokens


def _problem(seed: int, n_forget: int, n_retain: int, features: int, scale: float = 1.0) -> Problem:
    rng = np.random.default_rng(seed)

    def labels(n: int) -> np.ndarray:
        return rng.integers(0, 2, size=n).astype(float)

    return Problem(
        H_forget=rng.normal(size=(n_forget, features)),
        y_forget=labels(n_forget),
        H_retain=rng.normal(size=(n_retain, features)),
        y_retain=labels(n_retain),
        H_eval_forget=rng.normal(size=(3, features)),
        H_eval_retain=rng.normal(size=(3, features)),
        y_idk=labels(n_forget),
        theta_ref=scale * rng.normal(size=features),
        theta_retrain=rng.normal(size=features),
    )


def _rows(p: Problem) -> SharedRows:
    p_ref = expit(p.H_retain @ p.theta_ref)
    return SharedRows(p.H_forget, p.y_forget, p.y_idk, p.H_forget @ p.theta_ref, p.H_retain, p.y_retain, p_ref)


def _objective(name: str, beta: float = 0.7, **weights: float) -> Objective:
    return method(name, **weights) if name.startswith(("GA", "IDK")) else method(name, beta=beta, **weights)


@pytest.mark.parametrize("name", METHODS)
def test_the_formula_is_that_of_the_gradient_weights(name: str) -> None:
    p, lr = _problem(1, 7, 9, 5), 0.3
    weights = {"forget_weight": 1.7} | ({"retain_weight": 0.4} if "+" in name else {})
    objective = _objective(name, **weights)
    numbers = closed(objective, lr, 7, 9)
    assert numbers is not None, f"synthetic/logistic/columns.py has no line for the loss of {name}"
    theta = p.theta_ref + np.random.default_rng(0).normal(size=5)
    moved = step(_rows(p), columns(numbers), theta[None])[0]
    np.testing.assert_allclose(moved, theta - lr * gradient(p, objective)(theta), atol=1e-14)


def test_prefactor_and_reduction_are_in_the_numbers() -> None:
    p, theta = _problem(2, 6, 4, 5), np.ones(5)
    dpo = compose(losses.dpo, losses.nll, beta=0.5, prefactor=1.0)
    per_token = dataclasses.replace(_objective("NPO+RT"), forget_per=tokens, retain_per=tokens)
    for objective in (dpo, per_token):
        numbers = closed(objective, 1.0, 6, 4)
        assert numbers is not None
        moved = step(_rows(p), columns(numbers), theta[None])[0]
        np.testing.assert_allclose(moved, theta - gradient(p, objective)(theta), atol=1e-14)


def test_what_the_formula_does_not_cover_is_left_to_the_gradient_weights() -> None:
    def own(logp: torch.Tensor) -> torch.Tensor:
        return logp

    kto = _objective("KTO")
    others = (
        compose(own),
        compose(losses.ga, own),
        dataclasses.replace(kto, z_ref=lambda kl_to_ref: 0 * kl_to_ref.mean()),
        dataclasses.replace(kto, z_ref_floor=0.5),
        dataclasses.replace(kto, z_ref=_objective("KTO", beta=0.1).z_ref),
    )
    assert [closed(objective, 1.0, 2, 2) for objective in others] == [None] * 5


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 11), st.integers(1, 6)),
    names=st.lists(st.sampled_from(METHODS), min_size=1, max_size=6),
    beta=st.floats(0.05, 5.0),
    scale=st.sampled_from([1.0, 30.0]),
)
def test_the_compiled_loop_is_the_numpy_form(
    seed: int, shape: tuple[int, int, int], names: list[str], beta: float, scale: float
) -> None:
    p = _problem(seed, *shape, scale)
    found = [closed(_objective(name, beta), 0.02 * (k + 1), *shape[:2]) for k, name in enumerate(names)]
    c = columns(*(numbers for numbers in found if numbers is not None))
    theta = np.tile(p.theta_ref, (len(names), 1))
    fast, slow = (march(_rows(p), c, theta, 5, compiled=compiled) for compiled in (True, False))
    np.testing.assert_allclose(fast, slow, atol=1e-11 * scale)
    assert (theta == p.theta_ref).all()  # neither works in place


@pytest.mark.parametrize("compiled", [True, False])
def test_huge_margins_give_finite_steps(compiled: bool) -> None:
    p = _problem(3, 5, 5, 4, 1e6)
    numbers = [closed(_objective(name), 1e-3, 5, 5) for name in METHODS]
    c = columns(*(n for n in numbers if n is not None))
    theta = np.tile(-p.theta_ref, (len(METHODS), 1))
    assert np.isfinite(march(_rows(p), c, theta, 3, compiled=compiled)).all()


def test_without_numba_the_numpy_form_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_compiled", lambda: None)
    p = _problem(4, 3, 3, 4)
    c, theta = columns(*filter(None, [closed(_objective("NPO+RT"), 0.1, 3, 3)])), p.theta_ref[None]
    assert (march(_rows(p), c, theta, 1) == step(_rows(p), c, theta)).all()


def test_where_numba_is_there_it_is_used() -> None:
    assert (module._compiled() is None) == (importlib.util.find_spec("numba") is None)
