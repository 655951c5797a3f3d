"""The rule for β in the small rooms: what a probe tells, what the units leave, and the figure of both rooms."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npo.report.gallery import GALLERY
from records.errors import UserError
from records.settings import override
from records.store import Data, load
from records.work import keys, run_missing
from synthetic.chosen_beta import Ran, by_setting, ending_at, multiples, of_adam, of_descent, ruled, tried
from synthetic.logistic import beta as logistic
from synthetic.logistic import presets as logistic_presets
from synthetic.transformer import beta as transformer
from synthetic.transformer import presets as transformer_presets
from theory.theorems.beta.chosen_beta import drop_at

QUICK = dataclasses.replace(logistic_presets.QUICK, fit_steps=3000, beta_steps=4000, beta_adam_steps=64)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    """The logistic room's units of a small size."""
    folder = tmp_path_factory.mktemp("beta")
    units = logistic.beta_units(QUICK)
    run_missing(units, folder)
    return {unit.name: load(folder / unit.name) for unit in units}


@given(beta=st.floats(1e-3, 1.0), drop=st.floats(1.0, 200.0), steps=st.integers(2, 60))
def test_a_law_says_of_its_own_probe_what_it_was_told(beta: float, drop: float, steps: int) -> None:
    for law in (of_descent(beta, drop, steps), of_adam(beta, drop, steps)):
        assert law.drop(beta) == pytest.approx(drop, rel=1e-6)
        assert law.drop(2 * beta) <= law.drop(beta) * (1 + 1e-9)


def test_a_probe_that_rose_or_overflowed_tells_nothing() -> None:
    for drop in (-1.0, 0.0, float("nan"), float("inf")):
        for law in (of_descent, of_adam):
            assert np.isnan([law(0.1, drop, 10).drop(0.1), law(0.1, drop, 10).beta(5.0)]).all()


def test_the_rule_is_right_where_the_law_is() -> None:
    """A model that is the law, budget doubling from look to look: predictions and choices are exact at every look."""
    multiple, wanted = multiples(9), 20.0
    budgets = np.array([10.0, 400.0, 800.0])
    drop = np.stack([drop_at(multiple / wanted, budget) for budget in budgets])
    found = ruled(Ran(drop, drop, drop), [25, 50, 100], multiple, wanted, of_descent)
    np.testing.assert_allclose(found["predicted"], drop, rtol=1e-9)
    assert np.isnan(found["chosen"][0])  # a budget of 10 nats brings no β to 20
    np.testing.assert_allclose(drop_at(found["chosen"][1:] / wanted, budgets[1:]), wanted, rtol=1e-9)
    assert ending_at(multiple, drop[2], wanted) == pytest.approx(found["chosen"][2], rel=0.02)
    assert np.isnan(ending_at(multiple, drop[0], wanted))
    assert np.isnan(tried(None, 3)["tried_drop"]).all()


def test_units_leave_the_columns_that_they_promise(results: dict[str, Data]) -> None:
    settings = by_setting(results, "logistic")
    assert list(settings) == [run.label for run in logistic.RUNS.values()]
    for label, (columns,) in settings.items():
        looks, runs = len(columns["steps"]), len(columns["multiple"])
        for name in ("drop", "forget_distance", "retain_distance", "predicted"):
            assert columns[name].shape == (looks, runs), (label, name)
        for name in ("chosen", "tried_drop", "tried_forget_distance", "tried_retain_distance"):
            assert columns[name].shape == (looks,), (label, name)
        assert columns["wanted"] > 0.5
        assert (np.diff(columns["drop"][-1]) < 0).all(), f"{label}: a larger β drops less"


def test_the_rule_s_own_run_ends_at_the_wanted_drop(results: dict[str, Data]) -> None:
    for label, (columns,) in by_setting(results).items():
        if np.isfinite(columns["chosen"][-1]) and "overlap" not in label:
            assert columns["tried_drop"][-1] == pytest.approx(columns["wanted"], rel=0.3), label
    assert np.isfinite(by_setting(results)["NPO"][0]["chosen"][-1])


def test_the_transformer_s_units_leave_the_same_columns(quick: Path) -> None:
    units = [u for u in transformer.beta_units(transformer_presets.QUICK) if "/beta-" in u.name]
    found = by_setting({unit.name: load(quick / unit.name) for unit in units}, "transformer")
    assert list(found) == [run.label for run in transformer.RUNS.values()]
    for label, (columns,) in found.items():
        assert columns["drop"].shape == (3, transformer_presets.QUICK.beta.runs), label
        assert columns["before"] > 0.5, label
        assert columns["wanted"] > 2.0, label
        assert np.isfinite(columns["forget_distance"]).all(), label
    assert found["NPO+RT, 10 tokens"][0]["wanted"] > 2 * found["NPO+RT, 2 tokens"][0]["wanted"]


def test_the_figure_shows_every_setting_of_both_rooms(results: dict[str, Data]) -> None:
    (plate,) = (plate for plate in GALLERY if plate.name == "swept_beta")
    both = {name: data for name, data in results.items() if "/beta-" in name}
    both |= {name.replace("logistic", "transformer"): data for name, data in both.items()}
    figure = plate.draw(plate.its(both))
    assert len(figure.axes[2].get_yticklabels()) == len(both)
    figure.canvas.draw()


def test_a_setting_of_the_sweep_makes_its_own_units_anew_and_no_other() -> None:
    before = keys(logistic.beta_units(QUICK))
    after = keys(logistic.beta_units(dataclasses.replace(QUICK, beta_lr=1e-3)))
    assert {name for name in before if before[name] != after[name]} == {n for n in before if "/beta-" in n}
    with pytest.raises(UserError, match="no whole people"):
        override(transformer_presets.QUICK, {"beta.shape.retain": "7"}, label="transformer")
