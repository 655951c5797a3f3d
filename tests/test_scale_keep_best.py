"""Examined at chosen steps, and the best moment kept: by its rule, its model on disk, whatever ends the run."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from small_recipe import SMALL

from npo.runs.run import UnlearningRun, rows_of, warnings_of
from records.errors import UserError
from records.examined import Examined, kept_of
from records.store import load
from records.work import run_missing, silent
from scale.recipes.best import BestSettings, best_of
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.examining.evaluate import evaluate_model
from scale.stages.pipeline import units
from scale.stages.shared.prepared import context_of
from scale.tasks.kinds import task_of

ALONE = Processes("cpu")
SHORT = {
    word.partition("=")[0]: word for word in (*SMALL, "unlearn.epochs=3", "unlearn.batch=4", "unlearn.methods=[GA]")
}
RUN = "unlearn/GA-s0"  # three epochs of five steps on twenty rows
HIGHEST = "unlearn.best={maximise: forget_probability, at_least: {}}"  # of GA that is the first


def _units(*words):
    return units(read_recipe("quick", [*SHORT.values(), *words]), ALONE)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The models and examinations that all runs start from."""
    folder = tmp_path_factory.mktemp("start")
    run_missing([unit for unit in _units() if not unit.name.startswith("unlearn")], folder)
    return folder


@pytest.fixture
def run(start, tmp_path):
    """A function: the values of a run with these words."""

    def made(*words, reporter=lambda unit, cached: silent, folder=tmp_path / "run"):
        if not folder.exists():
            shutil.copytree(start, folder)
        run_missing(_units(*words), folder, reporter)
        return folder / RUN

    return made


# --- the rule ---------------------------------------------------------------------------------------------------

SCORES = st.fixed_dictionaries({name: st.none() | st.sampled_from([0.1, 0.4, 0.5, 0.9]) for name in ("a", "b")})


@given(st.lists(SCORES, min_size=1, max_size=6), st.sampled_from(["a", "-a"]), st.sampled_from([{}, {"b": 0.9}]))
def test_the_best_is_allowed_and_none_that_is_allowed_beats_it(scores, maximise, at_least):
    moments = [Examined(i, i, one) for i, one in enumerate(scores)]
    rule = BestSettings(maximise=maximise, at_least=at_least)
    sign = -1 if maximise == "-a" else 1
    value = {
        i: sign * one["a"]
        for i, one in enumerate(scores)
        if i
        and one["a"] is not None
        and (not at_least or (None not in (one["b"], scores[0]["b"]) and one["b"] >= 0.9 * scores[0]["b"]))
    }
    expected = min((i for i in value if value[i] == max(value.values())), default=None)
    assert best_of(moments, rule) == expected
    assert best_of([*moments, Examined(9, 9, {"a": None})], rule) == expected


def test_which_moment_is_kept_is_read_from_what_a_run_saved():
    moments = [{"step": step, "epoch": 0} for step in (0, 3, 5)]
    assert kept_of({"moments": moments}) == kept_of({"moments": moments, "kept": {"step": 4}}) == 2
    assert kept_of({"moments": moments, "kept": {"step": 3}}) == 1


# --- recipes ----------------------------------------------------------------------------------------------------

MISTAKES = {
    ("evaluate.at=[0]",): r"evaluate\.at\.0: Input should be greater than 0",
    ("evaluate.at=[2, 2]",): "at holds 2 more than once",
    ("evaluate.at=[2]", "evaluate.every=step"): "every and at both say when",
    ("unlearn.best={maximise: forget_rouge}",): "best is a rule for keep=best",
    ("unlearn.keep=first",): "Input should be 'last' or 'best'",
    (
        "unlearn.keep=best",
        "unlearn.best={maximize: x}",
    ): r"unlearn\.best\.maximize: there is no such key. Did you mean maximise",
    ("evaluate.at=[5, 99]",): r"evaluate\.at: GA: it has 15 steps, and none is the 99th",
    (
        "evaluate.at=[16]",
        "unlearn.keep=best",
        "unlearn.best={maximise: forget_probabilty}",
    ): r"none is the 16th[\s\S]*there is no score forget_probabilty. Did you mean forget_probability",
    ("unlearn.keep=best", "evaluate.generate=end"): "model_utility needs answers at every examination",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_told_before_anything_runs(words):
    with pytest.raises(UserError, match=MISTAKES[words]):
        _units(*words)


def test_what_is_not_asked_for_leaves_no_trace_in_settings():
    plain, chosen = (
        {unit.name: unit.settings for unit in _units(*words)}
        for words in ((), ("unlearn.keep=best", "evaluate.at=[4]"))
    )
    assert not {"keep", "at"} & plain[RUN].keys()
    assert "at" not in plain[RUN]["asked"]
    assert [name for name in plain if plain[name] != chosen[name]] == [RUN]


# --- runs -------------------------------------------------------------------------------------------------------


def test_it_is_examined_at_the_steps_that_are_named_and_at_the_end(run):
    folder = run("evaluate.at=[2, 7]")
    values = load(folder).values
    assert [(m["step"], m["epoch"]) for m in values["moments"]] == [(0, 0), (2, 1), (7, 2), (15, 3)]
    assert len(values["history"]["loss"]) == 15
    assert "kept" not in values


def test_the_model_answers_and_log_are_those_of_the_best_moment(run, tmp_path):
    folder = run("evaluate.at=[2, 7]", "unlearn.keep=best", HIGHEST, "evaluate.generate=end")
    values = load(folder).values
    kept = values["kept"]
    assert (kept["step"], kept["epoch"], kept["told"]) == (2, 1, "")
    assert kept["score"] == values["moments"][1]["forget_probability"]
    recipe = read_recipe("quick", list(SHORT.values()))
    (tmp_path / "again").mkdir()
    context, task = context_of(recipe, ALONE), task_of(recipe.data.kind)
    evaluate_model(tmp_path / "again", folder / "model", context, task, name="again")
    again = load(tmp_path / "again").values
    assert {name: values["moments"][1][name] for name in again["scores"]} == again["scores"]  # utility too, by now
    assert values["texts"] == again["texts"]
    logs = [json.loads((place / "log.json").read_text()) for place in (folder, tmp_path / "again")]
    assert logs[0] == logs[1]
    assert not list(folder.rglob("*best*"))
    made = UnlearningRun.read(folder)
    assert rows_of([made])[-1][1]["forget_probability"] == kept["score"]
    assert "GA: the model of step 2 is kept (most forget_probability)." in warnings_of([made])


class Killed(BaseException):
    """What ends a process in the middle."""


LOWEST = "unlearn.best={maximise: -forget_probability, at_least: {}}"


@pytest.mark.integration
@pytest.mark.parametrize("rule", [HIGHEST, pytest.param(LOWEST, marks=pytest.mark.integration)])
def test_killed_and_gone_on_it_keeps_the_same(run, tmp_path, rule):
    words = ("evaluate.at=[2, 7, 12]", "unlearn.keep=best", rule)
    whole = run(*words, folder=tmp_path / "whole")

    def killed(unit, cached):
        def progress(done, total):
            if done >= 3:
                raise Killed

        return progress if unit.name == RUN else silent

    with pytest.raises(Killed):
        run(*words, reporter=killed)
    (place,) = (tmp_path / "run/unlearn").glob(".GA-s0.*/checkpoint")
    assert (place / "best.safetensors").is_file()
    later = run(*words)
    one, other = load(whole), load(later)
    assert one.values == other.values
    assert one.values["kept"]["step"] == (2 if rule == HIGHEST else 15)
    assert all(np.array_equal(array, other.arrays[key], equal_nan=True) for key, array in one.arrays.items())
    assert (whole / "model/model.safetensors").read_bytes() == (later / "model/model.safetensors").read_bytes()


@pytest.mark.integration
def test_a_damaged_best_is_not_gone_on_with(run, tmp_path):
    words = ("unlearn.keep=best", HIGHEST)

    def killed(unit, cached):
        def progress(done, total):
            if done >= 2:
                raise Killed

        return progress if unit.name == RUN else silent

    with pytest.raises(Killed):
        run(*words, reporter=killed)
    (place,) = (tmp_path / "run/unlearn").glob(".GA-s0.*/checkpoint")
    whole = (place / "best.safetensors").read_bytes()
    (place / "best.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 4]))
    with pytest.raises(UserError, match=r"can't be resumed from: best\.safetensors: not what was written"):
        run(*words)


def test_a_run_that_diverges_keeps_the_best_before(run, start):
    folder = run("evaluate.at=[1]", "unlearn.keep=best", HIGHEST, "unlearn.lr=1e30")
    values = load(folder).values
    assert values["stopped"].endswith("is not finite. The model is that of step 1, the best.")
    assert values["kept"]["step"] == 1
    assert values["texts"]
    found, first = (load_file(place / "model/model.safetensors") for place in (folder, start / "finetune"))
    assert all(np.array_equal(found[name], first[name]) for name in first)  # the rate of the first step is 0


@pytest.mark.integration
def test_where_no_moment_meets_the_rule_the_last_is_kept_and_that_is_said(run):
    folder = run("unlearn.keep=best", "unlearn.best={maximise: forget_quality, at_least: {forget_probability: 9}}")
    kept = load(folder).values["kept"]
    assert (kept["step"], kept["score"]) == (15, None)
    assert "no moment met its rule" in kept["told"]
    assert "no moment met its rule" in warnings_of([UnlearningRun.read(folder)])[-1]


@pytest.mark.integration
def test_to_choose_by_the_retrained_model_is_called_a_peek(run):
    folder = run("unlearn.keep=best", "unlearn.best={maximise: -ks_statistic, at_least: {}}")
    assert "a peek" in json.loads((folder / "data.json").read_text())["kept"]["told"]
    assert BestSettings().peeks
    assert not BestSettings(maximise="-forget_probability").peeks
