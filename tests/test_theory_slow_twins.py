"""The slow loops against the fast forms, on drawn inputs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory import slow_twins, weights
from theory.retain import kl
from theory.theorems.paper.margins import margin_step
from theory.theorems.specimens import small_network
from theory.theorems.time.intrinsic_time import rates

logits = st.floats(-30, 30)


@given(a=logits, b=logits)
def test_divergences(a: float, b: float) -> None:
    fast = float(weights.bernoulli_kl(a, b))
    assert fast == pytest.approx(slow_twins.bernoulli_kl(a, b), rel=1e-9, abs=1e-12)
    three = torch.tensor([[a, b, 0.0]], dtype=torch.float64), torch.tensor([[b, 0.0, a]], dtype=torch.float64)
    slow = slow_twins.kl([a, b, 0.0], [b, 0.0, a])
    assert float(kl(*three)) == pytest.approx(slow, rel=1e-9, abs=1e-12)


@given(n=st.integers(1, 5), seed=st.integers(0, 10**6), beta=st.sampled_from([0.0, 0.1, 2.0]))
def test_margin_steps(n: int, seed: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    X, m, c = rng.normal(size=(n, n + 1)), rng.normal(scale=5, size=n), rng.normal(scale=3, size=n)
    A = X @ X.T
    slow = (
        slow_twins.ga_margin_step(m.tolist(), A.tolist(), c.tolist(), 0.3)
        if beta == 0
        else slow_twins.npo_margin_step(m.tolist(), A.tolist(), c.tolist(), 0.3, beta=beta)
    )
    np.testing.assert_allclose(margin_step(m, A, c, 0.3, beta), slow, rtol=1e-12, atol=1e-12)


@given(n=st.integers(1, 4), seed=st.integers(0, 100))
def test_collective_clock(n: int, seed: int) -> None:
    specimen = small_network(n=n, seed=seed)
    jacobian = torch.func.jacrev(specimen.log_probs)(specimen.parameters)
    flat = torch.cat([j.reshape(n, -1) for j in jacobian.values()], dim=1)
    fast = rates(specimen.log_probs, specimen.parameters, torch.ones(n, dtype=torch.float64)).clock
    np.testing.assert_allclose(fast.numpy(), slow_twins.collective_clock_rate(flat.tolist()), rtol=1e-10)
