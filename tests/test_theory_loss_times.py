"""Intrinsic time for every loss: closed laws against quadrature, inverses in every regime, and real descent."""

from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from theory import losses
from theory.kernel import bind
from theory.theorems.specimens import side_by_side, small_network
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.drop_weights import ForgetAnswer, drop_weight, of_numbers
from theory.theorems.time.forgetting import LOSS_TIMES, Forgetting, laws_of
from theory.theorems.time.intrinsic_time import follow, time_on_curve
from theory.theorems.time.known_times import CLOSED, closed_time
from theory.theorems.time.loss_times import LossTime, kernels_with_a_law, loss_time, of_any_model
from theory.theorems.time.quadrature import integrate

EVERY = kernels_with_a_law(ForgetAnswer(-1.0))
IS_CLOSED = {name: closed_time(kernel, ForgetAnswer(-1.0)) is not None for name, kernel in EVERY.items()}
REFERENCES = st.sampled_from([-1e-12, -1e-6, -1e-3, -0.1, -1.0, -5.0, -40.0])
DROPS = st.floats(1e-13, 40.0) | st.sampled_from([1e-15, 1e-10, 1e-5])


def test_there_are_more_than_ten_losses_with_a_law_and_most_are_closed() -> None:
    assert len(EVERY) > 10
    assert sum(IS_CLOSED.values()) >= len(CLOSED)
    assert {"IDK", "RMU"}.isdisjoint(EVERY)


REFS = (-1.0, -1e-3, -40.0, -1e-12)
EACH = [(name, REFS[(k + j) % 4], j) for k, name in enumerate(n for n in IS_CLOSED if IS_CLOSED[n]) for j in range(4)]


@pytest.mark.parametrize(
    ("name", "ref"),
    [pytest.param(name, ref, marks=[pytest.mark.integration] if j else []) for name, ref, j in EACH],
)
def test_a_closed_law_is_the_integral_of_the_kernel_s_own_weight(name: str, ref: float) -> None:
    """From tiny drops to overflow, and, where the clock runs backward, to half way to π = 1."""
    law = loss_time(EVERY[name], ForgetAnswer(ref))
    u = np.array([-0.5, -1e-9, 1e-15, 1e-9, 1e-3, 0.5, 3.0, 30.0, 100.0]) * np.array([min(-ref, 1.0)] * 2 + [1.0] * 7)
    expected = integrate(law.weight, least=ref).time(u)
    there = np.isfinite(expected)
    digits = 3e-13 if name in of_any_model(EVERY) else 1e-15 / -np.expm1(ref)  # the kernel's own, where 1 − p is tiny
    np.testing.assert_allclose(law.time(u)[there], expected[there], rtol=max(3e-13, digits))


@cache
def law_of(name: str, ref: float) -> LossTime:
    return loss_time(EVERY[name], ForgetAnswer(ref))


@settings(max_examples=15)
@given(st.sampled_from(list(EVERY)), REFERENCES, DROPS)
def test_drops_and_times_are_inverse_in_every_regime(name: str, ref: float, drop: float) -> None:
    law = law_of(name, ref)
    time = law.time(drop)
    if drop < law.most and np.isfinite(time) and abs(law.weight(np.array([drop]))[0]) > 1e-3:
        assert float(law.drop(time)) == pytest.approx(drop, rel=1e-10, abs=1e-300)  # UNDIAL at log π = -1e-12: 1.3e-11


@given(st.floats(1e-12, 1e3), st.floats(1e-12, 600))
def test_npo_s_law_is_the_project_s_curve(beta: float, scaled: float) -> None:
    law = loss_time(bind(losses.npo, beta=beta), ForgetAnswer(-1.0))
    assert beta * float(law.time(scaled / beta)) == pytest.approx(float(time_on_curve(scaled)), rel=1e-12)


def test_beta_to_0_is_gradient_ascent_and_large_drops_go_as_a_logarithm() -> None:
    npo = loss_time(bind(losses.npo, beta=1e-12), ForgetAnswer(-2.0))
    assert float(npo.drop(5.0)) == pytest.approx(5.0, rel=1e-10)
    wga = loss_time(bind(losses.wga, beta=2.0), ForgetAnswer(-2.0))
    assert float(wga.drop(1e200)) == pytest.approx(np.log(2e200) / 2 - 2.0, rel=1e-14)


def test_a_clock_that_runs_backward_raises_the_answer_and_ends_where_it_is_certain() -> None:
    law = loss_time(bind(losses.ce_u), ForgetAnswer(-0.5))
    assert -0.5 < float(law.drop(-1e-3)) < 0
    assert float(law.drop(-1e3)) == -0.5  # π = 1 is reached in finite time: the weight grows without bound
    assert np.isnan(law.time(-0.6))
    satimp = loss_time(EVERY["SatImp"], ForgetAnswer(-0.5))
    assert float(satimp.drop(-30.0)) > -0.5  # it never gets there: its weight vanishes


@pytest.mark.parametrize(
    "name", [name for name, kernel in EVERY.items() if not closed_time(kernel, ForgetAnswer(-1.0))]
)
def test_quadrature_agrees_with_scipy(name: str) -> None:
    law = loss_time(EVERY[name], ForgetAnswer(-0.7))
    end = min(3.0, 0.9 * law.most)
    expected = quad(lambda u: 1 / law.weight(np.array([u]))[0], 0, end, epsrel=1e-12)[0]
    assert float(law.time(end)) == pytest.approx(expected, rel=1e-10)


def test_undial_ends_where_it_is_content_by_its_own_closed_form() -> None:
    """On two classes w = (p − q)/(1 − p): T = ((1 − q) log((p₀ − q)/(p − q)) − u)/q, and u ends at log p₀/q."""
    ref, beta = -0.4, 3.0
    law = loss_time(bind(losses.undial, beta=beta), ForgetAnswer(ref))
    p0 = np.exp(ref)
    q = 1 / (1 + np.exp(beta) * (1 - p0) / p0)
    u = np.array([1e-3, 0.3, 1.0, 0.9 * law.most])
    p = p0 * np.exp(-u)
    np.testing.assert_allclose(law.time(u), ((1 - q) * np.log((p0 - q) / (p - q)) - u) / q, rtol=1e-11)
    assert law.most == pytest.approx(np.log(p0 / q), rel=1e-12)
    assert float(law.drop(1e30)) == pytest.approx(law.most)


def ones_own(logp: torch.Tensor, *, power: float) -> torch.Tensor:
    """A user's loss without a weight beside it: −(−log π)^κ/κ, so that w = (−log π)^{κ−1}."""
    return -((-logp) ** power) / power


def test_a_user_s_kernel_has_its_law_by_quadrature() -> None:
    """T = ((u − log π_ref)^{2−κ} − (−log π_ref)^{2−κ})/(2 − κ)."""
    law = loss_time(partial(ones_own, power=0.5), ForgetAnswer(-2.0))
    u = np.array([1e-8, 1.0, 1e5])
    expected = 2.0**1.5 * np.expm1(1.5 * np.log1p(u / 2)) / 1.5
    np.testing.assert_allclose(law.time(u), expected, rtol=1e-12)
    np.testing.assert_allclose(law.drop(expected), u, rtol=1e-12)


def test_positive_answers_and_kto_s_reference_point_are_held_where_told() -> None:
    pushed = ForgetAnswer(-1.0, held={"logp_win": 3.0, "ref_logp_win": 1.0, "z_ref": 0.7})
    for name in ("DPO", "KTO"):
        law = loss_time(EVERY[name], pushed)
        assert float(law.time(2.0)) == pytest.approx(float(integrate(law.weight).time(2.0)), rel=1e-12)
        assert float(law.time(2.0)) > float(loss_time(EVERY[name], ForgetAnswer(-1.0)).time(2.0))


@pytest.mark.parametrize(
    ("kernel", "answer", "told"),
    [
        (bind(losses.rmu, layer=1, c=2.0), ForgetAnswer(-1.0), "hidden states"),
        (losses.idk, ForgetAnswer(-1.0), "does not look at the forget answer"),
        (bind(losses.wga, beta=1.0), ForgetAnswer(-3.0, count=2), "token as an example of its own"),
        (bind(losses.satimp, beta1=5.0, beta2=1.0), ForgetAnswer(0.0), "does not move"),
    ],
)
def test_what_has_no_law_is_refused_with_what_to_do(kernel: object, answer: ForgetAnswer, told: str) -> None:
    with pytest.raises(HypothesisError, match=told):
        loss_time(kernel, answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.1, float("nan"), -float("inf")])
def test_an_answer_has_a_log_probability(value: float) -> None:
    with pytest.raises(HypothesisError, match="at most 0"):
        ForgetAnswer(value)


# --- real models ------------------------------------------------------------------------------------------------------


def test_the_theorem_fails_where_the_loss_is_another() -> None:
    """Runs of WGA that are held against the law of CE-U."""
    one = small_network(classes=2, seed=1)
    runs = side_by_side(one, 1)
    true = Forgetting(runs.log_probs, runs.parameters, {"WGA": EVERY["WGA"]}, step=0.1, until=2.0)
    other = Forgetting(runs.log_probs, runs.parameters, {"CE-U": EVERY["CE-U"]}, step=0.1, until=2.0)
    measured = LOSS_TIMES.measure(true)
    assert LOSS_TIMES.judge(LOSS_TIMES.predict(true, measured.at), measured).holds
    path_of_wga = LOSS_TIMES.measure(other).value * laws_of(true)[0][0].time(1.0) / laws_of(other)[0][0].time(1.0)
    wrong = type(measured)(measured.at, path_of_wga)
    assert not LOSS_TIMES.judge(LOSS_TIMES.predict(true, measured.at), wrong).holds


def test_a_set_has_examples_on_laws_of_their_own_and_the_remainder_with_their_own_weights() -> None:
    one = small_network(n=3, classes=4, seed=2)
    ref = one.log_probs(one.parameters).detach()
    kernel = EVERY["WGA"]
    path = follow(
        one.log_probs, one.parameters, drop_weight(kernel, ref), step=0.05, turn=0.05, until=3.0, max_steps=400
    )
    alone, exact = [], []
    for i, x in enumerate(ref.tolist()):
        reached = loss_time(kernel, ForgetAnswer(x)).time(path.drop[-1, i])
        alone.append(abs(path.clock[-1, i] - reached) / (1 + abs(reached)))
        exact.append(abs(path.clock[-1, i] + path.remainder[-1, i] - reached) / (1 + abs(reached)))
    assert max(alone) > 0.1
    assert max(exact) < 0.03


def test_no_step_turns_a_weight_by_more_than_told() -> None:
    one = small_network(classes=2, seed=1)
    ref = one.log_probs(one.parameters).detach()
    weight = drop_weight(EVERY["SatImp"], ref)
    path = follow(one.log_probs, one.parameters, weight, step=0.2, turn=0.05, until=0.5)
    turned = np.diff(np.log(weight(torch.from_numpy(path.drop)).numpy()), axis=0)
    assert np.abs(turned).max() <= 0.05


@settings(max_examples=20)
@given(st.sampled_from(list(EVERY)), st.floats(-20, -1e-3), st.floats(0, 10))
def test_the_weight_on_numbers_is_that_of_tensors(name: str, ref: float, drop: float) -> None:
    of = of_numbers(EVERY[name], ForgetAnswer(ref))(np.array([drop]))
    tensor = drop_weight(EVERY[name], torch.tensor([[ref]], dtype=torch.float64))(
        torch.full((2, 1), drop, dtype=torch.float64)
    )
    np.testing.assert_allclose(tensor.numpy(), np.broadcast_to(of, (2, 1)), rtol=1e-12)
