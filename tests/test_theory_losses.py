"""The kernels as one contract suite: a new kernel is tested by its row."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from theory import losses, slow_twins
from theory.kernel import QUANTITIES, bind, gradient_weights, moves, needs, takes
from theory.losses.representations import control_vector
from theory.quantities import wide
from theory.retain import kl, kl_gradient


@dataclass(frozen=True)
class Row:
    """A kernel, its slow twin (a plain formula of Python floats) and its hyperparameters, each with its range.

    `stopped`: a factor of it has no gradient, so that its gradient is not the slope of its value. `bends`: it does so
    where log-ratios are of the order of 1/β. `alike`: what log-ratios are multiplied by, all set to β.
    """

    kernel: Callable[..., Tensor]
    slow: Callable[..., float]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    stopped: bool = False
    bends: bool = True
    alike: tuple[str, ...] = ("beta",)

    def bound(self, **given: float) -> Callable[..., Tensor]:
        fixed = {"layer": 1} if "layer" in takes(self.kernel) else {}
        return bind(self.kernel, **given, **fixed)

    def with_beta(self, beta: float) -> Callable[..., Tensor]:
        """β where there is one, the others at an ordinary value."""
        return self.bound(**{name: beta if name in self.alike else 1.0 for name in self.ranges})


BETA = {"beta": (1e-4, 1e3)}
ROWS = {
    "ga": Row(losses.ga, slow_twins.ga),
    "nll": Row(losses.nll, slow_twins.nll),
    "idk": Row(losses.idk, slow_twins.idk),
    "npo": Row(losses.npo, slow_twins.npo, BETA),
    "dpo": Row(losses.dpo, slow_twins.dpo, BETA),
    "kto": Row(losses.kto, slow_twins.kto, BETA),
    "altpo": Row(losses.altpo, slow_twins.altpo, BETA),
    "simnpo": Row(losses.simnpo, slow_twins.simnpo, BETA | {"gamma": (-50, 50)}),
    "wga": Row(losses.wga, slow_twins.wga, BETA, stopped=True),
    "tnpo": Row(losses.tnpo, slow_twins.tnpo, BETA, stopped=True),
    "satimp": Row(losses.satimp, slow_twins.satimp, {"beta1": (0, 100), "beta2": (0, 100)}, stopped=True),
    "ce_u": Row(losses.ce_u, slow_twins.ce_u, bends=False),
    "undial": Row(losses.undial, slow_twins.undial, {"beta": (1e-4, 100)}, bends=False),
    "rmu": Row(losses.rmu, partial(slow_twins.rmu, direction=control_vector(3).tolist()), {"c": (1e-3, 1e3)}),
    "rmu_retain": Row(losses.rmu_retain, slow_twins.rmu_retain),
    "wtnpo": Row(losses.wtnpo, slow_twins.wtnpo, BETA | {"alpha": (0, 100)}, stopped=True),
    "ihl": Row(losses.ihl, slow_twins.ihl, bends=False),
    "flat_tv": Row(losses.flat_tv, slow_twins.flat_tv, bends=False),
    "flat_kl": Row(losses.flat_kl, slow_twins.flat_kl, bends=False),
    "flat_js": Row(losses.flat_js, slow_twins.flat_js, bends=False),
    "flat_pearson": Row(losses.flat_pearson, slow_twins.flat_pearson, bends=False),
    "d2o": Row(losses.d2o, slow_twins.d2o, BETA | {"alpha": (1e-4, 1e3)}, alike=("alpha", "beta")),
    "door": Row(losses.door, slow_twins.door, BETA),
    "ap": Row(losses.ap, slow_twins.ap, BETA),
    "me": Row(losses.me, slow_twins.me, bends=False),
    "pdu": Row(losses.pdu, slow_twins.pdu, bends=False),
    "rkld": Row(losses.rkld, slow_twins.rkld, {"alpha": (1e-4, 100)}, bends=False),
    "kto_sigmoid": Row(losses.kto_sigmoid, slow_twins.kto_sigmoid, BETA),
    "ga_fkl": Row(losses.ga_fkl, slow_twins.ga_fkl, {"strength": (0, 100)}, bends=False),
}
SMOOTH = {name: row for name, row in ROWS.items() if not row.stopped}
RAISES = {"nll", "ap"}  # descent raises these answers; all other lower theirs, and raise positive ones

POSITIVE = ("logp_win", "logp_win_after", "logp_alternate", "mean_prob_win")

rows = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
logps = st.lists(st.floats(-300, 0), min_size=1, max_size=6)
betas = st.floats(1e-4, 1e3)


def _hyper(row: Row, data: st.DataObject) -> dict[str, float]:
    """A value of each hyperparameter, as often small as large."""
    drawn = {}
    for name, (low, high) in row.ranges.items():
        span = st.floats(low, high) if low <= 0 else st.floats(math.log(low), math.log(high)).map(math.exp)
        drawn[name] = data.draw(span, label=name)
    return drawn


def _inputs(row: Row, values: list[float], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """A tensor for each parameter, each another permutation of the values, so that log-ratios are not all zero."""
    n, given = len(values), {}
    for i, name in enumerate(needs(row.kernel)):
        turned = torch.tensor(values[i % n :] + values[: i % n], dtype=dtype)
        if QUANTITIES[name].level in ("logits", "hidden"):
            given[name] = torch.stack([turned, turned.roll(1) / 2, 0 * turned + i], dim=1)
        elif name.startswith("count"):
            given[name] = torch.arange(1, n + 1)
        elif name.startswith("mean_prob"):
            given[name] = turned.exp()
        else:  # each token is an answer of its own
            given[name] = torch.zeros(n, dtype=torch.long) if QUANTITIES[name].level == "index" else turned
    return given | ({"z_ref": torch.tensor(0.3, dtype=dtype)} if "z_ref" in given else {})


def _weights(kernel: Callable[..., Tensor], inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The closed weights by parameter name; an objective calls the forget answer of a pair by its plain name."""
    plain = {name.replace("_lose", ""): x for name, x in inputs.items()}
    found = gradient_weights(kernel, plain)
    return {name if name in inputs else f"{name}_lose": weight for name, weight in found.items()}


@rows
@settings(max_examples=20)
@given(values=logps, data=st.data())
def test_value_equals_the_formula(row: Row, values: list[float], data: st.DataObject) -> None:
    inputs, given = _inputs(row, values), _hyper(row, data)
    fast = row.bound(**given)(**inputs)
    columns = [(x if x.ndim else x.expand(len(values))).tolist() for x in inputs.values()]
    slow = [row.slow(*args, **given) for args in zip(*columns, strict=True)]
    torch.testing.assert_close(fast, torch.tensor(slow, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@rows
@settings(max_examples=20)
@given(values=logps, data=st.data())
def test_closed_weight_equals_autograd(row: Row, values: list[float], data: st.DataObject) -> None:
    kernel, inputs = row.bound(**_hyper(row, data)), _inputs(row, values)
    closed = _weights(kernel, inputs)
    free = {k: x.clone().requires_grad_() for k, x in inputs.items() if moves(k)}
    grads = torch.autograd.grad(kernel(**{**inputs, **free}).sum(), list(free.values()))
    assert set(closed) == set(free)
    for name, grad in zip(free, grads, strict=True):
        torch.testing.assert_close(closed[name], grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("row", SMOOTH.values(), ids=SMOOTH)
@settings(max_examples=8)
@given(values=st.lists(st.floats(-300, 0), min_size=1, max_size=2), log_beta=st.floats(-4, 3))
def test_gradients_and_second_derivatives_by_finite_differences(row: Row, values: list[float], log_beta: float) -> None:
    # Values within a few 1/β of each other, where the kernel bends; else finite differences only see straight lines.
    beta = 10.0**log_beta if row.bends else 1.0
    kernel, step = row.with_beta(beta), 1e-4 / beta
    inputs = _inputs(row, [value / (50 * beta) - (not row.bends) for value in values])
    moving = [k for k, x in inputs.items() if moves(k) or (x.is_floating_point() and x.ndim and not wide(k))]
    rest = {k: x for k, x in inputs.items() if k not in moving}
    free = tuple(inputs[k].requires_grad_() for k in moving)

    def of(*given: Tensor) -> Tensor:
        return kernel(**dict(zip(moving, given, strict=True)), **rest)

    assert torch.autograd.gradcheck(of, free, eps=step, atol=1e-5)
    if "beta" in row.ranges or not row.bends:  # the others are linear or quadratic
        assert torch.autograd.gradgradcheck(lambda *x: beta * of(*x), free, eps=step, atol=1e-3 * beta)


@rows
@settings(max_examples=20)
@given(ratio=st.floats(-1e4, 1e4), log_beta=st.floats(-8, 3), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_extreme_log_ratios_stay_finite(row: Row, ratio: float, log_beta: float, dtype: torch.dtype) -> None:
    kernel, inputs = row.with_beta(10.0**log_beta), _inputs(row, [0.0], dtype)
    far = {"token_logp": -abs(ratio)} | dict.fromkeys(("logp", *POSITIVE[:3], "logits", "hidden"), ratio)
    inputs = {name: x + far.get(name, 0.0) if moves(name) else x for name, x in inputs.items()}
    weights = _weights(kernel, inputs)
    value = kernel(**inputs)
    assert value.isfinite().all()
    assert value.dtype == dtype
    for name, weight in weights.items():
        assert weight.isfinite().all()
        if QUANTITIES[name].level in ("example", "token"):
            raised = (name in POSITIVE) != (row.kernel.__name__ in RAISES)
            assert (weight * (-1 if raised else 1) >= 0).all()


@rows
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_inputs_are_answered_in_float32(row: Row, dtype: torch.dtype) -> None:
    inputs = _inputs(row, [-3.0, -70.0], dtype)
    assert row.with_beta(0.1)(**inputs).dtype == torch.float32
    assert all(w.dtype == torch.float32 for w in _weights(row.with_beta(0.1), inputs).values())


@rows
def test_nan_is_not_repaired(row: Row) -> None:
    for name, x in (inputs := _inputs(row, [-1.0, -2.0])).items():
        if not x.is_floating_point() or not x.ndim:
            continue
        broken = x.clone()
        broken[0] = math.nan
        value = row.with_beta(0.5)(**{**inputs, name: broken})
        assert value[0].isnan()
        assert value[1].isfinite()


@rows
@settings(max_examples=20)
@given(values=st.lists(st.floats(-300, 0), min_size=2, max_size=6))
def test_examples_do_not_see_each_other(row: Row, values: list[float]) -> None:
    inputs, kernel = _inputs(row, values), row.with_beta(0.2)
    whole = kernel(**inputs)
    alone = [kernel(**{k: x if x.ndim == 0 else x[i : i + 1] for k, x in inputs.items()}) for i in range(len(values))]
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
