"""K classes: two of them are the paper's problem, three agree with autograd, and names of classes do not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import UserError
from synthetic.logistic import problem_from_arrays, unlearn
from synthetic.logistic.gaussians import Sample, draw
from synthetic.logistic.softmax import SoftmaxProblem, draw_classes, softmax_problem_from_arrays, unlearn_softmax
from theory.objective import METHODS, Objective, method, needs

SIZES = {"n_forget": 20, "n_retain": 40, "n_eval": 25, "features": 12, "d": 5}


def _objective(name: str) -> Objective:
    return method(name) if name.startswith(("GA", "IDK")) else method(name, beta=0.7)


@pytest.fixture(scope="module")
def three() -> SoftmaxProblem:
    return softmax_problem_from_arrays(
        classes=3, **vars(draw_classes(classes=3, alpha=1.0, seed=0, **SIZES)), fit_steps=200
    )


@pytest.mark.parametrize("name", METHODS)
def test_two_classes_at_half_the_step_are_the_binary_problem(name: str) -> None:
    sample = vars(draw(alpha=1.0, seed=5, **SIZES))
    binary = problem_from_arrays(**sample, fit_steps=200)
    double = softmax_problem_from_arrays(classes=2, **sample, fit_steps=200)
    np.testing.assert_allclose(double.theta_ref[1] - double.theta_ref[0], binary.theta_ref, atol=1e-13)
    one = unlearn(binary, _objective(name), lr=0.05, steps=40, every=10)
    two = unlearn_softmax(double, _objective(name), lr=0.025, steps=40, every=10)
    for column in ("steps", "forget_distance", "retain_distance", "forget_kl", "retain_kl"):
        np.testing.assert_allclose(two.arrays()[column], one.arrays()[column], atol=1e-12)
    np.testing.assert_allclose(np.sqrt(2) * two.reference_distance, one.reference_distance, atol=1e-12)


def _by_autograd(p: SoftmaxProblem, objective: Objective, lr: float, steps: int) -> np.ndarray:
    ref, H, K = torch.tensor(p.theta_ref), torch.tensor(p.H_forget), torch.tensor(p.H_retain)

    def quantities(x: torch.Tensor, theta: torch.Tensor, y: np.ndarray) -> dict[str, torch.Tensor]:
        z, z_ref = x @ theta.T, x @ ref.T
        at = torch.arange(len(x)), torch.tensor(y)
        return {
            "logp": z.log_softmax(1)[at],
            "ref_logp": z_ref.log_softmax(1)[at],
            "logits": z,
            "ref_logits": z_ref,
        }

    theta = ref.clone().requires_grad_()
    for _ in range(steps):
        forget, win = quantities(H, theta, p.y_forget), quantities(H, theta, p.y_idk)
        forget |= {"logp_win": win["logp"], "ref_logp_win": win["ref_logp"]}
        if "z_ref" in needs(objective.forget):
            q, r = forget["logits"].log_softmax(1), forget["ref_logits"].log_softmax(1)
            forget["z_ref"] = 0.7 * (q.exp() * (q - r)).sum(1).mean().detach()
        (grad,) = torch.autograd.grad(objective(forget, quantities(K, theta, p.y_retain)).total, theta)
        theta = (theta - lr * grad).detach().requires_grad_()
    return theta.detach().numpy()


@pytest.mark.parametrize("name", METHODS)
def test_three_classes_are_what_autograd_gives(three: SoftmaxProblem, name: str) -> None:
    theta = _by_autograd(three, _objective(name), 0.05, 30)
    path = unlearn_softmax(three, _objective(name), lr=0.05, steps=30, every=30)
    assert path.reference_distance[-1] == pytest.approx(np.linalg.norm(theta - three.theta_ref), abs=1e-11)
    assert path.parameter_distance[-1] == pytest.approx(np.linalg.norm(theta - three.theta_retrain), abs=1e-11)
    p, q = (torch.tensor(three.H_eval_retain @ t.T).log_softmax(1) for t in (three.theta_retrain, theta))
    assert path.retain_distance[-1] == pytest.approx(float((p.exp() * (p - q)).sum(1).mean()), abs=1e-11)


@settings(max_examples=10)
@given(order=st.permutations([0, 1, 2]))
def test_names_of_classes_do_not_matter(three: SoftmaxProblem, order: list[int]) -> None:
    new = np.argsort(order)  # class k is now called new[k]
    labels = {name: new[getattr(three, name)] for name in ("y_forget", "y_retain", "y_idk")}
    thetas = {name: getattr(three, name)[order] for name in ("theta_ref", "theta_retrain")}
    renamed = SoftmaxProblem(**{**vars(three), **labels, **thetas})
    one, two = (unlearn_softmax(p, _objective("DPO+RT"), lr=0.05, steps=10, every=5) for p in (three, renamed))
    for column, values in one.arrays().items():
        np.testing.assert_allclose(two.arrays()[column], values, atol=1e-12)


def test_two_classes_have_the_paper_s_law() -> None:
    many = {**SIZES, "n_forget": 4000, "n_retain": 4000}
    ours, theirs = draw_classes(classes=2, alpha=1.0, seed=0, **many), draw(alpha=1.0, seed=0, **many)
    assert (ours.X_forget == theirs.X_forget).all()
    for name in ("y_forget", "y_retain"):
        assert getattr(ours, name).mean() == pytest.approx(getattr(theirs, name).mean(), abs=0.04)
    score = (ours.X_forget - 1).sum(axis=1)
    assert np.corrcoef(score, ours.y_forget)[0, 1] == pytest.approx(np.corrcoef(score, theirs.y_forget)[0, 1], abs=0.06)


def test_noise_makes_other_classes_of_training_labels_alone() -> None:
    many = {**SIZES, "n_forget": 1000}
    clean, some, all_ = (draw_classes(classes=3, alpha=1.0, seed=0, label_noise=x, **many) for x in (0.0, 0.2, 1.0))
    assert (clean.y_forget != some.y_forget).mean() == pytest.approx(0.2, abs=0.04)
    assert (clean.y_forget != all_.y_forget).all()
    assert set(all_.y_forget) == {0, 1, 2}
    assert (clean.y_idk == all_.y_idk).all()
    assert (clean.X_forget == all_.X_forget).all()


def test_mistakes_are_told(three: SoftmaxProblem) -> None:
    sample: Sample = draw_classes(classes=3, alpha=1.0, seed=0, **SIZES)
    with pytest.raises(UserError, match=r"y_forget holds labels outside \{0, 1\}"):
        softmax_problem_from_arrays(classes=2, **vars(sample))
    with pytest.raises(UserError, match="classes must be at least 2, got 1"):
        draw_classes(classes=1, alpha=1.0, seed=0)
    with pytest.raises(UserError, match="unlearn needs lr > 0"):
        unlearn_softmax(three, method("GA"), lr=-1.0, steps=1, every=1)
    assert unlearn_softmax(three, method("GA"), lr=1e308, steps=20, every=5).diverged_at == 5
