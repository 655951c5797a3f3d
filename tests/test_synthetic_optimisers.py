"""Other optimisers and minibatches: plain ones are the engine, the others are what their definition says."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from records.errors import UserError
from synthetic.logistic import Problem, problem_from_arrays, unlearn
from synthetic.logistic.gaussians import draw
from synthetic.logistic.optimisers import unlearn_with
from synthetic.logistic.slopes import gradient
from theory.objective import compose, method
from theory.optimizers.named import made

SGD = torch.optim.SGD


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_from_arrays(**vars(draw(alpha=1.0, seed=3, n_retain=60, n_eval=30, n_forget=24)), fit_steps=300)


@pytest.mark.parametrize("name", ["NPO+RT", "DPO+KL", "KTO"])
def test_sgd_on_all_rows_is_the_engine(problem: Problem, name: str) -> None:
    objective = method(name, beta=0.5)
    ours = unlearn(problem, objective, lr=0.02, steps=30, every=10)
    for batch in (None, 24):  # a batch of all forget rows draws 24 of the retain rows, so only KTO is the same then
        if batch and name != "KTO":
            continue
        theirs = unlearn_with(problem, objective, partial(SGD, lr=0.02), steps=30, every=10, batch=batch)
        for column, values in ours.arrays().items():
            np.testing.assert_allclose(theirs.arrays()[column], values, atol=1e-12)


def test_momentum_is_its_recursion(problem: Problem) -> None:
    objective = method("NPO+RT", beta=1.0)
    slope, theta, velocity = gradient(problem, objective), problem.theta_ref, 0.0
    for _ in range(20):
        velocity = 0.9 * velocity + slope(theta)
        theta = theta - 0.01 * velocity
    path = unlearn_with(problem, objective, partial(SGD, lr=0.01, momentum=0.9), steps=20, every=20)
    assert path.reference_distance[-1] == pytest.approx(np.linalg.norm(theta - problem.theta_ref), abs=1e-12)


def test_an_epoch_of_batches_sees_every_forget_row_once(problem: Problem) -> None:
    seen: list[float] = []

    def own(logp: torch.Tensor) -> torch.Tensor:
        seen.extend(logp.detach().tolist())
        return 0 * logp  # so that θ stays where it is

    unlearn_with(problem, compose(own), partial(SGD, lr=1.0), steps=3, every=3, batch=8)
    z = (2 * problem.y_forget - 1) * (problem.H_forget @ problem.theta_ref)
    np.testing.assert_allclose(sorted(seen), sorted(-np.log1p(np.exp(-z))), atol=1e-12)


def test_the_seed_decides_the_batches_and_nothing_global_is_seeded(problem: Problem) -> None:
    run = partial(unlearn_with, problem, method("NPO", beta=1.0), partial(torch.optim.Adam, lr=0.01), steps=9, every=3)
    state = torch.get_rng_state()
    one, again, other = (run(batch=5, seed=s).reference_distance for s in (1, 1, 2))
    assert (torch.get_rng_state() == state).all()
    assert (one == again).all()
    assert (one[1:] != other[1:]).all()
    assert (np.diff(one) > 0).all()


def test_a_diverged_run_is_marked_and_mistakes_are_told(problem: Problem) -> None:
    path = unlearn_with(problem, method("GA"), partial(SGD, lr=1e308), steps=20, every=5)
    assert path.diverged_at == 5
    with pytest.raises(UserError, match=r"every ≥ 1 are needed.* batch must be from 1 to the 24 forget rows, got 25"):
        unlearn_with(problem, method("GA"), SGD, steps=2, every=0, batch=25)


# --- SAM ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["NPO+RT", "GA"])
def test_sam_takes_the_forget_gradient_nearby_and_the_retain_gradient_here(problem: Problem, name: str) -> None:
    objective = method(name, beta=0.5) if "NPO" in name else method(name)
    theta, rho = problem.theta_ref, 0.4
    found = unlearn_with(problem, objective, partial(made, "SAM", lr=0.02, rho=rho, base="SGD"), steps=1, every=1)
    forget = gradient(problem, replace(objective, retain=None))
    there = forget(theta + rho * forget(theta) / np.linalg.norm(forget(theta)))
    retain = gradient(problem, objective)(theta) - forget(theta)
    assert found.reference_distance[1] == pytest.approx(0.02 * np.linalg.norm(there + retain), rel=1e-12)
    assert abs(np.linalg.norm(there) - np.linalg.norm(forget(theta))) > 1e-6


def test_on_one_row_sam_is_a_shift_of_the_margin(problem: Problem) -> None:
    """V(m) becomes V(m shifted by ρ‖h‖): the loss rises with the label's margin, and there it is taken."""
    one = replace(problem, H_forget=problem.H_forget[:1], y_forget=problem.y_forget[:1], y_idk=problem.y_idk[:1])
    objective, rho, h = method("NPO", beta=0.5), 0.7, problem.H_forget[0]
    found = unlearn_with(one, objective, partial(made, "SAM", lr=1.0, rho=rho, base="SGD"), steps=1, every=1)
    sign = 2 * one.y_forget[0] - 1
    shifted = one.theta_ref + sign * rho * h / np.linalg.norm(h)
    assert sign * (shifted - one.theta_ref) @ h == pytest.approx(rho * np.linalg.norm(h))
    assert found.reference_distance[1] == pytest.approx(np.linalg.norm(gradient(one, objective)(shifted)), rel=1e-12)
