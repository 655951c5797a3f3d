"""The units of the logistic room: a small run leaves what their docstrings promise, and settings touch their own."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.store import Data, load
from records.work import keys, run_missing
from synthetic.grid import log_grid
from synthetic.logistic import load_trajectories
from synthetic.logistic.presets import QUICK, REPRODUCE
from synthetic.logistic.units import units
from theory.objective import METHODS
from theory.theorems.time.paths import labels_of

TINY = dataclasses.replace(
    QUICK, fit_steps=200, steps=50, figure3_steps=50, long_steps=100, set_steps=20, loss_times_most=15
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    folder = tmp_path_factory.mktemp("study")
    run_missing(units(TINY), folder)
    assert set(load_trajectories(folder / "logistic/methods-0-1000")) == set(METHODS)
    assert list(load_trajectories(folder / "logistic/long-1000")) == ["GA", "NPO-0.1", "NPO-0.5", "NPO-1"]
    return {unit.name: load(folder / unit.name) for unit in units(TINY)}


def test_every_unit_leaves_what_it_promises(results: dict[str, Data]) -> None:
    alone = results["logistic/law"].arrays
    assert {"single-0-0", "single-0.1-0", "set-1"} <= set(labels_of(alone))
    assert alone["set-1.remainder"].shape == (21, 200)
    assert results["logistic/figure3-1000"].arrays["NPO-0.2.steps"].tolist() == list(range(0, 51, 5))
    order = results["logistic/order-1000"].arrays
    assert order["0.1-0"].shape == order["step"].shape
    departure = results["logistic/departure-1000"].arrays
    for name in ("time", "drop", "law", "agreeing", "exact", "rising", "backward", "minority"):
        assert np.isfinite(departure[f"1-0-0.1.{name}"]).all()
    np.testing.assert_allclose(departure["1-0-0.1.exact"], departure["1-0-0.1.drop"], atol=0.2)
    margin = results["logistic/margin-1000"].arrays
    assert (np.isnan(margin["0.5.margin"]) == margin["0.5.given_up"]).all()
    assert len(margin["0.5.rate"]) == TINY.margin_examples


def test_a_setting_makes_its_own_units_anew_and_no_other() -> None:
    before = keys(units(REPRODUCE))
    for change, touched in {
        "long_steps": ("long",),
        "figure3_every": ("figure3",),
        "every": ("methods",),
        "departure_until": ("departure",),
        "margin_examples": ("margin",),
        "law_until": ("law", "order"),
    }.items():
        other = dataclasses.replace(REPRODUCE, **{change: getattr(REPRODUCE, change) + 1})
        after = keys(units(other))
        changed = {name.split("/")[1].split("-")[0] for name in before if before[name] != after[name]}
        assert changed <= set(touched), change
        assert changed & set(touched), change


@given(steps=st.integers(1, 10**6), per_decade=st.integers(1, 30))
def test_a_log_grid_begins_at_0_ends_at_the_end_and_increases(steps: int, per_decade: int) -> None:
    grid = log_grid(steps, per_decade)
    assert (grid[0], grid[-1]) == (0, steps)
    assert all(a < b for a, b in pairwise(grid))
