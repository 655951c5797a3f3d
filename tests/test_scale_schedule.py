"""Schedules that would train nothing are refused; runs that blow up or change nothing say so and keep what was good."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_recipe import SMALL

from records.errors import UserError
from records.store import load
from records.work import run_missing
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.loading import scratch
from scale.models.loading import whole as loading
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.recipes.file import read_recipe
from scale.runtime.bits import bits
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule, idle, learning_rate, steps_of

PLAIN = FORMATS["plain"]
TEXTS = authors(2, seed=0)[:12]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 300)
WRITER = Writer(TOKENIZER, PLAIN, 512)
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=16, layers=1, heads=2, feed_forward=16), seed=0)


def _training(**changes):
    schedule = Schedule(**{"lr": 1e-3, "epochs": 2, "batch": 4, "piece": 4} | changes)
    rows = TrainingRows(ENCODED)
    return Training(
        Scorer(copy.deepcopy(MODEL)), likelihood, rows, schedule, seed=0, pad=WRITER.pad, processes=Processes("cpu")
    )


# --- rates --------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 5), st.integers(1, 20), st.integers(1, 20), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.floats(1e-6, 1)
)
def test_a_schedule_is_idle_where_all_its_rates_are_0(epochs, rows, batch, warmup, lr):
    schedule = Schedule(lr=lr, epochs=epochs, batch=batch, warmup=warmup)
    steps = steps_of(schedule, rows)
    rates = [learning_rate(schedule, step, steps) for step in range(epochs * steps)]
    assert bool(idle(schedule, rows)) == (max(rates) == 0)
    assert all(0 <= x <= lr for x in rates)


@pytest.mark.parametrize("wrong", [{"epochs": 10**9}, {"lr": math.inf}, {"warmup": math.nan}, {"batch": 0}])
def test_absurd_schedules_are_refused(wrong):
    with pytest.raises(ValidationError):
        Schedule(**{"lr": 1.0, "epochs": 1} | wrong)


def test_a_batch_or_piece_of_any_size_is_all_rows():
    ends = []
    for size in (len(ENCODED), 10**30, 10**400):
        training = _training(batch=size, piece=size)
        assert training.steps == 1
        list(training.run())
        ends.append(bits(training.scorer.parameters()))
    assert ends[0] == ends[1] == ends[2]


def test_a_recipe_that_would_train_nothing_is_refused_before_anything_runs():
    words = [word for word in SMALL if not word.startswith(("unlearn.epochs", "finetune.epochs"))]
    words += ["finetune.epochs=1", "finetune.batch=1000", "unlearn.epochs=1", "unlearn.batch=1000"]
    with pytest.raises(UserError, match="the only step has the learning rate 0") as caught:
        units(read_recipe("quick", words), Processes("cpu"))
    for name in ("finetune:", "retrain:", "unlearn.methods GA:", "unlearn.methods NPO+RT:"):
        assert name in str(caught.value)
    units(read_recipe("quick", [*words, "unlearn.warmup=0", "finetune.warmup=0"]), Processes("cpu"))


# --- what changed -------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(width=32), min_size=1, max_size=6), st.floats(width=32), st.integers(0, 5))
def test_any_other_number_has_other_bits(values, new, place):
    one = torch.tensor(values)
    other = one.clone()
    other[place % len(values)] = new
    same = torch.equal(one.view(torch.int32), other.view(torch.int32))
    assert (bits([one]) == bits([other])) == same


@pytest.mark.parametrize(("lr", "changed"), [(1e-3, True), (1e-40, False)])
def test_a_run_that_changes_nothing_says_so(lr, changed):
    training = _training(lr=lr)
    list(training.run())
    assert training.changed() == changed


# --- what blows up ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_model_that_blew_up_in_its_last_step_is_no_end_of_an_epoch(epochs):
    training = _training(epochs=epochs, batch=12, lr=1e40 if epochs == 1 else 1e-3, warmup=0)
    moments = []
    for moment in training.run():
        moments.append(moment)
        if moment.epoch == epochs - 1:
            training.schedule = training.schedule.model_copy(update={"lr": 1e40})
    assert [m.ended for m in moments] == [True] * (epochs - 1) + [False]
    assert moments[-1].stopped == f"After epoch {epochs} the log-probabilities of answers are not finite."
    assert moments[-1].steps[-1]["loss"] is not None


def test_a_stage_that_blew_up_in_its_last_step_is_a_failure(tmp_path):
    words = [word for word in SMALL if not word.startswith("finetune.epochs")]
    recipe = read_recipe(
        "quick", [*words, "finetune.epochs=1", "finetune.batch=1000", "finetune.warmup=0", "finetune.lr=1e40"]
    )
    with pytest.raises(UserError, match=r"finetune diverged: After epoch 1 .* not finite\. Choose a smaller lr\."):
        run_missing(units(recipe, Processes("cpu"))[:1], tmp_path)
    assert not (tmp_path / "finetune").exists()


@pytest.mark.parametrize("kept", [False, True])
def test_unlearning_that_blew_up_keeps_the_model_of_its_last_good_epoch_or_none(kept, tmp_path):
    """All rows in one step, the first at rate 0: the first epoch is sound, the second is not."""
    change = [word for word in SMALL if not word.startswith("unlearn.epochs")]
    change += ["unlearn.methods=[GA]", "unlearn.epochs=3", "unlearn.batch=1000", "unlearn.lr=1e40"]
    change += [] if kept else ["unlearn.warmup=0"]
    run_missing(units(read_recipe("quick", change), Processes("cpu")), tmp_path)
    values = load(tmp_path / "unlearn/GA-s0").values
    assert "not finite" in values["stopped"]
    assert ("The model is that of epoch 1." in values["stopped"]) == kept
    assert (tmp_path / "unlearn/GA-s0/model").exists() == kept
    if kept:
        assert not values["changed"]
        model = loading.load(tmp_path / "unlearn/GA-s0/model").model
        assert all(p.isfinite().all() for p in model.parameters())
        assert [m["epoch"] for m in values["moments"]] == [0, 1]
