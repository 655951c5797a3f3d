"""The numpy twins of weights and KL against the torch ones, and their tails."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from theory import losses, weights
from theory.retain import kl

logits = st.floats(-60, 60)


@given(ratio=st.floats(-1e4, 1e4), beta=st.floats(1e-4, 1e3), z=st.floats(0, 50))
def test_weights_equal_those_of_torch(ratio: float, beta: float, z: float) -> None:
    R, x, zero = np.array([ratio]), torch.tensor([ratio], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    np.testing.assert_allclose(weights.npo(R, beta=beta), losses.npo_weight(x, zero, beta=beta).numpy(), rtol=1e-12)
    np.testing.assert_allclose(
        weights.kto(R, z, beta=beta), losses.kto_weight(x, zero, z, beta=beta).numpy(), rtol=1e-12
    )


@given(a=logits, b=logits)
def test_bernoulli_kl_equals_the_two_class_kl(a: float, b: float) -> None:
    two = [torch.tensor([[0.0, v]], dtype=torch.float64) for v in (a, b)]
    np.testing.assert_allclose(
        weights.bernoulli_kl(np.array([a]), np.array([b])), kl(*two).numpy(), rtol=1e-10, atol=1e-13
    )


def test_categorical_kl_equals_the_kl_of_the_losses() -> None:
    a, b = (3 * np.random.default_rng(s).normal(size=(7, 4)) for s in (0, 1))
    expected = kl(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(weights.categorical_kl(a, b), expected, atol=1e-13)
    assert np.isfinite(weights.categorical_kl(1e6 * a, 1e6 * b)).all()


@pytest.mark.parametrize(("a", "b"), [(40.0, 41.0), (-40.0, -38.0), (700.0, -700.0), (1e4, 0.0), (3.0, 3.0)])
def test_bernoulli_kl_keeps_its_digits_in_the_tails(a: float, b: float) -> None:
    with mpmath.workdps(400):
        p, q = 1 / (1 + mpmath.exp(-mpmath.mpf(a))), 1 / (1 + mpmath.exp(-mpmath.mpf(b)))
        exact = mpmath.mpf(0)
        for x, y in ((p, q), (1 - p, 1 - q)):
            if x > 0:
                exact += x * mpmath.log(x / y)
        exact = float(exact)
    found = float(weights.bernoulli_kl(np.array(a), np.array(b)))
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-30)


def test_the_shapes_of_theory_are_checked_in_its_own_tests() -> None:
    with pytest.raises(TypeCheckError, match="ref_logp"):
        losses.npo(torch.zeros(2), torch.zeros(3), beta=1.0)
