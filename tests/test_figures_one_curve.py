"""The opening picture: few examples of a set, off the curve at their clocks and on it with the remainder."""

import numpy as np
from matplotlib.figure import Figure

from figures import one_curve
from records.store import Data
from theory.theorems.time.intrinsic_time import time_on_curve
from theory.theorems.time.paths import IntrinsicPath, to_arrays


def _set(shares: np.ndarray, beta: float) -> IntrinsicPath:
    """A set that ends at as many drops, each at a share of the clock that its drop asks for."""
    drop = np.stack([np.zeros(len(shares)), np.linspace(2, 8, len(shares)) / beta])
    asked = time_on_curve(beta * drop) / beta
    return IntrinsicPath(np.arange(2.0), shares * asked, drop, (1 - shares) * asked)


def _results(shares: np.ndarray) -> dict[str, Data]:
    alone = _set(np.ones(1), 1.0)
    kept = to_arrays(alone, "tanh network, 1") | {"step": np.array(0.1)}
    values = {"betas": [1.0], "examples": [0], "set_betas": [0.1, 1.0]}
    arrays = to_arrays(alone, "single-1-0") | to_arrays(_set(shares, 1.0), "set-1")
    arrays |= to_arrays(_set(0.5 + shares / 2, 0.1), "set-0.1")
    return {"theory/intrinsic-time": Data(kept, {}), "logistic/law": Data(arrays, values)}


def _sets(figure: Figure) -> list[np.ndarray]:
    """The places of the open and of the filled markers on the right."""
    return [np.asarray(line.get_xdata()) for line in figure.axes[1].lines if line.get_linestyle() == "None"]


def test_the_set_that_leaves_the_curve_furthest_is_put_back_by_its_remainder() -> None:
    shares = np.geomspace(0.1, 5, 200)
    before, after = _sets(one_curve.draw(_results(shares)))
    assert before.size == one_curve.SHOWN
    np.testing.assert_allclose(before[[0, -1]], [0.1, 5])
    np.testing.assert_allclose(after, 1)


def test_examples_that_others_push_back_up_are_left_out() -> None:
    before, _ = _sets(one_curve.draw(_results(np.array([-1.0, 0.5, 2.0]))))
    np.testing.assert_allclose(before, [0.5, 2])
    assert not _sets(one_curve.draw(_results(np.array([-2.0, -3.0]))))


def test_each_half_has_one_legend_and_the_figure_none() -> None:
    figure = one_curve.draw(_results(np.array([0.5, 2.0])))
    assert not figure.legends
    assert all(ax.get_legend() for ax in figure.axes)
