"""`evaluate: none` and `evaluate: end`: what is examined, what is read before training, what is left and said."""

import json

import pytest
import torch
from in_process import npo
from safetensors.torch import load_file
from small_recipe import SMALL

from records.errors import UserError
from records.store import load
from records.work import run_missing
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.stages.plan import estimate

WORDS = (*SMALL, "unlearn.methods=[GA+RT,NPO+KL]")


def _units(*words):
    return units(read_recipe("quick", [*WORDS, *words]), Processes("cpu"))


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """A run of which nothing is examined, and what it said."""
    folder = tmp_path_factory.mktemp("blind")
    return folder, npo("run", "quick", *WORDS, "evaluate=none", "--out", str(folder))


@pytest.mark.parametrize("word", ["end", "none"])
def test_one_word_says_when_and_leaves_the_other_keys(word, tmp_path):
    in_one = read_recipe("quick", ["evaluate.questions=7", f"evaluate={word}"])
    assert in_one == read_recipe("quick", ["evaluate.questions=7", f"evaluate.every={word}"])
    assert in_one.evaluate.questions == 7
    path = tmp_path / "mine.yaml"
    path.write_text(f"like: quick\nevaluate: {word}\n")
    assert read_recipe(str(path)) == read_recipe("quick", [f"evaluate.every={word}"])
    assert read_recipe(str(path), ["evaluate.questions=7"]) == in_one


def test_one_word_takes_the_place_of_steps(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("like: quick\nevaluate: {at: [1, 2]}\n")
    assert not read_recipe(str(path), ["evaluate=none"]).evaluate.examines
    assert read_recipe(str(path)).evaluate.at == (1, 2)


def test_another_word_is_told_with_those_that_there_are():
    with pytest.raises(UserError, match=r"evaluate.every: .*'end' or 'none', got 'nun'"):
        read_recipe("quick", ["evaluate=nun"])


def test_nothing_is_examined_and_nothing_trained_to_judge_by():
    names = [unit.name for unit in _units("evaluate=none")]
    assert names == ["finetune", "unlearn/GA+RT-s0", "unlearn/NPO+KL-s0"]
    assert estimate(_units("evaluate=none")).stages[-1].runs == 0
    assert estimate(_units("evaluate=end")).stages[-1].runs == 4


def test_the_best_of_what_is_not_examined_is_refused():
    with pytest.raises(UserError, match=r"unlearn.keep: best chooses among examined models, and evaluate is none"):
        _units("evaluate=none", "unlearn.keep=best")


def test_a_blind_run_leaves_models_and_their_history_alone(blind):
    folder, (code, out, _) = blind
    assert code == 0
    assert "Nothing was examined (evaluate: none). The models: " in out
    assert not (folder / "evaluate").exists()
    for name in ("GA+RT-s0", "NPO+KL-s0"):
        place = folder / "unlearn" / name
        data = load(place)
        assert not data.arrays
        empty = {key: data.values[key] for key in ("moments", "texts", "finetuned", "retrained", "not_rankable")}
        assert not any(empty.values())
        assert data.values["changed"]
        assert len(data.values["history"]["loss"]) > 1
        assert (place / "model" / "model.safetensors").is_file()
        assert not (place / "log.json").exists()
        json.loads((place / "data.json").read_text())
    # GA+RT takes nothing of the reference, so no row was read for one
    assert "drop" not in load(folder / "unlearn" / "GA+RT-s0").values["history"]
    assert "drop" in load(folder / "unlearn" / "NPO+KL-s0").values["history"]


def test_the_same_models_come_out_whether_they_are_examined_or_not(blind, tmp_path):
    run_missing(_units("evaluate=end"), tmp_path)
    for name in ("GA+RT-s0", "NPO+KL-s0"):
        one, other = (place / "unlearn" / name for place in (blind[0], tmp_path))
        weights = [load_file(place / "model/model.safetensors") for place in (one, other)]
        torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-5)
        history = load(other).values["history"]
        for key, values in load(one).values["history"].items():
            assert values == pytest.approx(history[key], rel=1e-5, abs=1e-5)


def test_what_was_not_examined_is_not_reported(blind):
    code, _, said = npo("report", str(blind[0]))
    assert code == 2
    assert "GA+RT-s0 is left out: it was run with evaluate: none, so nothing of it was measured." in said
    assert "npo evaluate RECIPE --model" in said


def test_models_that_were_not_examined_can_be_asked_and_examined(blind, tmp_path):
    assert npo("ask", str(blind[0]), "Who?")[0] == 0
    named = ("--model", str(blind[0] / "unlearn/GA+RT-s0/model"), "--out", str(tmp_path / "e"))
    code, out, _ = npo("evaluate", "quick", *WORDS, "evaluate=none", *named)
    assert code == 0
    assert "forget_probability" in out


def test_examining_while_nothing_is_examined_is_refused():
    code, _, said = npo("evaluate", "quick", "evaluate=none")
    assert code == 2
    assert said.startswith("npo: evaluate: none says that no model is examined. Say evaluate=end")
