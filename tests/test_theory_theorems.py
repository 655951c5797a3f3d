"""Theorems against numbers: bounds on drawn instances, rates by fitted slopes, refusals with remedies."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from unchecked import unchecked

from theory.losses import npo, npo_weight
from theory.theorems.catalogue import CATALOGUE
from theory.theorems.paper.divergence import THEOREM_2_GA, THEOREM_2_NPO, Divergence, build, constants, coupling
from theory.theorems.paper.ga_limit import PROPOSITION_1, PROPOSITION_1_WEIGHT, LogRatios, log_cosh, loss_gap, rate
from theory.theorems.paper.gradient_weight import BOUNDED_BELOW, GRADIENT_WEIGHT, PROPOSITION_1_GRADIENT, Gradients
from theory.theorems.paper.instance_constants import INSTANCE_GA, INSTANCE_NPO
from theory.theorems.paper.margins import LinearLogistic, drop, log_grid, simulate
from theory.theorems.paper.slips import SLIPS, Slip
from theory.theorems.theorem import Bounds, HypothesisError, Measurement
from theory.theorems.time.flows import ga_margin, ga_time, npo_asymptote, npo_margin, npo_time, npo_time_at_beta_one

FEWER = settings(max_examples=max(8, settings.default.max_examples // 2))  # each simulates or integrates for long

# --- Proposition 1 --------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8), st.floats(-12, 3))
def test_proposition_1_holds(ratios: list[float], log_beta: float) -> None:
    instance = LogRatios(np.array(ratios), np.array([10.0**log_beta]))
    assert PROPOSITION_1.check(instance).holds
    assert PROPOSITION_1_WEIGHT.check(instance).holds


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(-1, 1))
def test_the_gap_is_that_of_the_kernels(ratios: list[float], log_beta: float) -> None:
    beta, R = 10.0**log_beta, torch.tensor(ratios, dtype=torch.float64)
    direct = npo(R, torch.zeros_like(R), beta=beta).mean() - 2 / beta * np.log(2) - R.mean()
    assert loss_gap(R.numpy(), np.array([beta]))[0] == pytest.approx(float(direct), abs=1e-10)
    gap = (npo_weight(R, torch.zeros_like(R), beta=beta) - 1).abs().numpy()
    measured = PROPOSITION_1_WEIGHT.measure(LogRatios(R.numpy(), np.array([beta]))).value[0]
    np.testing.assert_allclose(measured, gap, atol=1e-14)


def test_the_limit_is_first_order_down_to_rounding() -> None:
    betas = np.geomspace(1e-12, 1e-3, 40)
    gap = loss_gap(np.array([-3.0, 0.5, 20.0]), betas)
    assert rate(betas, gap) == pytest.approx(1, abs=1e-3)
    assert gap[0] == pytest.approx(1e-12 * np.mean([9, 0.25, 400]) / 4, rel=1e-9)  # βR²/4


@given(st.floats(-700, 700))
def test_log_cosh(v: float) -> None:
    assert log_cosh(np.array([v]))[0] == pytest.approx(float(np.logaddexp(v, -v) - np.log(2)), rel=1e-9, abs=1e-15)


# --- Theorem 2 ------------------------------------------------------------------------------------------------------


@FEWER
@given(
    n=st.integers(1, 12),
    extra=st.integers(0, 6),
    beta=st.floats(0.05, 2),
    eta0=st.floats(0.01, 2),
    fill=st.floats(0.01, 1),
    radius=st.floats(0, 2),
    seed=st.integers(0, 10**6),
)
def test_theorem_2_holds_on_built_instances(
    n: int, extra: int, beta: float, eta0: float, fill: float, radius: float, seed: int
) -> None:
    model = build(n=n, d=n + extra, beta=beta, lr=eta0 * n, seed=seed, fill=fill, radius=radius)
    instance = Divergence(model, beta, steps=2000, points=25)
    assert THEOREM_2_GA.check(instance).holds
    assert THEOREM_2_NPO.check(instance).holds


def test_theorem_2_refuses_correlated_inputs_and_names_the_remedy() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 16))
    instance = Divergence(LinearLogistic(X @ X.T, X @ np.zeros(16), 0.0, 1.0), 1.0, 10)
    with pytest.raises(HypothesisError, match="orthogonalise the inputs"):
        THEOREM_2_NPO.check(instance)
    with pytest.raises(HypothesisError, match="d=3, take d ≥ 4"):
        build(n=4, d=3, beta=1.0, lr=1.0, seed=0)
    with pytest.raises(HypothesisError, match="take a smaller step size than lr=40"):
        build(n=2, d=2, beta=2.0, lr=40.0, seed=0)


def test_theorem_2_refuses_a_radius_below_the_initial_parameters() -> None:
    model = LinearLogistic(np.eye(2), np.array([2.0, 0.0]), 1.0, 1.0)
    with pytest.raises(HypothesisError, match="above radius"):
        THEOREM_2_GA.check(Divergence(model, 1.0, 10))


def test_without_near_orthogonality_the_bounds_break() -> None:
    """Two examples with one input and opposite labels push each other back: neither margin can grow."""
    model = LinearLogistic(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2), 0.0, 1.0)
    instance = Divergence(model, 1.0, 1000)
    measured = THEOREM_2_NPO.measure(instance)
    assert np.abs(measured.value).max() < 1e-12
    assert not THEOREM_2_NPO.judge(THEOREM_2_NPO.predict(instance, measured.at), measured).holds


def test_built_instances_use_the_room_that_near_orthogonality_leaves() -> None:
    model = build(n=16, d=32, beta=1.0, lr=1.0, seed=3, fill=0.9)
    allowed = min(constants(model, 1.0).C0_GA, constants(model, 1.0).C0_NPO) / 16
    assert 0.3 * allowed < coupling(model) <= allowed


def test_a_verdict_can_fail_and_nan_breaks_every_bound() -> None:
    bounds = Bounds(np.zeros(2), np.ones(2))
    assert PROPOSITION_1.judge(bounds, Measurement(np.arange(2), np.array([0.5, 1.0]))).holds
    assert not PROPOSITION_1.judge(bounds, Measurement(np.arange(2), np.array([0.5, 1.1]))).holds
    assert not PROPOSITION_1.judge(bounds, Measurement(np.arange(2), np.array([0.5, np.nan]))).holds
    assert "FAILS" in str(PROPOSITION_1.judge(bounds, Measurement(np.arange(2), np.array([0.5, -1.0]))))


# --- margin dynamics ------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), beta=st.sampled_from([0.0, 0.1, 1.0, 3.0]), lr=st.floats(0.01, 5))
def test_margins_are_gradient_descent_on_the_parameters(seed: int, beta: float, lr: float) -> None:
    rng = np.random.default_rng(seed)
    X, signs, start = rng.normal(size=(5, 7)), rng.choice([-1.0, 1.0], size=5), rng.normal(size=7)
    signed = torch.tensor(signs[:, None] * X)
    theta = torch.tensor(start, requires_grad=True)
    ref = torch.nn.functional.logsigmoid(signed @ theta).detach()
    for _ in range(20):
        logp = torch.nn.functional.logsigmoid(signed @ theta)
        loss = logp.mean() if beta == 0 else npo(logp, ref, beta=beta).mean()
        (grad,) = torch.autograd.grad(loss, theta)
        theta = (theta - lr * grad).detach().requires_grad_()
    expected = -(signed @ (theta.detach() - torch.tensor(start))).numpy()
    model = LinearLogistic(signed.numpy() @ signed.numpy().T, signed.numpy() @ start, 10.0, lr)
    for compiled in (True, False):
        found = simulate(model, beta=beta, at=np.array([20]), compiled=compiled)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_compiled_and_numpy_forms_agree() -> None:
    model = build(n=16, d=16, beta=0.5, lr=3.0, seed=0)
    for beta in (0.0, 0.5):
        fast, slow = (simulate(model, beta=beta, at=log_grid(3000, 10), compiled=c) for c in (True, False))
        np.testing.assert_allclose(fast, slow, rtol=1e-12)


# --- exact flows ----------------------------------------------------------------------------------------------------


@given(c=st.floats(-5, 20), margin=st.floats(1e-6, 1e3))
def test_ga_flow_inverts(c: float, margin: float) -> None:
    tau = ga_time(np.array([margin]), c)
    np.testing.assert_allclose(ga_margin(tau, c), [margin], rtol=1e-9)


def test_known_values_of_the_flows() -> None:
    """The integrals of `flows`, 40-digit quadrature: c = 2, m = 10, β = 0.1; and a saturated start."""
    assert ga_time(np.array(10.0), 2.0) == pytest.approx(17.4, abs=0.05)
    assert npo_time(10.0, 2.0, beta=0.1) == pytest.approx(19.6, abs=0.05)
    assert ga_margin(np.array(1.0), 20.0) == pytest.approx(2.06e-9, rel=2e-3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_descent_in_small_steps_follows_the_flow(beta: float) -> None:
    lr, c = 1e-3, 2.0
    model = LinearLogistic(np.ones((1, 1)), np.array([c]), c, lr)
    reached = simulate(model, beta=beta, at=np.array([20_000]))[0, 0]
    exact = ga_margin(np.array(20.0), c) if beta == 0 else npo_margin(20.0, c, beta=beta)
    assert reached == pytest.approx(float(exact), abs=3e-3)


@given(c=st.floats(-3, 3), margin=st.floats(0, 700))
def test_drop_lies_between_its_bounds(c: float, margin: float) -> None:
    """m − log(1 + e^c) ≤ u ≤ m for m ≥ 0."""
    u = float(drop(np.array([margin]), np.array([c]))[0])
    assert margin - np.logaddexp(0, c) - 1e-9 <= u <= margin + 1e-9


# --- the instance's own constants -----------------------------------------------------------------------------------


@FEWER
@given(
    n=st.integers(1, 10),
    beta=st.floats(0.05, 2),
    eta0=st.floats(0.01, 2),
    log_tilt=st.floats(-12, -3),
    radius=st.floats(0, 2),
    seed=st.integers(0, 10**6),
)
def test_instance_constants_hold_wherever_they_are_granted(
    n: int, beta: float, eta0: float, log_tilt: float, radius: float, seed: int
) -> None:
    """On instances far more coupled than the uniform constants allow."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n + 2, n)))[0].T * rng.uniform(0.5, 1.5, size=(n, 1))
    X = basis + 10.0**log_tilt * rng.normal(size=(n, n + 2))
    theta = rng.normal(size=n + 2)
    theta *= radius / np.linalg.norm(theta)
    instance = Divergence(LinearLogistic(X @ X.T, X @ theta, radius, eta0 * n), beta, steps=2000, points=25)
    for theorem in (INSTANCE_GA, INSTANCE_NPO):
        try:
            theorem.hypotheses(instance)
        except HypothesisError:
            continue
        assert theorem.check(instance).holds


def test_instance_constants_are_tighter_and_granted_more_often() -> None:
    instance = Divergence(build(n=32, d=64, beta=1.0, lr=5.0, seed=0), 1.0, steps=100_000)
    for tight, uniform in ((INSTANCE_GA, THEOREM_2_GA), (INSTANCE_NPO, THEOREM_2_NPO)):
        at = log_grid(100_000, 30)
        inner, outer = tight.predict(instance, at), uniform.predict(instance, at)
        assert np.all(inner.lower >= outer.lower)
        assert np.all(inner.upper <= outer.upper)
        assert np.mean((outer.upper - outer.lower)[-1] / (inner.upper - inner.lower)[-1]) > 2
    rng = np.random.default_rng(0)
    X = np.eye(8) + 1e-4 * rng.normal(size=(8, 8))
    theta = rng.normal(size=8)
    theta *= 2 / np.linalg.norm(theta)
    coupled = Divergence(LinearLogistic(X @ X.T, X @ theta, 2.0, 1.0), 0.5, steps=1000)
    with pytest.raises(HypothesisError):
        THEOREM_2_NPO.check(coupled)
    assert INSTANCE_NPO.check(coupled).holds


def test_instance_constants_refuse_what_is_too_coupled() -> None:
    X = np.eye(3) + 0.5
    instance = Divergence(LinearLogistic(X @ X.T, np.zeros(3), 0.0, 1.0), 1.0, 10)
    with pytest.raises(HypothesisError, match="coupled too strongly for GA"):
        INSTANCE_GA.check(instance)
    with pytest.raises(HypothesisError, match="is not dominated by itself"):
        INSTANCE_NPO.check(instance)


# --- gradient weight, boundedness, slips, catalogue -----------------------------------------------------------------


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8), st.floats(-8, 3))
def test_gradient_weight_and_boundedness(ratios: list[float], log_beta: float) -> None:
    instance = LogRatios(np.array(ratios), np.array([10.0**log_beta]))
    assert GRADIENT_WEIGHT.check(instance).holds
    assert BOUNDED_BELOW.check(instance).holds


@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    log_beta=st.floats(-8, 3),
    size=st.floats(1e-3, 1e3),
)
def test_the_gradient_gap_of_proposition_1(n: int, seed: int, log_beta: float, size: float) -> None:
    rng = np.random.default_rng(seed)
    instance = Gradients(rng.normal(size=(n, 4)), size * rng.normal(size=n), np.array([10.0**log_beta]))
    assert PROPOSITION_1_GRADIENT.check(instance).holds


def test_the_gradient_gap_is_that_of_the_losses() -> None:
    """On a network, by autograd through npo and ga of the whole forget set; and it vanishes with β at first order."""
    instance = CATALOGUE["proposition-1-gradient"].instance(2)
    gaps = PROPOSITION_1_GRADIENT.measure(instance).value
    assert rate(instance.betas[:12], gaps[:12]) == pytest.approx(1, abs=1e-3)
    J, R = torch.tensor(instance.jacobian), torch.tensor(instance.log_ratio)
    theta = torch.zeros(J.shape[1], dtype=torch.float64, requires_grad=True)
    logp = R + J @ theta  # to first order, which is all that a gradient sees
    beta = float(instance.betas[-1])
    (of_npo,) = torch.autograd.grad(npo(logp, torch.zeros_like(R), beta=beta).mean(), theta, retain_graph=True)
    (of_ga,) = torch.autograd.grad(logp.mean(), theta)
    assert float((of_npo - of_ga).norm()) == pytest.approx(gaps[-1], rel=1e-10)


def test_a_log_ratio_that_is_not_finite_is_refused() -> None:
    for theorem in (GRADIENT_WEIGHT, BOUNDED_BELOW, PROPOSITION_1):
        with pytest.raises(HypothesisError, match="drop the offending entries"):
            theorem.check(LogRatios(np.array([np.nan]), np.array([1.0])))


@pytest.mark.parametrize("slip", SLIPS, ids=lambda s: s.where)
def test_slips_are_shown_by_their_numbers(slip: Slip) -> None:
    printed, corrected, true = slip.show()
    if slip.quantity.startswith("lower bound"):
        assert printed < 0 < corrected <= true
    else:
        assert corrected == pytest.approx(true, rel=1e-2)
        assert printed != pytest.approx(true, rel=0.4)


LONGER = ("loss-times", "relearn-ratio", "relearning")
"""Theorems whose instance takes seconds."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.integration] if n in LONGER else [])
        for n in CATALOGUE
        if not n.startswith(("theorem-2", "instance"))
    ],
)
def test_the_catalogue_s_instances_hold(name: str) -> None:
    assert CATALOGUE[name].theorem.check(CATALOGUE[name].instance(3)).holds


# --- flows in log time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.1, 0.5, 1.0, 2.0])
def test_npo_flow_reaches_its_asymptote_with_its_constant(beta: float) -> None:
    with unchecked():
        far = [npo_margin(10.0**k, 2.0, beta=beta) for k in (30, 100)]
    assert far[1] == pytest.approx(float(npo_asymptote(1e100, 2.0, beta=beta)), rel=1e-10)
    assert (far[1] - far[0]) / (70 * np.log(10)) == pytest.approx(1 / beta, rel=1e-10)  # the slope is exactly 1/β


@FEWER
@given(c=st.floats(-3, 4), margin=st.floats(1e-3, 20), beta=st.sampled_from([0.1, 0.7, 2.0]))
def test_npo_flow_inverts(c: float, margin: float, beta: float) -> None:
    with unchecked():
        assert npo_margin(npo_time(margin, c, beta=beta), c, beta=beta) == pytest.approx(margin, rel=1e-6)


@given(c=st.floats(-3, 4), margin=st.just(0.0) | st.floats(1e-12, 30))
def test_closed_time_at_beta_one(c: float, margin: float) -> None:
    assert npo_time(margin, c, beta=1.0) == pytest.approx(float(npo_time_at_beta_one(margin, c)), rel=1e-8, abs=1e-14)
