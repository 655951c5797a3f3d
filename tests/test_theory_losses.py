"""The kernels as one contract suite: a new kernel is tested by its row."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from theory import losses, slow_twins
from theory.objective import gradient_weights, needs
from theory.retain import kl, kl_gradient


@dataclass(frozen=True)
class Row:
    """A kernel and its slow twin, a plain formula of Python floats; of its hyperparameters β alone is given."""

    kernel: Callable[..., Tensor]
    slow: Callable[..., float]
    with_beta: bool

    def bound(self, beta: float) -> Callable[..., Tensor]:
        return partial(self.kernel, beta=beta) if self.with_beta else self.kernel


ROWS = {
    "ga": Row(losses.ga, slow_twins.ga, False),
    "nll": Row(losses.nll, slow_twins.nll, False),
    "idk": Row(losses.idk, slow_twins.idk, False),
    "npo": Row(losses.npo, slow_twins.npo, True),
    "dpo": Row(losses.dpo, slow_twins.dpo, True),
    "kto": Row(losses.kto, slow_twins.kto, True),
}
RAISES = {"nll", "idk"}  # descent raises these answers; all other lower theirs

rows = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
logps = st.lists(st.floats(-300, 0), min_size=1, max_size=6)
betas = st.floats(1e-4, 1e3)


def _inputs(row: Row, values: list[float], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """A tensor for each parameter, each another permutation of the values, so that log-ratios are not all zero."""
    names = needs(row.bound(1.0))
    given = {name: torch.tensor(values[i % len(values) :] + values[: i % len(values)]) for i, name in enumerate(names)}
    given = {name: x.to(dtype) for name, x in given.items()}
    return given | ({"z_ref": torch.tensor(0.3, dtype=dtype)} if "z_ref" in names else {})


def _weights(kernel: Callable[..., Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The closed weights by parameter name; an objective calls the forget answer of a pair by its plain name."""
    plain = {name.replace("_lose", ""): x for name, x in inputs.items()}
    found = gradient_weights(kernel, plain)
    return {name if name in inputs else f"{name}_lose": weight for name, weight in found.items()}


@rows
@given(values=logps, beta=betas)
def test_value_equals_the_formula(row: Row, values: list[float], beta: float) -> None:
    inputs = _inputs(row, values)
    fast = row.bound(beta)(**inputs)
    columns = [x.expand(len(values)).tolist() for x in inputs.values()]
    slow = [row.slow(*args, **({"beta": beta} if row.with_beta else {})) for args in zip(*columns, strict=True)]
    torch.testing.assert_close(fast, torch.tensor(slow, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@rows
@given(values=logps, beta=betas)
def test_closed_weight_equals_autograd(row: Row, values: list[float], beta: float) -> None:
    kernel, inputs = row.bound(beta), _inputs(row, values)
    closed = _weights(kernel, inputs)
    free = {k: x.clone().requires_grad_() for k, x in inputs.items() if not k.startswith(("ref_", "z_ref"))}
    grads = torch.autograd.grad(kernel(**{**inputs, **free}).sum(), list(free.values()))
    for name, grad in zip(free, grads, strict=True):
        torch.testing.assert_close(closed[name], grad, rtol=1e-10, atol=1e-10)


@rows
@settings(max_examples=15)
@given(values=logps, log_beta=st.floats(-4, 3))
def test_gradients_and_second_derivatives_by_finite_differences(row: Row, values: list[float], log_beta: float) -> None:
    # Values within a few 1/β of each other, where the kernel bends; else finite differences only see straight lines.
    beta = 10.0**log_beta
    inputs = {k: x / (50 * beta) for k, x in _inputs(row, values).items()}
    free = tuple(x.requires_grad_() for x in inputs.values() if x.ndim)
    rest = [x for x in inputs.values() if not x.ndim]  # z_ref carries no gradient
    kernel = row.bound(beta)
    step = 1e-4 / beta
    assert torch.autograd.gradcheck(lambda *x: kernel(*x, *rest), free, eps=step, atol=1e-5)
    if row.with_beta:  # the others are linear
        assert torch.autograd.gradgradcheck(lambda *x: beta * kernel(*x, *rest), free, eps=step, atol=1e-3 * beta)


@rows
@given(ratio=st.floats(-1e4, 1e4), log_beta=st.floats(-8, 3), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_extreme_log_ratios_stay_finite(row: Row, ratio: float, log_beta: float, dtype: torch.dtype) -> None:
    kernel, inputs = row.bound(10.0**log_beta), _inputs(row, [0.0], dtype)
    inputs = {name: x + (ratio if name in ("logp", "logp_win") else 0.0) for name, x in inputs.items()}
    weights = _weights(kernel, inputs)
    value = kernel(**inputs)
    assert value.isfinite().all()
    assert value.dtype == dtype
    sign = -1 if row.kernel.__name__ in RAISES else 1
    for name, weight in weights.items():
        assert weight.isfinite().all()
        assert (weight * (-sign if name == "logp_win" and sign == 1 else sign) >= 0).all()


@rows
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_inputs_are_answered_in_float32(row: Row, dtype: torch.dtype) -> None:
    inputs = _inputs(row, [-3.0, -70.0], dtype)
    assert row.bound(0.1)(**inputs).dtype == torch.float32
    assert all(w.dtype == torch.float32 for w in _weights(row.bound(0.1), inputs).values())


@rows
def test_nan_is_not_repaired(row: Row) -> None:
    inputs = _inputs(row, [-1.0, -2.0])
    first = next(iter(inputs))
    inputs[first] = inputs[first].clone()
    inputs[first][0] = math.nan
    value = row.bound(0.5)(**inputs)
    assert value[0].isnan()
    assert value[1].isfinite()


@rows
@given(values=st.lists(st.floats(-300, 0), min_size=2, max_size=6))
def test_examples_do_not_see_each_other(row: Row, values: list[float]) -> None:
    inputs = _inputs(row, values)
    whole = row.bound(0.2)(**inputs)
    alone = [
        row.bound(0.2)(**{k: x if x.ndim == 0 else x[i : i + 1] for k, x in inputs.items()}) for i in range(len(values))
    ]
    torch.testing.assert_close(whole, torch.cat(alone), rtol=0, atol=0)


@given(ratio=st.floats(-200, 200), beta=betas)
def test_npo_scales_and_is_bounded(ratio: float, beta: float) -> None:
    R, zero = torch.tensor([ratio], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    value, weight = losses.npo(R, zero, beta=beta), losses.npo_weight(R, zero, beta=beta)
    torch.testing.assert_close(value, losses.npo(beta * R, zero, beta=1.0) / beta)  # L_β(R) = L_1(βR)/β
    assert value.item() >= 0
    assert 0 <= weight.item() <= 2
    assert losses.npo_weight(zero, zero, beta=beta).item() == 1


@given(logp=st.floats(-200, 0), ref=st.floats(-200, 0), beta=betas)
def test_dpo_and_kto_contain_npo(logp: float, ref: float, beta: float) -> None:
    x, r, zero = (torch.tensor([v], dtype=torch.float64) for v in (logp, ref, 0.0))
    npo = losses.npo(x, r, beta=beta)
    torch.testing.assert_close(losses.dpo(zero, zero, x, r, beta=beta), npo)
    torch.testing.assert_close(losses.kto(x, r, 0.0, beta=beta), npo)
    torch.testing.assert_close(losses.dpo(zero, zero, x, r, beta=beta, prefactor=1.0), npo / 2)  # Eq. (2) of the paper


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "kernel", [losses.npo, losses.npo_weight, losses.kto, losses.kto_weight, losses.dpo, losses.dpo_weight]
)
def test_beta_and_prefactor_must_be_positive(kernel: Callable[..., Tensor], wrong: float) -> None:
    inputs = {name: torch.zeros(()) for name in needs(kernel)}
    with pytest.raises(ValueError, match=r"^beta must be positive and finite, got"):
        kernel(**inputs, beta=wrong)
    if kernel in (losses.dpo, losses.dpo_weight):
        with pytest.raises(ValueError, match=r"^prefactor must be positive and finite, got"):
            kernel(**inputs, beta=1.0, prefactor=wrong)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 50))
def test_kl_and_its_gradient(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    ref, logits = scale * torch.randn(2, 3, 4, 7, generator=generator, dtype=torch.float64)
    p, q = ref.softmax(-1), logits.softmax(-1)
    torch.testing.assert_close(kl(ref, logits), (p * (p.log() - q.log())).nan_to_num(0.0).sum(-1), rtol=1e-9, atol=1e-9)
    free = logits.clone().requires_grad_()
    (grad,) = torch.autograd.grad(kl(ref, free).sum(), free)
    torch.testing.assert_close(kl_gradient(ref, logits), grad, rtol=1e-10, atol=1e-12)
    assert (kl(ref, logits) >= -1e-12).all()
    assert kl(ref, ref).abs().max() == 0


def test_kl_where_the_reference_rules_a_class_out() -> None:
    ref = torch.tensor([[0.0, -math.inf]])
    free = torch.tensor([[0.0, 0.0]], requires_grad=True)
    value = kl(ref, free)
    torch.testing.assert_close(value, torch.tensor([math.log(2.0)]))
    (grad,) = torch.autograd.grad(value.sum(), free)
    torch.testing.assert_close(grad, torch.tensor([[-0.5, 0.5]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_kl_of_half_logits_is_computed_in_float32(dtype: torch.dtype) -> None:
    ref, logits = torch.randn(2, 5, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = kl(ref, logits)
    assert found.dtype == kl_gradient(ref, logits).dtype == torch.float32
    torch.testing.assert_close(found.double(), kl(ref.double(), logits.double()), rtol=1e-5, atol=1e-6)
