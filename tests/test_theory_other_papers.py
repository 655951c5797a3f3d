"""The losses of other papers beside each other, beside NPO, and beside how their papers write them."""

import math
from collections.abc import Callable
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from torch import Tensor

from theory import losses
from theory.kernel import gradient_weights
from theory.losses.representations import control_vector
from theory.objective import method

probabilities = st.floats(-300, -1e-6)
betas = st.floats(1e-3, 50)


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def _slope(kernel: Callable[..., Tensor], moving: Tensor, *rest: Tensor) -> Tensor:
    free = moving.clone().requires_grad_()
    (found,) = torch.autograd.grad(kernel(free, *rest).sum(), free)
    return found


# --- relations to NPO and to each other ---------------------------------------------------------------------------


@given(logp=probabilities, ref=probabilities, beta=betas)
def test_simnpo_of_one_token_is_npo_with_the_reference_as_its_margin(logp: float, ref: float, beta: float) -> None:
    one = torch.ones(1, dtype=torch.long)
    found = losses.simnpo(_one(logp), one, beta=beta, gamma=-beta * ref)
    torch.testing.assert_close(found, losses.npo(_one(logp), _one(ref), beta=beta), rtol=1e-9, atol=1e-9)


@given(logp=probabilities, n=st.integers(1, 200), beta=betas, gamma=st.floats(-20, 20))
def test_simnpo_sees_the_mean_of_a_token_alone(logp: float, n: int, beta: float, gamma: float) -> None:
    count, one = torch.tensor([n]), torch.ones(1, dtype=torch.long)
    found = losses.simnpo(_one(logp), count, beta=beta, gamma=gamma)
    torch.testing.assert_close(found, losses.simnpo(_one(logp / n), one, beta=beta, gamma=gamma))
    assert found.item() >= 0
    assert 0 <= losses.simnpo_weight(_one(logp), count, beta=beta, gamma=gamma).item() <= 2 / n


@given(logp=st.floats(-50, 0), n=st.integers(1, 50))
def test_simnpo_becomes_length_normalised_ascent_as_beta_falls(logp: float, n: int) -> None:
    beta = 1e-7
    found = losses.simnpo(_one(logp), torch.tensor([n]), beta=beta, gamma=0.0) - 2 / beta * math.log(2)
    torch.testing.assert_close(found, _one(logp / n), rtol=1e-5, atol=1e-6)


@given(logp=probabilities, ref=probabilities, beta=betas)
def test_tnpo_is_npo_on_a_token_but_for_its_floor(logp: float, ref: float, beta: float) -> None:
    npo = losses.npo_weight(_one(logp), _one(ref), beta=beta)
    torch.testing.assert_close(losses.tnpo_weight(_one(logp), _one(ref), beta=beta, floor=0.0), npo)
    floored = losses.tnpo_weight(_one(logp), _one(ref), beta=beta)
    assert floored.item() <= npo.item() * (1 + 1e-12)
    if math.exp(beta * logp) + math.exp(beta * ref) > 0.1:
        torch.testing.assert_close(floored, npo, rtol=1.1e-4, atol=0)


@given(logp=probabilities, beta=betas)
def test_satimp_contains_wga_and_wga_becomes_ascent(logp: float, beta: float) -> None:
    wga = losses.wga(_one(logp), beta=beta)
    torch.testing.assert_close(losses.satimp(_one(logp), beta1=beta, beta2=0.0), wga)
    torch.testing.assert_close(losses.wga(_one(logp), beta=1e-12), losses.ga(_one(logp)), rtol=1e-9, atol=1e-9)


@given(low=probabilities, up=st.floats(0, 20), beta=betas)
def test_a_likelier_token_weighs_more(low: float, up: float, beta: float) -> None:
    a, b = _one(low), _one(min(low + up, -1e-9))
    first = torch.zeros(1, dtype=torch.long)
    assert losses.wga_weight(a, beta=beta) <= losses.wga_weight(b, beta=beta) <= 1
    assert losses.tnpo_weight(a, _one(-1.0), beta=beta) <= losses.tnpo_weight(b, _one(-1.0), beta=beta) <= 2
    assert losses.ce_u_weight(a, first) <= losses.ce_u_weight(b, first)


@given(beta1=st.floats(0.01, 20), beta2=st.floats(0.01, 20), logp=probabilities)
def test_satimp_weighs_most_where_its_powers_balance(beta1: float, beta2: float, logp: float) -> None:
    top = losses.satimp_weight(_one(math.log(beta1 / (beta1 + beta2))), beta1=beta1, beta2=beta2).item()
    assert 0 <= losses.satimp_weight(_one(logp), beta1=beta1, beta2=beta2).item() <= top * (1 + 1e-9) <= 1 + 1e-9


def test_a_weight_is_not_differentiated() -> None:
    """Else WGA's would be p^β (1 + β log p), negative where p < e^(−1/β), and raise the tokens that it should lower."""
    free = torch.tensor([-3.0], requires_grad=True)
    (found,) = torch.autograd.grad(losses.wga(free, beta=1.0).sum(), free)
    torch.testing.assert_close(found, torch.tensor([math.exp(-3.0)]))
    assert math.exp(-3.0) * (1 - 3.0) < 0


@given(values=st.lists(probabilities, min_size=2, max_size=6), beta=betas, order=st.randoms())
def test_the_order_of_tokens_is_of_no_account(values: list[float], beta: float, order: Random) -> None:
    turned = torch.randperm(len(values), generator=torch.Generator().manual_seed(order.randrange(10**6)))
    x = torch.tensor(values, dtype=torch.float64)
    ref = x.flip(0)
    for kernel in (
        lambda a, b: losses.wga(a, beta=beta),
        lambda a, b: losses.tnpo(a, b, beta=beta),
        lambda a, b: losses.satimp(a, beta1=beta, beta2=1.0),
    ):
        torch.testing.assert_close(kernel(x, ref)[turned], kernel(x[turned], ref[turned]), rtol=0, atol=0)


# --- CE-U, UNDIAL, RMU --------------------------------------------------------------------------------------------


def _paper_ce_u(z: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy to softmax(z) without the forget token, as arXiv:2503.01224 writes it."""
    target = z.detach().scatter(1, y[:, None], -math.inf).softmax(dim=1)
    return torch.nn.functional.cross_entropy(z, target, reduction="none")


@given(seed=st.integers(0, 10**6), vocabulary=st.integers(2, 9), scale=st.floats(0.1, 4))
def test_ce_u_has_the_gradient_of_its_paper_and_its_value_less_an_entropy(
    seed: int, vocabulary: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = scale * torch.randn(4, vocabulary, generator=generator, dtype=torch.float64)
    y, first = torch.randint(vocabulary, (4,), generator=generator), torch.zeros(4, dtype=torch.long)

    def ours(logits: Tensor) -> Tensor:
        return losses.ce_u(logits.log_softmax(1).gather(1, y[:, None])[:, 0], first)

    others = z.scatter(1, y[:, None], -math.inf).softmax(1)
    entropy = torch.special.entr(others).sum(1)
    torch.testing.assert_close(ours(z) + entropy, _paper_ce_u(z, y), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(_slope(ours, z), _slope(lambda x: _paper_ce_u(x, y), z), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ce_u_of_a_token_that_is_certain_is_finite_and_its_logits_move_by_at_most_one(dtype: torch.dtype) -> None:
    z = torch.tensor([[60.0, 0.0, 1.0]], dtype=dtype, requires_grad=True)
    first = torch.zeros(1, dtype=torch.long)
    logp = z.log_softmax(1)[:, 0]
    value = losses.ce_u(logp, first)
    assert value.isfinite().all()
    assert value.item() > 10
    (slope,) = torch.autograd.grad(value.sum(), z)
    assert slope.isfinite().all()
    assert slope.abs().max() <= 1


def test_ce_u_skips_the_first_token_of_an_answer_but_not_of_an_answer_that_has_no_other() -> None:
    logp, position = torch.full((6,), math.log(0.5)), torch.tensor([0, 1, 2, 0, 0, 1])
    counted = torch.tensor([False, True, True, True, False, True])
    assert (losses.ce_u(logp, position) > 0).tolist() == counted.tolist()
    assert (losses.ce_u_weight(logp, position) > 0).tolist() == counted.tolist()
    assert (losses.ce_u(logp, position, skip=0) > 0).all()
    assert (losses.ce_u(logp, position, skip=5) > 0).tolist() == [False, False, True, True, False, True]


@given(seed=st.integers(0, 10**6), beta=st.floats(0.1, 30))
def test_undial_is_still_where_the_forget_logit_has_fallen_by_beta(seed: int, beta: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    ref = 3 * torch.randn(3, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(5, (3,), generator=generator)
    there = ref.scatter_add(1, y[:, None], torch.full((3, 1), -beta, dtype=torch.float64)) + 7.0
    assert losses.undial_gradient(there, ref, y, beta=beta).abs().max() < 1e-12
    least = losses.undial(there, ref, y, beta=beta)
    assert (losses.undial(ref, ref, y, beta=beta) >= least - 1e-12).all()
    assert losses.undial_gradient(ref, ref, y, beta=beta).sum(1).abs().max() < 1e-12


def test_undial_ignores_what_the_reference_rules_out() -> None:
    ref, z = torch.tensor([[0.0, 1.0, -math.inf]]), torch.tensor([[0.0, 1.0, -math.inf]])
    assert losses.undial(z, ref, torch.tensor([0]), beta=1.0).isfinite().all()
    assert losses.undial_gradient(z, ref, torch.tensor([0]), beta=1.0).isfinite().all()


def test_the_direction_of_rmu_is_one_of_length_one_and_the_same_in_each_precision() -> None:
    u = control_vector(64)
    assert (u >= 0).all()
    torch.testing.assert_close(u.norm(), torch.tensor(1.0, dtype=torch.float64))
    control_vector.cache_clear()
    torch.manual_seed(7)
    assert torch.equal(u, control_vector(64))
    at_goal = 6.5 * u[None]
    assert losses.rmu(at_goal, layer=1, c=6.5).item() == 0
    half = losses.rmu(at_goal.half(), layer=0.5, c=6.5)
    torch.testing.assert_close(half, torch.zeros(1), atol=1e-4, rtol=0)


# --- how the margin moves: the leading laws of gradient flow ------------------------------------------------------

C = 2.0
REF = -math.log1p(math.exp(-C))  # log σ(c)


def _times(weight: Callable[[Tensor], Tensor], margins: np.ndarray) -> np.ndarray:
    """τ at which the margin of one sample gets there, dm/dτ = w(log σ(c − m)) σ(m − c) from m = 0."""

    def slowness(m: float) -> float:
        return 1 / (weight(torch.tensor([-np.logaddexp(0, m - C)])).item() * expit(m - C))

    ends = np.concatenate([[0.0], margins])
    return np.cumsum([quad(slowness, a, b)[0] for a, b in pairwise(ends)])


ONE, FIRST = torch.ones(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
LAWS = {  # weight of log π, rate k and constant of m ~ (1/k) log(k A τ) + c
    "SimNPO": (lambda x: losses.simnpo_weight(x, ONE, beta=2.0, gamma=0.5), 2.0, 2 * math.exp(0.5)),
    "WGA": (lambda x: losses.wga_weight(x, beta=1.5), 1.5, 1.0),
    "TNPO": (
        lambda x: losses.tnpo_weight(x, torch.full_like(x, REF), beta=1.0),
        1.0,
        2 / (math.exp(REF) + 1e-5),
    ),
    "SatImp": (lambda x: losses.satimp_weight(x, beta1=1.2, beta2=1.0), 1.2, 1.0),
    "CE-U": (lambda x: losses.ce_u_weight(x, FIRST), 1.0, 1.0),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_margin_grows_as_the_logarithm_of_time(name: str) -> None:
    weight, rate, amplitude = LAWS[name]
    margins = np.array([8.0, 14.0, 20.0])
    law = np.log(rate * amplitude * _times(weight, margins)) / rate + C
    off = np.abs(law - margins)
    assert off[-1] < 2e-4
    assert (np.diff(off) < 1e-9).all()


def test_undial_stops_after_beta() -> None:
    z = torch.tensor([[C, 0.0]], dtype=torch.float64)
    ref, y = z.clone(), torch.tensor([0])
    for _ in range(300):
        z = z - 0.5 * losses.undial_gradient(z, ref, y, beta=3.0)
    assert (z[0, 0] - z[0, 1]).item() == pytest.approx(C - 3.0, abs=1e-6)


# --- with the objective -------------------------------------------------------------------------------------------


def test_the_weights_by_name_of_the_quantity() -> None:
    hidden = torch.ones(2, 4)
    found = gradient_weights(method("RMU").forget, {"hidden": hidden})
    torch.testing.assert_close(found["hidden"], 2 * (hidden - 6.5 * control_vector(4).float()))
    assert set(
        gradient_weights(
            method("AltPO").forget,
            dict.fromkeys(("logp", "ref_logp", "logp_alternate", "ref_logp_alternate"), torch.zeros(1)),
        )
    ) == {"logp", "logp_alternate"}
