"""The logistic room's unit on few bits: what it leaves, and that the law's mean and spread are those that it finds."""

from pathlib import Path

import numpy as np
import pytest

from records.store import Data, load, save
from synthetic.logistic.gaussians import draw
from synthetic.logistic.presets import QUICK
from synthetic.logistic.problem import problem_from_arrays
from synthetic.logistic.rounding import SIZES, rounding_unit
from theory.theorems.rounding.walk import ROUNDINGS


def test_the_drop_survives_on_average_with_the_predicted_spread(tmp_path: Path) -> None:
    problem = problem_from_arrays(**vars(draw(alpha=1.0, seed=1, n_forget=200)), fit_steps=200)
    for name in ("problem", "found"):
        (tmp_path / name).mkdir()
    save(tmp_path / "problem", Data(vars(problem), {}))
    unit = rounding_unit(QUICK, "problem")
    unit.run(tmp_path / "found", {"problem": tmp_path / "problem"}, lambda at, total: None)
    found = load(tmp_path / "found").arrays
    assert found["moved"] < found["known"]
    for grid in ROUNDINGS:
        falls, expected = found[f"{grid}.falls"], found[f"{grid}.expected"]
        assert falls.shape == expected.shape == (len(SIZES), 9)
        assert falls[0].mean() / expected[0].mean() == pytest.approx(1, abs=0.2)
        assert np.all(np.diff(found[f"{grid}.spread"]) > 0)  # the smaller the move, the less sure
    at = found["int8.falls"][1].std() / found["int8.expected"][1].mean()
    assert at == pytest.approx(found["int8.spread"][1], rel=0.8)
