"""The family against the atlas: its scalar model, what is read off a run, and units of both rooms."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from records.store import load
from records.work import run_missing
from synthetic.free_answers import FreeAnswers, pace, predicted_by_method, predicted_drops
from synthetic.logistic import presets as logistic_presets
from synthetic.logistic.practice import orthogonal
from synthetic.logistic.presets import load_problem
from synthetic.logistic.units import units as logistic_units
from synthetic.practice import MOVERS, at_drop, at_end, correlated, family, forget_loss, runs_of
from synthetic.transformer import presets as transformer_presets
from synthetic.transformer.units import units as transformer_units
from theory.atlas.scalar import ScalarLoss
from theory.losses import npo, undial, wga
from theory.objective import Objective, compose, method
from theory.theorems.time.flows import ga_margin
from theory.weights import log_sigmoid

pytestmark = pytest.mark.integration  # the small main job of the fast tests runs the same units

GD, ADAM = MOVERS
ONE = FreeAnswers((2.0, -2.0, -2.0), (1, 1, 1), 2)
LOGISTIC = replace(logistic_presets.QUICK, fit_steps=500, practice_steps=8)
SMALL = replace(transformer_presets.QUICK, practice=transformer_presets.Practice(steps=3, lr=4e-2, seeds=1))


@pytest.mark.parametrize("kernel", [partial(npo, beta=0.5), partial(wga, beta=1.0), partial(undial, beta=10.0)])
def test_a_free_answer_of_one_token_moves_as_the_atlas_says(kernel):
    for margin in (0.0, 1.0, 4.0):
        theta = torch.tensor([2.0 - margin, -2.0, -2.0], dtype=torch.float64)
        told = ScalarLoss("", kernel, 2.0).speed(np.array([margin]))[0]
        assert float(ONE.slope(theta, compose(kernel))[0]) == pytest.approx(told, rel=1e-9)


def test_its_flow_under_gradient_ascent_is_the_closed_one():
    found = predicted_drops(ONE, method("GA"), GD, [5.0] * 4)
    margins = ga_margin(np.arange(5) * 5.0, 2.0)
    assert found == pytest.approx(log_sigmoid(2.0) - log_sigmoid(2.0 - margins), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("mover", MOVERS, ids=lambda mover: mover.name)
def test_the_pace_leads_gradient_ascent_where_it_was_measured(mover):
    answers = FreeAnswers((3.0, -2.0, -2.0), (5, 3, 3), 50)
    steps, rates = np.arange(41.0), [1.0] * 40
    told = pace(answers, mover, steps, 0.5 * steps, rates, 10.0)
    drop = predicted_drops(answers, method("GA"), mover, [told] * 40)
    assert float(np.interp(20, steps, drop)) == pytest.approx(10.0, rel=0.1)


def test_of_what_is_not_in_the_scalar_model_nothing_is_predicted():
    found = predicted_by_method(ONE, {"X+RT": Objective(lambda hidden: hidden.sum(-1)), "GA": method("GA")}, GD, [1.0])
    assert list(found) == ["GA"]


def test_every_loss_is_there_alone_and_with_a_retain_term():
    methods = family()
    assert {forget_loss(name) for name in methods} <= methods.keys()
    assert all(f"{loss}+RT" in methods for loss in {forget_loss(name) for name in methods})


def test_what_is_read_off_a_run():
    run = {"steps": np.array([0.0, 1.0, 2.0]), "drop": np.array([0.0, 4.0, 3.0])}
    assert (at_drop(run, "steps", 2.0), at_end(run, "drop")) == (0.5, 3.0)
    assert np.isnan(at_drop(run, "steps", 5.0))
    assert np.isnan(at_end({"drop": np.array([])}, "drop"))


def test_a_correlation_is_of_what_is_known_of_both():
    x = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": np.nan}
    assert correlated(x, {"a": 9.0, "b": 5.0, "c": 2.0, "d": 1.0, "e": 0.0}) == pytest.approx((-1.0, 0.0, 4))
    assert np.isnan(correlated(x, dict.fromkeys(x, 1.0)).rho)


def test_the_logistic_room_with_orthogonal_rows_keeps_confidence_and_pace(logistic):
    problem = load_problem(next(logistic.glob("logistic/memorised-0-*")))
    for signed in (False, True):
        apart = orthogonal(problem, signed=signed)
        assert apart.H_forget @ apart.theta_ref == pytest.approx(problem.H_forget @ problem.theta_ref)
        assert np.count_nonzero(apart.H_forget) == len(problem.y_forget)


@pytest.fixture(scope="module")
def logistic(tmp_path_factory):
    out = tmp_path_factory.mktemp("logistic")
    wanted = [u for u in logistic_units(LOGISTIC) if "practice" in u.name or "memorised-0" in u.name]
    run_missing(wanted, out)
    return out


def test_the_logistic_units_hold_every_loss_or_say_why_not(logistic):
    for mover in MOVERS:
        data = load(logistic / f"logistic/practice-{mover.name}")
        (runs,) = runs_of(data).values()
        assert runs.keys() | data.values["without"].keys() == family().keys()
        for name, run in runs.items():
            assert run["drop"][0] == run["predicted"][0] == 0
            assert len({len(column) for column in run.values()}) == 1, name
        assert at_end(runs["NPO"], "drop") > at_end(runs["SatImp"], "drop")


def test_the_transformer_s_units_predict_what_they_can(tmp_path):
    run_missing(transformer_units(SMALL, ("practice",)), tmp_path)
    for mover in MOVERS:
        data = load(tmp_path / f"transformer/practice-{mover.name}")
        (runs,) = runs_of(data).values()
        assert runs.keys() | data.values["without"].keys() == family().keys()
        assert data.values["wanted"]["0"] > 0
