"""The logistic engine against the obvious implementation, its columns, its refusals."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import UserError
from records.store import load
from synthetic.logistic import (
    Problem,
    fit,
    load_trajectories,
    problem_from_arrays,
    save_trajectories,
    unlearn,
    unlearn_together,
)
from synthetic.logistic.gaussians import draw
from synthetic.logistic.presets import FULL, QUICK, REPRODUCE, table_1
from synthetic.logistic.units import units
from theory.logprobs import from_margins
from theory.objective import METHODS, Objective, compose, method, needs


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_from_arrays(**vars(draw(alpha=1.0, seed=3, n_retain=120, n_eval=50, n_forget=40)), fit_steps=500)


def _beta(name: str) -> dict[str, float]:
    return {} if name.startswith(("GA", "IDK")) else {"beta": 0.7}


def _obvious(problem: Problem, objective: Objective, lr: float, steps: int) -> np.ndarray:
    """θ after unlearning, by autograd through the objective, everything computed anew at every step."""
    tensors = {name: torch.tensor(x) for name, x in vars(problem).items()}
    ref = tensors["theta_ref"]

    def quantities(theta: torch.Tensor, H: str, y: str) -> dict[str, torch.Tensor]:
        signs, label = 2 * tensors[y] - 1, tensors[H]
        z, z_ref = label @ theta, label @ ref
        zero = torch.zeros_like(z)
        return {
            "logp": from_margins(signs * z),
            "ref_logp": from_margins(signs * z_ref),
            "logits": torch.stack([zero, z], dim=1),
            "ref_logits": torch.stack([zero, z_ref], dim=1),
        }

    theta = ref.clone().requires_grad_()
    for _ in range(steps):
        forget, win = quantities(theta, "H_forget", "y_forget"), quantities(theta, "H_forget", "y_idk")
        forget |= {"logp_win": win["logp"], "ref_logp_win": win["ref_logp"]}
        if "z_ref" in needs(objective.forget):
            p, q = forget["logits"].softmax(1), forget["ref_logits"].softmax(1)
            forget["z_ref"] = 0.7 * (p * (p.log() - q.log())).sum(1).mean().detach()
        total = objective(forget, quantities(theta, "H_retain", "y_retain")).total
        (grad,) = torch.autograd.grad(total, theta)
        theta = (theta - lr * grad).detach().requires_grad_()
    return theta.detach().numpy()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_equals_the_obvious_implementation(problem: Problem, name: str) -> None:
    objective = method(name, **_beta(name))
    path = unlearn(problem, objective, lr=0.05, steps=100, every=100)
    theta = _obvious(problem, objective, 0.05, 100)
    assert path.reference_distance[-1] == pytest.approx(np.linalg.norm(theta - problem.theta_ref), abs=1e-10)
    assert path.parameter_distance[-1] == pytest.approx(np.linalg.norm(theta - problem.theta_retrain), abs=1e-10)
    z, z_retr = problem.H_eval_forget @ theta, problem.H_eval_forget @ problem.theta_retrain
    p, q = 1 / (1 + np.exp(-z_retr)), 1 / (1 + np.exp(-z))
    expected = np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    assert path.forget_distance[-1] == pytest.approx(expected, abs=1e-9)


def test_an_objective_of_ones_own(problem: Problem) -> None:
    def own(logp: torch.Tensor, ref_logp: torch.Tensor, *, beta: float) -> torch.Tensor:
        return 2 / beta * torch.log1p(torch.exp(beta * (logp - ref_logp)))

    mine = unlearn(problem, compose(own, beta=0.5), lr=0.02, steps=50, every=10)
    theirs = unlearn(problem, method("NPO", beta=0.5), lr=0.02, steps=50, every=10)
    for name, column in mine.arrays().items():
        np.testing.assert_allclose(column, theirs.arrays()[name], atol=1e-12)


def test_columns_are_float64_and_start_before_the_first_step(problem: Problem) -> None:
    path = unlearn(problem, method("GA"), lr=1e-3, steps=7, every=3)
    assert path.steps.tolist() == [0, 3, 6, 7]
    assert all(column.dtype == np.float64 and len(column) == 4 for column in path.arrays().values())
    assert path.forget_kl[0] == path.retain_kl[0] == path.reference_distance[0] == 0
    assert path.parameter_distance[0] == pytest.approx(np.linalg.norm(problem.theta_ref - problem.theta_retrain))


def test_huge_steps_stay_finite(problem: Problem) -> None:
    path = unlearn(problem, method("GA"), lr=1e6, steps=50, every=10)
    assert all(np.isfinite(column).all() for column in path.arrays().values())
    assert path.forget_distance[-1] > 1e3


def test_a_diverged_run_keeps_its_history(problem: Problem) -> None:
    path = unlearn(problem, method("GA"), lr=1e308, steps=50, every=1)
    assert 1 <= len(path.steps) < 51
    assert path.diverged_at == path.steps[-1] + 1
    assert all(np.isfinite(column).all() for column in path.arrays().values())


def test_the_end_is_the_last_step_and_no_gradient_is_taken_after_it(problem: Problem) -> None:
    calls = []

    def own(logp: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return logp

    path = unlearn(problem, compose(own), lr=1e-3, steps=40, every=25)
    assert path.steps.tolist() == [0, 25, 40]
    assert len(calls) == 40
    assert unlearn(problem, compose(own), lr=1e-3, steps=0, every=25).steps.tolist() == [0]


def test_an_estimator_of_ones_own_for_the_reference_point_is_kept(problem: Problem) -> None:
    def nothing(kl_to_ref: torch.Tensor) -> torch.Tensor:
        return 0 * kl_to_ref.mean()

    kto = dataclasses.replace(method("KTO", beta=0.7), z_ref=nothing)
    mine = unlearn(problem, kto, lr=0.02, steps=50, every=10)
    npo = unlearn(problem, method("NPO", beta=0.7), lr=0.02, steps=50, every=10)
    np.testing.assert_allclose(mine.forget_distance, npo.forget_distance, atol=1e-12)  # KTO with z_ref = 0 is NPO


def test_inputs_that_overflow_are_told() -> None:
    arrays = vars(draw(alpha=1e308, seed=0, n_forget=5, n_retain=5, n_eval=5))
    with pytest.raises(UserError, match="Fitting π_ref and π_retr diverged: scale the inputs down"):
        problem_from_arrays(**arrays, fit_steps=10)
    with pytest.raises(UserError, match=r"W has shape \(3,\): a matrix"):
        problem_from_arrays(**{**arrays, "W": np.ones(3)})


def test_fit_is_gradient_descent_on_the_mean_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    H, y = rng.normal(size=(30, 4)), rng.integers(0, 2, size=30).astype(float)
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    for _ in range(200):
        loss = -from_margins(torch.tensor(2 * y - 1) * (torch.tensor(H) @ theta)).mean()
        (grad,) = torch.autograd.grad(loss, theta)
        theta = (theta - 0.05 * grad).detach().requires_grad_()
    np.testing.assert_allclose(fit(H, y, steps=200), theta.detach().numpy(), atol=1e-13)


def test_the_data_is_that_of_the_paper() -> None:
    sample = draw(alpha=1.0, seed=0)
    assert sample.W.shape == (128, 16)
    assert (len(sample.X_forget), len(sample.X_retain), len(sample.X_eval_forget)) == (200, 1000, 1000)
    assert sample.X_forget.mean() == pytest.approx(1.0, abs=0.1)
    assert sample.X_retain.mean() == pytest.approx(-1.0, abs=0.05)
    assert sample.W.var() == pytest.approx(1 / 16, rel=0.1)
    assert 0.55 < sample.y_forget.mean() < 0.85  # E σ(N(0,1) + 1) = 0.69
    assert 0.2 < sample.y_retain.mean() < 0.4
    assert 0.35 < sample.y_idk.mean() < 0.65
    again, other = draw(alpha=1.0, seed=0), draw(alpha=1.0, seed=1)
    assert all((a == b).all() for a, b in zip(vars(sample).values(), vars(again).values(), strict=True))
    assert (sample.X_forget != other.X_forget).any()
    state = torch.get_rng_state()
    draw(alpha=0.0, seed=5)
    assert (torch.get_rng_state() == state).all()  # nothing global is seeded


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_order_of_the_rows_does_not_matter(problem: Problem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(problem.y_forget))
    arrays = dict(vars(problem))
    shuffled = Problem(**arrays | {k: arrays[k][order] for k in ("H_forget", "y_forget", "y_idk")})
    objective = method("DPO+RT", beta=0.3)
    one, two = (unlearn(p, objective, lr=0.01, steps=20, every=20) for p in (problem, shuffled))
    np.testing.assert_allclose(one.forget_distance, two.forget_distance, atol=1e-12)


def test_every_mistake_in_the_arrays_is_named() -> None:
    good = vars(draw(alpha=1.0, seed=0, n_forget=5, n_retain=5, n_eval=5))
    bad = {
        **good,
        "y_forget": np.array([0, 1, 2, 0, 1.0]),
        "X_retain": good["X_retain"][:, :3],
        "y_idk": good["y_idk"][:2],
        "X_eval_forget": np.where(good["X_eval_forget"] > 0, np.nan, 0.0),
    }
    with pytest.raises(UserError) as caught:
        problem_from_arrays(**bad)
    text = str(caught.value)
    assert "y_forget holds labels outside {0, 1}" in text
    assert "X_retain has shape (5, 3): a non-empty matrix with 16 columns" in text
    assert "y_idk has shape (2,), X_forget has (5, 16)" in text
    assert "X_eval_forget holds NaN" in text


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"lr": np.inf}, {"steps": -1}, {"every": 0}])
def test_unlearn_refuses(problem: Problem, wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="unlearn needs lr > 0"):
        unlearn(problem, method("GA"), **{"lr": 1e-3, "steps": 5, "every": 1, **wrong})


def test_presets_run_the_paper_s_settings() -> None:
    rows = {alpha: {s.method: (s.lr, s.beta) for s in table_1(alpha) if not s.ours} for alpha in (1.0, 0.0)}
    assert rows[1.0] == {
        "GA": (5e-4, None),
        "GA+RT": (5e-4, None),
        "IDK+RT": (5e-4, None),
        "NPO": (5e-3, 1.0),
        "NPO+RT": (5e-3, 1.0),
        "DPO+RT": (5e-3, 0.1),
    }
    assert rows[0.0] == {
        "GA": (1e-4, None),
        "GA+RT": (1e-4, None),
        "IDK+RT": (1e-4, None),
        "NPO": (5e-2, 10.0),
        "NPO+RT": (5e-2, 10.0),
        "DPO+RT": (5e-2, 5.0),
    }
    assert tuple(s.method for s in table_1(1.0)) == METHODS
    for preset in (FULL, REPRODUCE):
        assert (preset.fit_steps, preset.steps, preset.every, len(preset.seeds)) == (20_000, 2000, 25, 5)
        assert (preset.figure3_lr, preset.figure3_steps, preset.figure3_every) == (5e-4, 10_000, 5)
    assert FULL.long_steps == 1_000_000
    names = [{u.name for u in units(p)} for p in (QUICK, REPRODUCE, FULL)]
    assert names[0] < names[1] < names[2]


def _runs(problem: Problem) -> dict[str, tuple[Objective, float]]:
    return {f"{m} {lr}": (method(m, **_beta(m)), lr) for m in METHODS for lr in (1e-3, 0.2)}


@pytest.mark.parametrize("compiled", [True, False])
def test_runs_that_go_together_are_those_that_go_alone(problem: Problem, compiled: bool) -> None:
    runs = _runs(problem)
    together = unlearn_together(problem, runs, at=[0, 7, 40], compiled=compiled)
    for label, (objective, lr) in runs.items():
        alone = unlearn(problem, objective, lr=lr, steps=40, every=40)
        for name, column in alone.arrays().items():
            np.testing.assert_allclose(together[label].arrays()[name][[0, -1]], column, atol=1e-12, rtol=1e-12)


def test_a_run_that_diverges_stops_alone(problem: Problem) -> None:
    runs = {"wild": (method("GA+RT"), 1e308), "tame": (method("NPO+RT", beta=1.0), 0.01)}
    found = unlearn_together(problem, runs, at=[0, 5, 10])
    assert found["wild"].diverged_at == 5
    assert found["wild"].steps.tolist() == [0]
    alone = unlearn(problem, *runs["tame"][:1], lr=0.01, steps=10, every=5)
    assert found["tame"].diverged_at is None
    np.testing.assert_allclose(found["tame"].forget_distance, alone.forget_distance, atol=1e-14)


def test_trajectories_save_and_reload(problem: Problem, tmp_path: Path) -> None:
    runs = {"a/b.py:f+rt": (method("GA"), 1e308), "NPO": (method("NPO", beta=1.0), 0.01)}
    found = unlearn_together(problem, runs, at=[0, 3])
    save_trajectories(tmp_path, found, {"seed": 3})
    again = load_trajectories(tmp_path)
    assert list(again) == list(found)
    for label, path in found.items():
        assert again[label].diverged_at == path.diverged_at
        assert all(np.array_equal(x, again[label].arrays()[n]) for n, x in path.arrays().items())
    assert load(tmp_path).values["seed"] == 3


def test_another_implementation_comes_out_equal_over_2000_steps() -> None:
    """Sigmoids and sums written out, against problem_from_arrays and unlearn: NPO+RT at Table 1's values."""
    arrays = vars(draw(alpha=1.0, seed=11, n_retain=300, n_eval=100))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    H = {k[2:]: np.maximum(x @ arrays["W"].T, 0) for k, x in arrays.items() if k.startswith("X_")}
    thetas = []
    for sets in (("forget", "retain"), ("retain",)):
        X, y = (np.concatenate(x) for x in zip(*((H[s], arrays[f"y_{s}"]) for s in sets), strict=True))
        theta = np.zeros(128)
        for _ in range(2000):
            theta = theta + 0.05 * X.T @ (y - sigmoid(X @ theta)) / len(y)
        thetas.append(theta)
    ref, retrain = thetas
    y, theta = arrays["y_forget"], ref.copy()
    p_ref = np.where(y == 1, sigmoid(H["forget"] @ ref), 1 - sigmoid(H["forget"] @ ref))
    for _ in range(2000):
        q, kept = sigmoid(H["forget"] @ theta), sigmoid(H["retain"] @ theta)
        p = np.where(y == 1, q, 1 - q)
        slope = 2 * p / (p + p_ref) * (y - q)  # W_β at β = 1
        theta = theta - 5e-3 * (H["forget"].T @ slope / 200 + H["retain"].T @ (kept - arrays["y_retain"]) / 300)
    a, b = sigmoid(H["eval_forget"] @ retrain), sigmoid(H["eval_forget"] @ theta)
    distance = np.mean(a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b)))
    problem = problem_from_arrays(**arrays, fit_steps=2000)
    path = unlearn(problem, method("NPO+RT", beta=1.0), lr=5e-3, steps=2000, every=500)
    assert path.forget_distance[-1] == pytest.approx(distance, abs=1e-9)
    assert path.reference_distance[-1] == pytest.approx(np.linalg.norm(theta - ref), abs=1e-9)
    assert path.parameter_distance[-1] == pytest.approx(np.linalg.norm(theta - retrain), abs=1e-9)
