"""Unlearning and relearning a language model's answers: the laws both ways, an equal drop, and what is kept."""

import numpy as np
import pytest
import torch
from test_scale_recovery_part import _made

from npo.runs.way_back import entry
from scale.law import rungs
from scale.law.equal_drop import curve_of, to_the_drop
from scale.law.way_back import HowFarBack, off_the_laws, there_and_back, times
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training
from scale.training.schedule import Schedule
from theory.objective import method
from theory.theorems.recovery.relearning import npo_ratio

HOW = HowFarBack(nats=4.0, step=0.1, unit=0.5)


def test_one_answer_comes_back_in_the_nats_that_it_lost():
    language_model, rows, pad = _made()
    rung = rungs.full(language_model, rows[:1], pad)
    found = there_and_back(rung, 1.0, HOW)
    told = times(found, 1.0)
    assert told["lost"] > 0.99 * HOW.nats
    assert told["relearn"] == pytest.approx(told["gained"], rel=HOW.step)
    assert told["unlearn"] == pytest.approx(told["asked"], rel=2.2 * HOW.step)
    assert told["unlearn"] / told["relearn"] == pytest.approx(float(npo_ratio(told["lost"])), rel=0.25)
    assert told["plain_unlearn"] == pytest.approx(told["plain_asked"], rel=0.2)
    again = rung.log_probs(found.back.parameters)
    torch.testing.assert_close(again, rung.log_probs(rung.parameters), rtol=0, atol=0.4)


def test_a_set_leaves_its_law_there_and_not_on_the_way_back():
    language_model, rows, pad = _made()
    off = off_the_laws(there_and_back(rungs.head(language_model, rows, pad), 1.0, HOW), 1.0)
    assert off["exact"] < 0.15 < off["alone"]
    assert off["back"] < 0.1


def test_what_is_kept_of_a_rung():
    language_model, rows, pad = _made()
    kept = entry(lambda some: rungs.head(language_model, some, pad), rows, 2, 0, 0.0, HOW)
    assert [one["tokens"] for one in kept["singles"]] == [row.targets for row in rows[:2]]
    assert set(kept["path"]) == {"there", "back"}
    assert "set" not in kept


def test_unlearning_stops_at_the_drop_and_relearning_leaves_the_weights():
    language_model, rows, pad = _made()
    scorer, processes = Scorer(language_model.model), Processes("cpu")
    schedule = Schedule(lr=3e-3, epochs=1, steps=30, batch=3, warmup=0.0, falls=False)
    training = Training(scorer, method("GA"), TrainingRows(rows), schedule, seed=0, pad=pad, processes=processes)
    stopped = to_the_drop(training, 5.0)
    assert stopped is not None
    assert stopped.drop.mean() == pytest.approx(5.0, abs=0.5)
    before = [p.detach().clone() for p in scorer.parameters()]
    curve = curve_of(scorer, rows, schedule, pad=pad, processes=processes)
    assert all(torch.equal(p, q) for p, q in zip(scorer.parameters(), before, strict=True))
    assert len(curve) == 31
    assert np.all(np.diff(curve[:5]) < 0)
    assert to_the_drop(training, 1e9) is None
