"""Relearning a part: the law and its remainder, in any model and in linear ones; what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import expit

from theory.theorems.recovery.relearnt_part import (
    RELEARNT_PART,
    RELEARNT_PART_LINEAR,
    PartPath,
    Relearnable,
    even_share,
    regression,
    relearn_part,
)
from theory.theorems.specimens import small_network
from theory.theorems.theorem import HypothesisError

PART = np.arange(2)


@pytest.fixture(scope="module")
def path() -> PartPath:
    specimen = small_network(n=4, width=8)
    return relearn_part(specimen.log_probs, specimen.parameters, PART, step=0.05, until=1.0)[0]


def test_the_law_with_its_remainder_is_the_path(path: PartPath) -> None:
    verdict = RELEARNT_PART.check(path)
    assert verdict.holds
    assert verdict.slack < 1  # the bounds say something
    left = path.rise[-1, path.rest] - path.along()[-1]
    assert np.abs(left).max() < 0.2 * np.abs(path.rise[-1, path.rest]).max()


def test_steps_are_those_of_a_flow_s_oracle(path: PartPath) -> None:
    """Against scipy, which follows the flow to the mean rise of the part."""
    specimen = small_network(n=4, width=8)
    names, sizes = list(specimen.parameters), [p.numel() for p in specimen.parameters.values()]

    def unflat(theta: np.ndarray) -> dict[str, torch.Tensor]:
        parts = torch.from_numpy(theta).split(sizes)
        return {name: x.view_as(specimen.parameters[name]) for name, x in zip(names, parts, strict=True)}

    def slope(_: float, theta: np.ndarray) -> np.ndarray:
        at = {name: p.requires_grad_() for name, p in unflat(theta).items()}
        found = torch.autograd.grad(specimen.log_probs(at)[PART].sum(), list(at.values()))
        return torch.cat([x.flatten() for x in found]).numpy()

    start = torch.cat([p.flatten() for p in specimen.parameters.values()]).numpy()
    before = specimen.log_probs(specimen.parameters)

    def arrived(_: float, theta: np.ndarray) -> float:
        return float((specimen.log_probs(unflat(theta)) - before)[PART].mean()) - float(path.rise[-1, PART].mean())

    arrived.terminal = True
    end = solve_ivp(slope, (0, 100), start, events=arrived, rtol=1e-6).y[:, -1]
    exact = (specimen.log_probs(unflat(end)) - before).numpy()
    np.testing.assert_allclose(path.rise[-1], exact, atol=0.05)


def test_the_law_breaks_where_a_rise_is_not_the_kernel_s(path: PartPath) -> None:
    spoilt = path.rise.copy()
    spoilt[1:, path.rest] += 1.0
    assert not RELEARNT_PART.check(PartPath(spoilt, path.kernel, path.part, path.slack)).holds


@given(seed=st.integers(0, 1000), coupling=st.floats(-1, 2), t=st.integers(1, 5))
def test_a_linear_model_obeys_at_every_step(seed: int, coupling: float, t: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(6, 9)) + coupling
    made = Relearnable(rows, -rows.mean(axis=0), np.arange(t), lr=0.1, steps=np.array([0, 1, 7, 30]))
    assert RELEARNT_PART_LINEAR.check(made).holds


@given(coupling=st.floats(0, 0.95), t=st.integers(1, 6))
def test_the_even_share_is_the_regression_of_an_even_gram_matrix(coupling: float, t: int) -> None:
    gram = np.full((8, 8), coupling) + (1 - coupling) * np.eye(8)
    share = regression(gram, np.arange(t)).sum(axis=1)
    np.testing.assert_allclose(share, even_share(coupling, t), atol=1e-9)


def test_a_part_relearnt_back_projects_what_was_lost() -> None:
    """θ moves by the projection of θ_ref − θ on the part's features."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 9)) + 0.7
    reference, theta = rng.normal(size=9), rng.normal(size=9)
    lost = rows @ (reference - theta)
    part, rest = np.arange(3), np.arange(3, 6)
    project = np.linalg.pinv(rows[part]) @ rows[part]
    back = rows[rest] @ project @ (reference - theta)
    np.testing.assert_allclose(regression(rows @ rows.T, part) @ lost[part], back, atol=1e-12)


def test_a_row_that_is_in_the_part_s_span_comes_back_whole() -> None:
    """And a part whose Gram matrix is singular is no hindrance."""
    one = np.array([1.0, 2.0, 3.0])
    rows = np.stack([one, 2 * one, -one])
    start = -0.5 * one
    made = Relearnable(rows, start, np.arange(2), lr=0.1, steps=np.array([5]))
    assert RELEARNT_PART_LINEAR.check(made).holds
    z = rows @ made.relearn()[0]
    assert expit(z[2]) < expit(rows[2] @ start)


def test_all_rows_or_none_are_refused() -> None:
    rows = np.eye(3)
    for part in (np.arange(3), np.arange(0)):
        with pytest.raises(HypothesisError, match="at least one"):
            RELEARNT_PART_LINEAR.check(Relearnable(rows, rows[0], part, lr=0.1, steps=np.array([1])))
    with pytest.raises(HypothesisError, match="No row moves"):
        relearn_part(lambda p: 0 * p["x"], {"x": torch.zeros(2)}, np.array([0]), step=0.1, until=1.0)


def test_other_weights_leave_the_law_as_it_is() -> None:
    specimen = small_network(n=4, width=8)
    found, theta = relearn_part(
        specimen.log_probs, specimen.parameters, PART, step=0.05, until=0.5, weight=lambda logp: 1 - logp.exp()
    )
    assert RELEARNT_PART.check(found).holds
    rise = specimen.log_probs(theta) - specimen.log_probs(specimen.parameters)
    np.testing.assert_allclose(found.rise[-1], rise.numpy(), atol=1e-12)
