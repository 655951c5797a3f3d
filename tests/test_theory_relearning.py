"""Relearning: as much intrinsic time as was lost, the ratio of both ways, plain time on one path, SAM's shift."""

from dataclasses import replace
from functools import partial

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.kernel import Kernel
from theory.losses import npo, wga
from theory.theorems.recovery.relearning import RELEARN_RATIO, RELEARNING, npo_ratio, ratio, relearnt
from theory.theorems.recovery.sam_shift import SAM_SHIFT, LinearAnswer, plain_margins, sam_margins
from theory.theorems.specimens import side_by_side, small_network
from theory.theorems.theorem import HypothesisError, Measurement
from theory.theorems.time.drop_weights import ForgetAnswer, drop_weight
from theory.theorems.time.forgetting import Forgetting, forgotten, laws_of
from theory.theorems.time.intrinsic_time import follow, weight_by_drop
from theory.theorems.time.loss_times import kernel_of, loss_time
from theory.theorems.time.one_path import (
    PLAIN_TIME,
    FreeLogits,
    plain_time,
    plain_times,
    symmetric_time,
    ten_classes,
)

FEW = settings(max_examples=4)


def _bound(beta: float) -> Kernel:
    return partial(npo, beta=beta)


# --- the ratio ----------------------------------------------------------------------------------------------------


@given(st.floats(1e-9, 300))
def test_npo_s_ratio_is_the_formula_at_forty_digits(y: float) -> None:
    with mpmath.workdps(40):
        x = mpmath.mpf(y)
        exact = float((x + mpmath.e**x - 1) / (2 * x))
    assert float(npo_ratio(y)) == pytest.approx(exact, rel=1e-13)


def test_the_ratio_of_a_law_is_npo_s_and_that_of_ga_is_one() -> None:
    for beta in (0.1, 0.5, 1.0):
        law = loss_time(_bound(beta), ForgetAnswer(-0.2))
        assert float(ratio(law, 20.0)) == pytest.approx(float(npo_ratio(20 * beta)), rel=1e-12)
    assert npo_ratio(np.array([2.0, 20.0])).tolist() == pytest.approx([2.097264, 1.21291e7], rel=1e-5)
    assert float(ratio(loss_time(kernel_of("GA"), ForgetAnswer(-0.2)), 20.0)) == 1.0


def test_at_equal_times_npo_is_relearned_in_a_logarithm() -> None:
    law = loss_time(_bound(0.5), ForgetAnswer(-0.2))
    t = np.array([1e4, 1e8])
    assert law.drop(t) == pytest.approx(np.log(t) / 0.5, rel=2e-3)  # log(2βt)/β, 2β = 1


# --- there and back -------------------------------------------------------------------------------------------------


def _two_losses(seed: int = 0, n: int = 1) -> Forgetting:
    runs = side_by_side(small_network(n=n, seed=seed), 2)
    kernels = {"GA": kernel_of("GA"), "NPO": kernel_of("NPO")}
    return Forgetting(runs.log_probs, runs.parameters, kernels, step=0.1, until=2.0)


@settings(max_examples=3)
@given(st.integers(0, 50))
def test_both_laws_hold_on_networks(seed: int) -> None:
    instance = _two_losses(seed)
    assert RELEARNING.check(instance).holds
    assert RELEARN_RATIO.check(instance).holds


def test_the_ratio_fails_where_the_loss_was_another() -> None:
    instance = _two_losses()
    measured = RELEARN_RATIO.measure(instance)
    bounds = RELEARN_RATIO.predict(instance, measured.at)
    as_if_ga = measured.value * np.array([1.0, 2.0])
    assert not RELEARN_RATIO.judge(bounds, Measurement(measured.at, as_if_ga)).holds


def test_a_set_comes_back_by_its_collective_clock_without_a_remainder() -> None:
    """Unlearned with unequal weights, so with a remainder; relearnt with equal ones."""
    instance = _two_losses(n=3)
    there = forgotten(instance, laws_of(instance))
    back = relearnt(instance, there)
    lost, gained = there.of(1), back.of(1)
    assert np.abs(lost.remainder[-1]).max() > 0.02
    assert np.abs(gained.remainder).max() == 0
    np.testing.assert_allclose(gained.drop[-1], gained.clock[-1], atol=0.1 * gained.drop[-1].max())


def test_plain_steps_of_equal_rate_keep_the_law() -> None:
    """Not the descent of `follow`: constant step sizes, counted by hand."""
    one = small_network(seed=4)
    far = follow(one.log_probs, one.parameters, weight_by_drop(0.5), step=0.05, until=1.5, scale=0.5).parameters
    theta = {name: p.clone().requires_grad_() for name, p in far.items()}
    start, rate, clock = float(one.log_probs(far)), 0.02, 0.0
    while (now := one.log_probs(theta).sum()) < start + 3:
        gradient = torch.autograd.grad(now, list(theta.values()))
        clock += rate * float(sum((g * g).sum() for g in gradient))
        with torch.no_grad():
            for p, g in zip(theta.values(), gradient, strict=True):
                p += rate * g
    assert clock == pytest.approx(float(now.detach()) - start, rel=0.02)


def test_sets_are_refused_with_what_to_do() -> None:
    for theorem in (RELEARNING, RELEARN_RATIO):
        with pytest.raises(HypothesisError, match="collective clock"):
            theorem.check(_two_losses(n=2))


# --- one path ---------------------------------------------------------------------------------------------------------


def test_at_an_equal_drop_all_losses_have_left_the_same_model() -> None:
    """And so nothing can tell them apart there: the way that lies between them is of the steps' order."""
    one = small_network(seed=1)
    ends = []
    for weight in (weight_by_drop(0.0), weight_by_drop(1.0), drop_weight(kernel_of("WGA"), torch.tensor([-1.5]))):
        path = follow(one.log_probs, one.parameters, weight, step=0.03, turn=0.03, until=1.0)
        ends.append(torch.cat([p.flatten() for p in path.parameters.values()]))
    start = torch.cat([p.flatten() for p in one.parameters.values()])
    moved = float((ends[0] - start).norm())
    assert max(float((end - ends[0]).norm()) for end in ends) < 0.03 * moved


def test_the_table_of_one_softmax() -> None:
    """What was measured by plain descent before there was a law: 22.99, 35.49, 371.42 and 11342, and 22.86 back."""
    found = plain_times(ten_classes())
    np.testing.assert_allclose(found.unlearn, [22.99, 35.49, 371.42, 11342], rtol=6e-3)
    assert found.relearn == pytest.approx(22.86, rel=6e-3)
    assert found.unlearn[0] == pytest.approx(found.relearn, rel=1e-9)  # GA goes there as NLL comes back


@FEW
@given(st.integers(0, 1000), st.floats(0.5, 8))
def test_plain_time_holds_for_flows(seed: int, until: float) -> None:
    start = ten_classes(seed)
    assert PLAIN_TIME.check(FreeLogits(start.logits, 0, np.array([0.0, 0.5]), until)).holds


@given(st.floats(0.2, 0.999), st.floats(0.5, 20), st.integers(2, 30))
@settings(max_examples=20)
def test_alike_classes_have_a_closed_form(p: float, drop: float, classes: int) -> None:
    logits = np.zeros(classes)
    logits[0] = np.log(p / (1 - p) * (classes - 1))
    found = plain_times(FreeLogits(logits, 0, np.array([0.0]), drop))
    assert found.relearn == pytest.approx(symmetric_time(float(np.log(p)), drop, classes), rel=1e-8)


def test_a_path_of_ga_tells_the_plain_time_of_other_losses() -> None:
    one = small_network(classes=3, seed=2)
    ref = float(one.log_probs(one.parameters))
    kernels = {name: kernel_of(name) for name in ("NPO", "WGA")}
    told = follow(one.log_probs, one.parameters, weight_by_drop(0.0), step=0.03, until=1.0)
    for kernel in kernels.values():
        law, weight = loss_time(kernel, ForgetAnswer(ref)), drop_weight(kernel, torch.tensor([ref]))
        own = follow(one.log_probs, one.parameters, weight, step=0.03, turn=0.03, until=1.0)
        assert plain_time(told, law.time) == pytest.approx(own.time[-1], rel=0.08)


@pytest.mark.parametrize(
    ("instance", "told"),
    [
        (FreeLogits(np.zeros(1), 0), "two or more finite logits"),
        (FreeLogits(np.array([0.0, np.inf]), 0), "two or more finite logits"),
        (FreeLogits(np.zeros(3), 3), "A label"),
        (FreeLogits(np.zeros(3), 0, np.array([40.0]), 20.0), "lower `until` or β"),
    ],
)
def test_unusable_logits_are_refused(instance: FreeLogits, told: str) -> None:
    with pytest.raises(HypothesisError, match=told):
        PLAIN_TIME.check(instance)


# --- SAM --------------------------------------------------------------------------------------------------------------


@settings(max_examples=5)
@given(st.floats(-2, 4), st.floats(0, 2), st.floats(0, 1), st.floats(0.01, 1), st.integers(0, 99))
def test_sam_is_a_shift_at_every_step(confidence: float, beta: float, rho: float, lr: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=5)
    assert SAM_SHIFT.check(LinearAnswer(x, confidence, beta, rho, lr, steps=12)).holds


def test_sam_is_slower_at_first_and_reaches_further_in_the_end() -> None:
    instance = LinearAnswer(np.array([1.0]), confidence=4.0, beta=1.0, rho=1.0, lr=0.5, steps=1500)
    plain, shifted = plain_margins(instance, 4.0), plain_margins(instance, 5.0) - 1.0
    np.testing.assert_allclose(sam_margins(replace(instance, steps=50)), shifted[:50], rtol=1e-10)
    assert shifted[40] > plain[40] + 0.2
    assert shifted[-1] < plain[-1] - 0.4  # by r = 1 in the end


def test_what_has_no_margin_is_refused() -> None:
    with pytest.raises(HypothesisError, match="not 0"):
        SAM_SHIFT.check(LinearAnswer(np.zeros(3), 1.0, 0.5, 0.1))
    with pytest.raises(HypothesisError, match="ρ ≥ 0"):
        SAM_SHIFT.check(LinearAnswer(np.ones(3), 1.0, 0.5, -0.1))


def test_wga_takes_its_own_time_there_and_the_common_one_back() -> None:
    law = loss_time(partial(wga, beta=1.0), ForgetAnswer(-1.0))
    assert float(ratio(law, 10.0)) == pytest.approx(np.e * np.expm1(10.0) / 10.0)
