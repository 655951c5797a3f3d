"""Optimisers in the scalar model: torch's own rules step for step, and the laws against simulation."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory.atlas.classify import classify
from theory.atlas.family import FAMILY
from theory.atlas.optimisers import laws
from theory.atlas.optimisers.classes import classify_run
from theory.atlas.optimisers.force import force_of
from theory.atlas.optimisers.grid import LOSSES
from theory.atlas.optimisers.loop import fast
from theory.atlas.optimisers.pair import simulate_pair
from theory.atlas.optimisers.scalar import OPTIMISERS, ScalarOptimiser, adam, force, simulate
from theory.optimizers.sign_descent import SignDescent
from theory.optimizers.sophia import Sophia
from theory.theorems.paper.margins import log_grid

GA, NPO, NPO_1 = (FAMILY[name].at(2.0) for name in ("GA", "NPO(0.1)", "NPO(1)"))
needs_numba = pytest.mark.skipif(not fast(), reason="a million steps want the extra `fast`")


def of(name: str, lr: float) -> ScalarOptimiser:
    """The atlas's optimiser with another learning rate."""
    return replace(OPTIMISERS[name], lr=lr)


TORCH: dict[str, tuple[ScalarOptimiser, Callable[..., torch.optim.Optimizer]]] = {
    "SGD": (OPTIMISERS["GD"], partial(torch.optim.SGD, lr=0.1)),
    "SGD, decay": (OPTIMISERS["GD, weight decay"], partial(torch.optim.SGD, lr=0.1, weight_decay=1e-2)),
    "momentum": (OPTIMISERS["heavy ball"], partial(torch.optim.SGD, lr=0.1, momentum=0.9)),
    "Adam": (adam(0.1, eps=1e-8), partial(torch.optim.Adam, lr=0.1)),
    "Adam, ε = 0": (adam(0.3), partial(torch.optim.Adam, lr=0.3, eps=0.0)),
    "AdamW": (
        adam(0.1, eps=1e-8, weight_decay=1e-2),
        partial(torch.optim.AdamW, lr=0.1, weight_decay=1e-2),
    ),
    "AMSGrad": (OPTIMISERS["AMSGrad"], partial(torch.optim.Adam, lr=1e-2, amsgrad=True)),
    "Adagrad": (OPTIMISERS["AdaGrad"], partial(torch.optim.Adagrad, lr=0.1)),
    "sign": (of("sign, normalised GD", 0.3), partial(SignDescent, lr=0.3)),
    "Sophia": (
        of("Sophia (SOUL)", 0.2),
        partial(Sophia, lr=0.2, weight_decay=0.0),
    ),
}


UNDIAL = FAMILY["UNDIAL(10)"].at(2.0)
RUNS = [(name, NPO_1) for name in TORCH] + [(name, UNDIAL) for name in ("Adam", "AMSGrad", "sign")]


@pytest.mark.parametrize(("name", "loss"), RUNS)
def test_every_rule_is_torch_s_step_for_step(name: str, loss: Any) -> None:
    optimiser, make = TORCH[name]
    theta = torch.full((1,), loss.confidence, dtype=torch.float64)  # the logit c − m
    stepping, found = make([theta]), []
    for _ in range(200):
        theta.grad = torch.from_numpy(loss.speed(loss.confidence - theta.numpy()))
        stepping.step()
        found.append(loss.confidence - theta.item())
    ours = simulate(loss, optimiser, np.arange(1, 201), compiled=False)
    # where a force is beyond m* sign and Adam's noise amplify rounding; both stay at it
    assert np.abs(ours - np.array(found)).max() < (1e-12 * max(1.0, ours.max()) if loss is NPO_1 else 1e-10)


@needs_numba
@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_compiled_loop_is_the_plain_one(name: str) -> None:
    at = np.array([1, 10, 400])
    fast_one, slow = (simulate(NPO, OPTIMISERS[name], at, compiled=compiled) for compiled in (True, False))
    np.testing.assert_allclose(fast_one, slow, rtol=1e-13)


@pytest.mark.parametrize("name", FAMILY)
def test_the_table_is_the_loss_s_own_force(name: str) -> None:
    loss = FAMILY[name].at(2.0)
    try:
        table = force(loss)
    except ValueError:
        assert name.startswith("KTO(") or loss.speed(np.zeros(1))[0] <= 0
        return
    margins = np.random.default_rng(0).uniform(0, min(30.0, table.end), 200)
    np.testing.assert_allclose([table(float(m)) for m in margins], loss.speed(margins), rtol=1e-9, atol=1e-13)


def test_a_force_that_can_t_be_followed_is_refused() -> None:
    for speed, said in (
        (lambda m: -np.ones_like(m), "push its answer down"),
        (np.cos, "changes its sign"),
        (lambda m: np.where(m > 5, np.nan, 1.0), "not finite"),
    ):
        with pytest.raises(ValueError, match=said):
            force_of(speed, 0.0)
    with pytest.raises(ValueError, match="lr > 0"):
        adam(-1.0)


@needs_numba
@pytest.mark.parametrize(("beta", "loss"), [(0.1, NPO), (1.0, NPO_1)])
@pytest.mark.parametrize("lr", [1e-3, 1e-2, 0.1])
def test_adam_s_speed_is_the_fixed_point_s(beta: float, loss: Any, lr: float) -> None:
    m = simulate(loss, adam(lr), [100_000, 200_000])
    speed = laws.adam_speed(beta, lr)
    assert (m[1] - m[0]) / 100_000 == pytest.approx(speed, rel=3e-4)
    assert speed <= laws.adam_cap(beta) * (1 + 1e-12)
    assert speed / lr == pytest.approx(laws.adam_ratio(beta * lr / 1e-3), rel=0.02)


@given(st.floats(0.01, 10), st.floats(1e-5, 10))
def test_adam_is_between_0_and_both_its_caps(k: float, lr: float) -> None:
    assert 0 < laws.adam_speed(k, lr) <= min(lr * 1.0001, laws.adam_cap(k) * (1 + 1e-12))


@needs_numba
def test_floors_bring_the_logarithm_back() -> None:
    flow = classify(NPO).growth
    for optimiser, floor in ((adam(1e-2, eps=1e-3), 1e-3), (adam(1e-2, floor=0.1), 0.1)):
        m = simulate(NPO, optimiser, [1_000_000])
        assert m[0] == pytest.approx(float(laws.in_steps(flow, 1e-2 / floor)(1e6)), abs=0.3)
    assert laws.floored(flow, 1e-8) == pytest.approx(193.2, abs=0.1)  # m₀ + 10 log 2e8


@needs_numba
def test_an_explicit_retain_gradient_is_a_floor() -> None:
    """Of alternating sign: what torch does with it is what σ does."""
    theta = torch.full((1,), 2.0, dtype=torch.float64)
    stepping = torch.optim.Adam([theta], lr=1e-2, eps=0.0)
    for t in range(600):
        theta.grad = torch.from_numpy(NPO_1.speed(2.0 - theta.numpy())) + 0.3 * (-1) ** t
        stepping.step()
    assert 2.0 - theta.item() == pytest.approx(float(simulate(NPO_1, adam(1e-2, floor=0.3), [600])[0]), abs=0.05)


@needs_numba
@pytest.mark.parametrize("fading", [1e-5, 1e-4, 1e-2])
def test_where_the_retain_gradient_fades_exponentially_the_floor_gives_out(fading: float) -> None:
    m = simulate(NPO_1, adam(1e-2, floor=0.1, fading=fading), [400_000, 800_000])
    assert (m[1] - m[0]) / 400_000 == pytest.approx(laws.fading_speed(1.0, 1e-2, fading), rel=0.02)


@needs_numba
def test_weight_decay_s_fixed_points() -> None:
    for loss, m in ((GA, 102.0), (NPO, 23.364), (NPO_1, 5.985)):
        assert laws.decayed(force(loss), 1e-2) == pytest.approx(m, abs=1e-3)
        run = simulate(loss, OPTIMISERS["GD, weight decay"], [300_000])
        assert run[0] == pytest.approx(m, abs=1e-3)
        assert simulate(loss, OPTIMISERS["AdamW"], [1_000_000])[0] == pytest.approx(102.0, abs=0.05)


@needs_numba
def test_what_never_forgets_keeps_the_logarithm() -> None:
    at = np.unique(np.geomspace(1e4, 1e6, 40).astype(int))
    for loss, k in ((NPO, 0.1), (NPO_1, 1.0)):
        flow = classify(loss).growth
        for name in ("heavy ball", "AMSGrad", "AdaGrad"):
            found = classify_run(at, simulate(loss, OPTIMISERS[name], at)).growth
            assert (found.kind, found.coefficient) == ("logarithmic", pytest.approx(1 / k, rel=0.05))
        law = laws.under_adagrad(flow, 0.1, float(loss.value(np.zeros(1))[0]))  # its least value is 0
        assert simulate(loss, OPTIMISERS["AdaGrad"], [1_000_000])[0] == pytest.approx(float(law(1e6)), abs=0.15)
    ascent = classify_run(at, simulate(GA, OPTIMISERS["AdaGrad"], at)).growth
    assert (ascent.kind, ascent.coefficient) == ("square root", pytest.approx(0.04, rel=0.05))


@needs_numba
def test_second_order_unlearning_inverts_the_slowdown() -> None:
    """SOUL's steps grow as NPO's gradient fades: slope lr beyond 1/(ρ·bs), where GA has lr/(ρ·bs)."""
    fast_one = of("Sophia (SOUL)", 1e-2)
    ga, npo = (float(simulate(loss, fast_one, [1_000_000])[0]) for loss in (GA, NPO))
    assert ga == pytest.approx(51, abs=1)
    assert npo == pytest.approx(420, abs=2)


@pytest.mark.parametrize("overlap", [0.0, 0.5, -0.3])
def test_a_forget_and_a_retain_example(overlap: float) -> None:
    at = np.array([500, 1000])
    for loss in (GA, NPO, NPO_1):
        pair = simulate_pair(loss, "NGDiff", lr=1e-2, overlap=overlap, at=at)
        np.testing.assert_allclose(pair[:, 0], 1e-2 * (1 - overlap) * at, rtol=1e-12)
        kept = simulate_pair(loss, "GRU", lr=0.1, overlap=overlap, at=at)
        speed = 0.1 * (1 - overlap**2 if overlap > 0 else 1)
        alone = simulate(loss, of("GD", speed), at, compiled=False)
        np.testing.assert_allclose(kept[:, 0], alone, rtol=1e-12)
        assert np.all(kept[:, 1] == 0) == (overlap >= 0)


@given(st.sampled_from(["linear", "square root", "logarithmic", "finite"]), st.floats(0.1, 10), st.floats(0, 5))
def test_a_run_s_class_is_told(kind: str, a: float, b: float) -> None:
    t = np.geomspace(1, 1e6, 60)
    m = {"linear": a * t + b, "square root": np.sqrt(a * t), "logarithmic": a * np.log(t) + b, "finite": b + a / t}
    found = classify_run(t, m[kind])
    assert found.growth.kind == kind
    assert found.sure > 0.9
    assert kind == "finite" or found.growth.coefficient == pytest.approx(a, rel=1e-3)


KEPT, LINEAR, HELD = (
    ("GD", "heavy ball", "SAM", "AMSGrad", "Adam, σ = 0.1"),
    ("Adam, ε = 0", "sign, normalised GD"),
    "finite",
)


@needs_numba
@pytest.mark.parametrize("name", LOSSES)
def test_the_grid_s_classes_are_those_of_the_laws(name: str) -> None:
    """In a part of its steps, where classes have settled by then."""
    loss, flow = FAMILY[name].at(2.0), FAMILY[name].predicted(2.0).kind
    at = log_grid(100_000 if flow in ("linear", "logarithmic") else 500_000, 100)
    expected = dict.fromkeys(KEPT, flow) | dict.fromkeys(LINEAR, HELD if flow == HELD else "linear")
    expected["GD, weight decay"] = HELD
    assert {row: classify_run(at, simulate(loss, OPTIMISERS[row], at)).growth.kind for row in expected} == expected
