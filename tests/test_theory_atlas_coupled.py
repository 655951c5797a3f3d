"""A positive answer of its own: the forget margin grows like log τ, the positive one like log log τ; one invariant."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from theory.atlas.classify import classify_speed
from theory.atlas.coupled import CoupledPair
from theory.kernel import Kernel, gradient_weights
from theory.losses import altpo, dpo

PAIRS = [CoupledPair(beta, c, positive) for beta in (0.1, 1.0) for c, positive in ((2.0, -2.0), (-1.0, 1.0))]


@pytest.mark.parametrize(("pair", "kernel", "name"), [(PAIRS[0], dpo, "logp_win"), (PAIRS[3], altpo, "logp_alternate")])
def test_the_kernels_own_flow_keeps_the_invariant_and_has_the_times_of_the_quadrature(
    pair: CoupledPair, kernel: Kernel, name: str
) -> None:
    c, positive = pair.confidence, pair.positive_confidence
    start = torch.nn.functional.logsigmoid(torch.tensor([c, positive], dtype=torch.float64))
    reference = {"ref_logp": start[:1], f"ref_{name}": start[1:]}
    bound = partial(kernel, beta=pair.beta)

    def rates(_: float, state: np.ndarray) -> np.ndarray:
        logits = torch.tensor([c - state[0], positive + state[1]], dtype=torch.float64)
        here = torch.nn.functional.logsigmoid(logits)
        weights = gradient_weights(bound, {"logp": here[:1], name: here[1:], **reference})
        return (torch.cat([weights["logp"], -weights[name]]) * torch.sigmoid(-logits)).numpy()

    clock = np.array([0.5, 2.0, 6.0])
    tau = np.exp(pair.log_times(clock))
    found = solve_ivp(rates, (0, tau[-1]), np.zeros(2), method="LSODA", t_eval=tau, rtol=1e-7, atol=1e-9).y
    np.testing.assert_allclose(found, pair.margins(clock), rtol=1e-5)
    kept = found[0] + np.exp(c) - np.exp(c - found[0]) - found[1] - np.exp(positive) * np.expm1(found[1])
    np.testing.assert_allclose(kept, 0, atol=1e-5)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_positive_margin_is_in_the_class_log_log_with_its_constants(pair: CoupledPair) -> None:
    clock = np.array([1e6, 1e7, 1e8])
    x, (m, positive) = pair.log_times(clock), pair.margins(clock)
    forget, other = pair.forget(), pair.positive()
    assert (forget.kind, other.kind) == ("logarithmic", "log-log")
    np.testing.assert_allclose(m, forget.coefficient * x + forget.constant, rtol=1e-6)
    np.testing.assert_allclose(np.diff(m) / np.diff(x), forget.coefficient, rtol=1e-6)
    np.testing.assert_allclose(np.diff(positive) / np.diff(np.log(x)), other.coefficient, rtol=2e-5)
    np.testing.assert_allclose(positive - other.coefficient * np.log(x), other.constant, atol=4e-5)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_classifier_which_is_told_nothing_but_the_speed_finds_log_log(pair: CoupledPair) -> None:
    found, said = classify_speed(pair.positive_speed, until=1e290), pair.positive()
    assert found.growth.kind == said.kind
    assert found.sure
    np.testing.assert_allclose(found.growth.coefficient, said.coefficient, rtol=5e-3)  # its next order is 1/log τ
    np.testing.assert_allclose(found.growth.constant, said.constant, atol=0.05)
