"""NPO under Adam in one coordinate: torch's own Adam step by step, the inverse, the closed law and where it ends."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.losses import npo
from theory.theorems.beta.adam_clock import KAPPA, Confidence, adam_curve, beta_under_adam, drops_under_adam
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.intrinsic_time import curve


def by_torch(beta: float, rates: np.ndarray, size: float, betas: tuple[float, float], eps: float) -> np.ndarray:
    """The drops of torch.optim.Adam on NPO (gradient ascent for β = 0) of log π = −3 − size · θ."""
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], betas=betas, eps=eps)
    drops = []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        logp = -3 - size * theta
        optimizer.zero_grad()
        (npo(logp, torch.full_like(logp, -3.0), beta=beta) if beta else logp).sum().backward()
        optimizer.step()
        drops.append(size * theta.item())
    return np.array(drops)


@pytest.mark.parametrize(
    ("beta", "size", "betas", "eps"),
    [
        (0.0, 3.0, (0.9, 0.999), 1e-8),
        (0.02, 0.01, (0.9, 0.999), 0.0),
        (0.1, 100.0, (0.9, 0.999), 1.0),
        (1.0, 2.0, (0.0, 0.9), 1e-8),
        (1.0, 0.5, (0.8, 0.95), 1e-2),
    ],
)
def test_is_torch_s_adam_step_for_step(beta: float, size: float, betas: tuple[float, float], eps: float) -> None:
    rates = np.random.default_rng(0).uniform(0, 1.0, 60) / size
    found = drops_under_adam(beta, size * rates, betas, eps=eps / size)
    np.testing.assert_allclose(found, by_torch(beta, rates, size, betas, eps), rtol=1e-12)


def test_is_torch_s_adam_on_confident_tokens() -> None:
    """Of n tokens log σ(c − θ) each, whose gradient is 1 − π: small where the model is sure."""
    tokens, probability, beta, rate = 5.0, 0.95, 0.2, 0.3
    start = math.log(probability / (1 - probability))
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, drops = torch.optim.Adam([theta], lr=rate, eps=0.0), []
    reference = tokens * torch.nn.functional.logsigmoid(torch.tensor([start], dtype=torch.float64))
    for _ in range(60):
        optimizer.zero_grad()
        logp = tokens * torch.nn.functional.logsigmoid(start - theta)
        npo(logp, reference, beta=beta).sum().backward()
        optimizer.step()
        drops.append(float(reference - tokens * torch.nn.functional.logsigmoid(start - theta.detach())))
    speeds = np.full(60, rate * tokens * (1 - probability))
    found = drops_under_adam(beta, speeds, confidence=Confidence(probability, tokens))
    np.testing.assert_allclose(found, drops, rtol=1e-11)
    assert found[-1] > 2 * drops_under_adam(beta, speeds)[-1]


@settings(deadline=None)
@given(
    log_beta=st.floats(-4, 0.5),
    speed=st.floats(0.05, 3.0),
    steps=st.integers(20, 80),
    floor=st.sampled_from([0.0, 0.1, 5.0]),
    eps=st.sampled_from([0.0, 1e-3]),
)
def test_the_drop_of_the_chosen_beta_is_the_wanted_one(
    log_beta: float, speed: float, steps: int, floor: float, eps: float
) -> None:
    warm_up = np.minimum(1, np.arange(steps) / 10) * speed
    drops = drops_under_adam(10**log_beta, warm_up, floor=floor, eps=eps)
    beta = beta_under_adam(float(drops[-1]), warm_up, floor=floor, eps=eps)
    assert float(drops_under_adam(beta, warm_up, floor=floor, eps=eps)[-1]) == pytest.approx(drops[-1], rel=1e-10)
    assert beta == pytest.approx(10**log_beta, rel=1e-5)


@given(st.floats(0.01, 10), st.floats(0, 3), st.floats(1.05, 3))
def test_a_larger_beta_drops_less(beta: float, floor: float, factor: float) -> None:
    speeds = np.full(40, 0.7)
    assert drops_under_adam(factor * beta, speeds, floor=floor)[-1] < drops_under_adam(beta, speeds, floor=floor)[-1]


def test_gradient_ascent_goes_at_its_speeds() -> None:
    speeds = np.linspace(0, 2, 30)
    np.testing.assert_allclose(drops_under_adam(0.0, speeds), np.cumsum(speeds), rtol=1e-13)
    assert beta_under_adam(float(speeds.sum()), speeds) == 0.0


def test_what_no_beta_reaches_is_refused_with_its_reason() -> None:
    with pytest.raises(HypothesisError, match="Gradient ascent itself drops 100 nats"):
        beta_under_adam(101.0, [1.0] * 100)
    with pytest.raises(HypothesisError, match=r"momentum drop 6\.005 nats whatever β is"):
        beta_under_adam(3.0, [1.0] * 100)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drops_under_adam(0.1, []), "one or more finite numbers"),
        (lambda: drops_under_adam(0.1, [1.0, -1.0]), "one or more finite numbers"),
        (lambda: drops_under_adam(0.1, [1.0], (0.9, 1.0)), "below 1"),
        (lambda: drops_under_adam(-0.1, [1.0]), "finite and ≥ 0"),
        (lambda: drops_under_adam(0.1, [1.0], floor=math.nan), "finite and ≥ 0"),
        (lambda: beta_under_adam(0.0, [1.0]), "positive and finite"),
        (lambda: adam_curve(-1.0), "Adam's curve is known"),
        (lambda: Confidence(1.0, 3.0), "probability < 1"),
    ],
)
def test_what_no_run_has_is_refused(call, message: str) -> None:
    with pytest.raises(HypothesisError, match=message):
        call()


def test_the_closed_law_and_its_constant() -> None:
    tau = np.geomspace(1e3, 1e12, 10)
    off = adam_curve(tau) - 1.5 * np.log(tau)
    np.testing.assert_allclose(off[3:], KAPPA, atol=1e-6)
    assert np.abs(adam_curve(np.geomspace(7, 1e12)) - 1.5 * np.log(np.geomspace(7, 1e12)) - KAPPA).max() < 0.02
    np.testing.assert_allclose(adam_curve(np.array([0.0, 1e-8, 1e-4])), [0.0, 1e-8, 1e-4 - 1e-8 / 8], rtol=1e-7)


def late_slope(u: np.ndarray, beta: float, start: int) -> float:
    steps = np.arange(1, len(u) + 1)
    return float(np.polyfit(np.log(steps[start:]), beta * u[start:], 1)[0])


def test_small_steps_within_memory_follow_the_curve_at_first_order() -> None:
    off = [
        abs(0.1 * drops_under_adam(0.1, np.full(n, 200 / n), (0.0, 1 - 1e-10))[-1] - float(adam_curve(20.0)))
        for n in (500, 1000, 2000)
    ]
    assert off[0] / off[1] == pytest.approx(2, abs=0.2)
    assert off[1] / off[2] == pytest.approx(2, abs=0.2)
    assert off[2] < 0.01


def test_the_slope_is_three_halves_within_memory_and_linear_beyond() -> None:
    beta, steps = 1.0, 20_000
    u = drops_under_adam(beta, np.full(steps, 0.5))
    within = u[:300]
    assert late_slope(within, beta, 100) == pytest.approx(0.75, abs=0.15)
    speeds = np.diff(u)[[15_000, 19_000]]
    np.testing.assert_allclose(beta * speeds, -math.log(0.999) / 2, rtol=0.01)  # whatever the learning rate


def test_a_floor_brings_the_plain_law_back() -> None:
    """Far below the floor Adam is descent with lr / r: βu = curve(βΣspeeds / r)."""
    beta, floor = 0.1, 25.0
    u = drops_under_adam(beta, np.full(3000, 0.5), floor=floor)
    assert beta * u[-1] == pytest.approx(float(curve(beta * 1500 / 5)), rel=0.01)
    assert float(adam_curve(150.0, floor)) == pytest.approx(float(curve(30.0)), rel=0.01)
    assert late_slope(u, beta, 1500) == pytest.approx(1, abs=0.05)
