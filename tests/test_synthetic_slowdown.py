"""Numbers about how fast a run goes, on runs whose speed is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.transformer.slowdown import collapse, departure, factors, late, of_run, slope, weight_spread
from theory.theorems.time.intrinsic_time import curve, time_on_curve
from theory.theorems.time.paths import IntrinsicPath


def _path(clock, drop, time=None, remainder=None):
    time = np.arange(float(len(clock))) if time is None else time
    return IntrinsicPath(time, clock, drop, 0 * clock if remainder is None else remainder)


def test_columns_of_a_run_are_found_by_its_label():
    arrays = {"1.steps": np.arange(2), "11.steps": np.arange(3), "1.drop": np.zeros(2)}
    assert set(of_run(arrays, "1")) == {"steps", "drop"}
    assert of_run(arrays, "11")["steps"].size == 3


@given(power=st.floats(0.5, 3.0), beta=st.floats(0.1, 2.0))
def test_factors_of_a_set_on_the_curve_whose_clock_is_a_power_of_time(power, beta):
    time = np.append(0.0, np.geomspace(1e-3, 1e9, 400))
    clock = np.stack([c * time**power / beta for c in (1.0, 1.3)], axis=1)
    drop = curve(beta * clock) / beta
    found = factors(_path(clock, drop, time), beta)
    assert found.kernel == pytest.approx(power, rel=1e-6)
    assert found.weights == pytest.approx(1, rel=1e-6)
    assert found.asymptote == pytest.approx(1, abs=0.01)
    assert found.slope == pytest.approx(found.kernel * found.weights * found.asymptote, rel=1e-9)


def test_examples_whose_clock_ran_backward_are_left_out_of_the_factors():
    time = np.append(0.0, np.geomspace(1e-3, 1e6, 200))
    clock = np.stack([time, -time], axis=1)
    drop = curve(np.stack([time, time], axis=1))
    assert factors(_path(clock, drop, time), 1.0).kernel == pytest.approx(1)


def test_collapse_is_between_the_looks_and_infinite_where_there_is_none():
    at = np.array([0.0, 1.0, 10.0, 100.0])
    assert collapse(at, np.array([1.0, 1.0, 0.9, 0.1])) == pytest.approx(10**1.5)
    assert collapse(at, np.ones(4)) == np.inf
    assert collapse(at, np.array([0.2, 0.1, 0.1, 0.1])) == 0.0
    assert collapse(at, np.array([1.0, 0.1, 0.1, 0.1])) == 1.0  # nothing is between 0 and 1 in the logarithm


def test_a_set_on_the_curve_has_no_departure_and_one_that_leaves_it_that_of_its_remainder():
    beta, drop = 0.5, np.linspace(0, 20, 50)[:, None] * np.array([1.0, 1.2])
    clock = time_on_curve(beta * drop) / beta
    on = departure(_path(clock, drop), beta)
    assert on.measured == pytest.approx(0, abs=1e-9)
    off = departure(_path(0.3 * clock, drop, remainder=0.7 * clock), beta)
    assert off.measured == pytest.approx(off.predicted, abs=1e-9)
    assert off.measured[-1] > 0.5


def test_equal_drops_have_no_spread_of_weights():
    assert weight_spread(np.full((3, 4), 2.0)) == pytest.approx(0)
    assert weight_spread(np.array([0.0, 800.0])) == pytest.approx(1)  # one weight is 1, the other 0


def test_late_is_the_last_factor_of_time():
    time = np.array([0.0, 1.0, 10.0, 99.0, 100.0])
    assert late(time).tolist() == [False, False, True, True, True]
    assert slope(np.arange(5.0), 3 * np.arange(5.0)) == pytest.approx(3)
