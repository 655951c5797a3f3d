"""Pareto fronts, areas and bands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.logistic.fronts import bootstrap_band, front, hypervolume

paths = st.lists(st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)), min_size=2, max_size=8).map(np.array)


@given(path=paths)
def test_a_path_that_is_better_everywhere_has_the_larger_area_and_the_lower_front(path: np.ndarray) -> None:
    forget, retain = path.T
    at, corner = np.linspace(0, 2, 50), (2.5, 2.5)
    mine, better = front(forget, retain, at), front(0.5 * forget, 0.5 * retain, at)
    assert (better <= mine).all()
    assert (mine[1:] <= mine[:-1]).all()  # an inequality that ∞ ≤ ∞ satisfies
    assert 0 <= hypervolume(forget, retain, corner) <= hypervolume(0.5 * forget, 0.5 * retain, corner) <= 2.5**2


def test_areas_by_hand() -> None:
    line = np.linspace(0, 1, 11)
    assert hypervolume(line, 1 - line, (1.0, 1.0)) == pytest.approx(0.5, abs=5e-3)  # the triangle above it
    assert hypervolume(np.array([2.0, 3.0]), np.array([0.0, 0.0]), (1.0, 1.0)) == 0  # nothing from outside


def test_bands_hold_their_mean_and_know_where_there_is_none() -> None:
    mean, lower, upper = bootstrap_band([np.array([1.0, np.inf]), np.array([3.0, 2.0])])
    assert (lower[0], mean[0], upper[0]) == (1.0, 2.0, 3.0)
    assert np.isinf([mean[1], lower[1], upper[1]]).all()
    same = np.array([1.0, 2.0])
    assert all(np.array_equal(x, same) for x in bootstrap_band([same] * 4))
