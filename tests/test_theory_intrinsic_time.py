"""The intrinsic-time law: curve, clocks against a full kernel, the law and its rate, the remainder of a set."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.theorems.specimens import Specimen, linear_logistic, small_network
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.intrinsic_time import (
    INTRINSIC_TIME,
    Single,
    bounds_on_curve,
    curve,
    follow,
    rates,
    time_on_curve,
    weight_by_drop,
)


@given(st.floats(1e-8, 300))
def test_the_curve_inverts(y: float) -> None:
    assert float(curve(time_on_curve(np.array(y)))) == pytest.approx(y, rel=1e-12)


def test_the_curve_starts_as_gradient_ascent_and_ends_as_a_logarithm() -> None:
    assert float(curve(np.array(1e-9))) == pytest.approx(1e-9, rel=1e-6)
    assert float(curve(np.array(1e30))) == pytest.approx(np.log(2e30), rel=1e-12)


@settings(max_examples=max(8, settings.default.max_examples // 2))
@given(n=st.integers(1, 6), seed=st.integers(0, 1000), beta=st.sampled_from([0.0, 0.3, 2.0]))
def test_rates_are_those_of_the_full_tangent_kernel(n: int, seed: int, beta: float) -> None:
    specimen = small_network(n=n, seed=seed)
    weight = weight_by_drop(beta)(torch.linspace(0, 2, n, dtype=torch.float64))
    jacobian = torch.func.jacrev(specimen.log_probs)(specimen.parameters)
    flat = torch.cat([j.reshape(n, -1) for j in jacobian.values()], dim=1)
    kernel = flat @ flat.T
    found = rates(specimen.log_probs, specimen.parameters, weight)
    torch.testing.assert_close(found.clock, kernel.mean(dim=1))
    torch.testing.assert_close(found.motion, kernel @ weight / n)
    gradient = torch.cat([found.gradient[k].flatten() for k in jacobian])
    torch.testing.assert_close(gradient, flat.T @ weight / n)


SPECIMENS = [linear_logistic(confidence=2.0), linear_logistic(confidence=7.0), small_network(seed=5)]


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("specimen", SPECIMENS, ids=["undecided", "saturated", "network"])
def test_one_example_is_on_the_curve(specimen: Specimen, beta: float) -> None:
    verdict = INTRINSIC_TIME.check(Single(specimen.log_probs, specimen.parameters, beta, step=0.05, until=4.0))
    assert verdict.holds, verdict


def test_the_law_can_fail() -> None:
    """A path that follows GA's line is not on NPO's curve."""
    time = np.geomspace(1, 100, 20)
    bounds = bounds_on_curve(time, gradient_ascent=False, step=0.05)
    assert not np.all(time <= bounds.upper)


def test_discretisation_error_is_first_order() -> None:
    specimen, errors, steps = small_network(seed=1), [], np.array([0.2, 0.1, 0.05])
    for step in steps:
        measured = INTRINSIC_TIME.measure(Single(specimen.log_probs, specimen.parameters, 1.0, step=step, until=5.0))
        errors.append(np.abs(measured.value - curve(measured.at)).max())
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_a_set_leaves_the_curve_by_its_remainder(beta: float) -> None:
    specimen = small_network(n=6, seed=2)
    left = []
    for step in (0.06, 0.03):
        path = follow(specimen.log_probs, specimen.parameters, weight_by_drop(beta), step=step, until=5.0, scale=beta)
        reached = time_on_curve(beta * path.drop)
        left.append(np.abs(reached - beta * (path.clock + path.remainder)).max() / reached.max())
        off = np.abs(reached - beta * path.clock).max() / reached.max()
    assert left[1] < 0.02
    assert left[0] / left[1] == pytest.approx(2, abs=0.4)  # first order in the step
    assert off > 10 * left[1]


def test_ga_has_no_remainder() -> None:
    specimen = small_network(n=4, seed=3)
    path = follow(specimen.log_probs, specimen.parameters, weight_by_drop(0.0), step=0.02, until=3.0)
    assert np.abs(path.remainder).max() < 1e-12


def test_the_law_is_for_one_example() -> None:
    specimen = small_network(n=2)
    with pytest.raises(HypothesisError, match="for a set, compare with"):
        INTRINSIC_TIME.check(Single(specimen.log_probs, specimen.parameters, 1.0))


def test_observer_sees_every_recorded_step() -> None:
    specimen, seen = small_network(seed=4), []
    path = follow(
        specimen.log_probs,
        specimen.parameters,
        weight_by_drop(1.0),
        step=0.2,
        until=2.0,
        observe=lambda k, parameters: seen.append(float(specimen.log_probs(parameters)[0])),
    )
    np.testing.assert_allclose(seen[0] - np.array(seen), path.drop[:, 0], atol=1e-12)
