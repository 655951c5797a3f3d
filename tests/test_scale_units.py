"""The thin pass end to end: the units of the quick preset, what they leave, and being killed on the way."""

import dataclasses
import doctest
import importlib
import pkgutil

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import scale
from figures import unlearning_by_epoch
from records.errors import UserError
from records.settings import override
from records.store import content_hash, load
from records.work import keys, run_missing, silent
from scale import models
from scale.evaluate import Exam, generate, measure, questions, summary
from scale.fictional import authors
from scale.preset import FINETUNE, QUICK, REPRODUCE, RETRAIN, units
from scale.stages import spaced

METHODS = ("GA", "NPO", "NPO+RT")
NAMES = [FINETUNE, RETRAIN, *(f"llm/unlearn-{method}" for method in METHODS)]
SMALL = override(
    QUICK,
    {"finetune.epochs": "2", "unlearn.epochs": "2", "asked.max_new_tokens": "4", "shape.layers": "1"},
    label="llm",
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llm")
    run_missing(units(QUICK, None), folder)
    return folder


def test_the_units_are_five_and_unlearning_needs_both_models():
    found = units(QUICK, None)
    assert [unit.name for unit in found] == NAMES
    assert {unit.packages for unit in found} == {("theory", "scale", "records")}
    assert all(unit.needs == (FINETUNE, RETRAIN) for unit in found[2:])


def test_settings_tell_data_seed_and_method_apart():
    found = keys(units(QUICK, None))
    assert found == keys(units(QUICK, None))
    assert len(set(found.values())) == 5
    other_seed = keys(units(QUICK, None, seed=1))
    assert not set(other_seed.values()) & set(found.values())
    other_rate = keys(units(override(QUICK, {"unlearn.lr": "0.5"}, label="llm"), None))
    assert [name for name in NAMES if other_rate[name] == found[name]] == [FINETUNE, RETRAIN]
    for unit in units(QUICK, None):
        assert len(unit.settings["data"]["hash"]) == 16
        assert unit.settings["data"]["source"] == "embedded generator, seed 0"
        assert content_hash(unit.settings)


def test_mistakes_are_told_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        units(QUICK, tmp_path / "absent")
    for name, words in (("NPO+KL", "NPO\\+KL can't run here"), ("NOP", "Did you mean NPO"), ("ga+rd", "GA\\+RT")):
        with pytest.raises(UserError, match=words):
            units(dataclasses.replace(QUICK, methods=(name,)), None)
    with pytest.raises(UserError, match="is no multiple of"):
        units(override(QUICK, {"shape.heads": "7"}, label="llm"), None)
    with pytest.raises(UserError, match=r"llm\.beta.*greater than 0"):
        override(QUICK, {"beta": "-1"}, label="llm")
    assert [unit.name for unit in units(dataclasses.replace(QUICK, methods=("npo", "NPO")), None)][2:] == [NAMES[3]]


# --- what they leave ------------------------------------------------------------------------------------------

EVALUATION = {"forget_probability", "forget_truth_ratio", "retain_probability", "retain_truth_ratio", "utility"}
QUALITY = {
    f"{name}{kind}"
    for name in ("forget_quality", "log10_forget_quality", "ks_statistic")
    for kind in ("", "_arithmetic")
}
SHARED = {"stage", "seed", "data", "model", "questions", "samples", "history"}
N, M, K = 20, QUICK.asked.retain, 5


def _shapes(arrays):
    return {name: array.shape for name, array in arrays.items()}


def _expected_shapes(*first):
    return {
        f"{name}_{part}": (*first, n, *more)
        for name, n in (("forget", N), ("retain", M))
        for part, more in (("answer_nll", ()), ("paraphrase_nll", ()), ("perturbed_nll", (K,)), ("truth_ratio", ()))
    }


@pytest.mark.parametrize("name", [FINETUNE, RETRAIN])
def test_a_trained_unit_leaves_what_is_documented(out, name):
    found = load(out / name)
    assert set(found.values) == SHARED | {"evaluation"}
    assert set(found.values["evaluation"]) == EVALUATION
    assert _shapes(found.arrays) == _expected_shapes()
    assert found.values["stage"] == name.removeprefix("llm/")
    rows = 20 * (QUICK.subset.retain_authors + (QUICK.subset.forget_authors if name == FINETUNE else 0))
    history = found.values["history"]
    assert set(history) == {"epoch", "lr", "loss"}
    assert len(history["loss"]) == len(history["epoch"]) == QUICK.finetune.epochs * -(-rows // QUICK.finetune.batch)
    assert history["loss"][-1] < history["loss"][0] / 5
    assert found.values["data"]["forget_rows"] == N
    assert [sample["set"] for sample in found.values["samples"]] == ["forget", "retain"]
    assert len(found.values["questions"]["forget"]) == N
    assert len(set(found.values["questions"]["retain"])) == M


@pytest.mark.parametrize("method", METHODS)
def test_an_unlearning_unit_leaves_what_is_documented(out, method):
    found = load(out / f"llm/unlearn-{method}")
    values, evaluations = found.values, QUICK.unlearn.epochs + 1
    assert set(values) == SHARED | {
        "method",
        "beta",
        "stopped",
        "epochs",
        "retrained",
        "n",
        "log10_floor",
        "not_rankable",
    }
    assert (values["method"], values["beta"]) == (method, None if method == "GA" else 0.1)
    assert [row["epoch"] for row in values["epochs"]] == list(range(evaluations))
    assert all(set(row) == {"epoch"} | EVALUATION | QUALITY for row in values["epochs"])
    assert _shapes(found.arrays) == _expected_shapes(evaluations)
    columns = {"epoch", "lr", "loss", "forget", "drop", "weight"} | ({"retain"} if "RT" in method else set())
    assert set(values["history"]) == columns
    assert len({len(column) for column in values["history"].values()}) == 1
    assert values["stopped"] is None
    assert values["n"] == N
    assert values["retrained"] == load(out / RETRAIN).values["evaluation"]


def test_epoch_zero_is_the_finetuned_model_and_only_then_do_methods_differ(out):
    finetuned = load(out / FINETUNE)
    runs = [load(out / f"llm/unlearn-{method}") for method in METHODS]
    for run in runs:
        for name, array in finetuned.arrays.items():
            np.testing.assert_allclose(run.arrays[name][0], array, rtol=1e-5)
    ends = [run.values["epochs"][-1]["forget_probability"] for run in runs]
    assert len(set(ends)) == 3
    assert all(end < finetuned.values["evaluation"]["forget_probability"] / 2 for end in ends)


def test_first_steps_of_ga_and_npo_are_the_same_and_its_weight_then_falls(out):
    """At the reference NPO's weight is 1, that of gradient ascent."""
    ga, npo = (load(out / f"llm/unlearn-{method}").values["history"] for method in ("GA", "NPO"))
    assert ga["drop"][:2] == pytest.approx(npo["drop"][:2], abs=1e-4)
    assert npo["weight"][0] == pytest.approx(1, abs=1e-4)
    assert npo["weight"][-1] < 0.9
    assert set(ga["weight"]) == {1.0}


def test_a_saved_model_gives_the_numbers_that_were_saved(out):
    language_model = models.load(out / FINETUNE)
    rows = authors(QUICK.subset.forget_authors + QUICK.subset.retain_authors, seed=0)
    retain, forget = rows[:60], rows[60:]
    exam = Exam(questions(language_model, forget), questions(language_model, spaced(retain, M)))
    saved = load(out / FINETUNE).values
    assert summary(measure(language_model, exam)) == pytest.approx(saved["evaluation"], rel=1e-5)
    sample = saved["samples"][1]
    again = generate(language_model, sample["question"], max_new_tokens=QUICK.asked.max_new_tokens)
    assert sample["question"] == retain[0].question
    assert again == sample["generated"]


def test_the_figure_draws_every_epoch(out, tmp_path):
    data = {name: load(out / name) for name in NAMES}
    figure = unlearning_by_epoch.draw(data)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*METHODS, "retrained model"]
    for panel in figure.axes:
        lines = [line for line in panel.lines if len(line.get_xdata()) == QUICK.unlearn.epochs + 1]
        assert len(lines) == len(METHODS)
        assert panel.get_title(loc="left")
    plt.close(figure)


def test_docstring_examples_hold():
    for module in pkgutil.iter_modules(scale.__path__, "scale."):
        assert doctest.testmod(importlib.import_module(module.name)).failed == 0


# --- accidents ------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What ends a process in the middle."""


def _killed_after(steps):
    def progress(done, total):
        if done >= steps:
            raise Killed

    return progress


@pytest.mark.parametrize("name", [FINETUNE, "llm/unlearn-NPO+RT"])
def test_killed_in_the_middle_leaves_nothing_and_the_next_run_ends_where_it_would_have(tmp_path, name):
    found = units(SMALL, None)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_missing(found, whole)
    with pytest.raises(Killed):
        run_missing(found, cut, lambda unit, cached: _killed_after(1) if unit.name == name else silent)
    assert sorted(path.name for path in (cut / "llm").iterdir()) == sorted(
        unit.name.removeprefix("llm/") for unit in found[: NAMES.index(name)]
    )
    run_missing(found, cut)
    for unit in NAMES:
        one, other = load(whole / unit), load(cut / unit)
        assert one.values == other.values
        assert all(np.array_equal(array, other.arrays[key]) for key, array in one.arrays.items())


def test_a_finished_run_is_not_run_again(out):
    cached = []
    run_missing(units(QUICK, None), out, lambda unit, done: cached.append(done) or silent)
    assert cached == [True] * 5


def test_finetuning_that_diverges_says_so_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"The finetune run diverged: The loss of step \d+ of epoch 1 is not finite"):
        run_missing(units(override(SMALL, {"finetune.lr": "1e30"}, label="llm"), None)[:1], tmp_path)
    assert list((tmp_path / "llm").iterdir()) == []


def test_unlearning_that_diverges_is_kept_and_marked(tmp_path):
    found = units(override(SMALL, {"unlearn.lr": "1e30", "methods": "GA"}, label="llm"), None)
    run_missing(found, tmp_path)
    values = load(tmp_path / "llm/unlearn-GA").values
    assert "is not finite" in values["stopped"]
    assert values["history"]["loss"][-1] is None
    assert values["epochs"][0]["forget_probability"] > 0
    figure = unlearning_by_epoch.draw({"llm/unlearn-GA": load(tmp_path / "llm/unlearn-GA")})
    last = values["epochs"][-1]["epoch"]
    assert figure.legends[0].get_texts()[0].get_text() == f"GA, stopped after epoch {last}"
    plt.close(figure)


def test_running_touches_no_global_random_state(tmp_path):
    torch.manual_seed(3)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run_missing(units(SMALL, None)[:1], tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002


# --- real rows ------------------------------------------------------------------------------------------------


def test_real_rows_run_too(tofu, tmp_path):
    found = units(SMALL, tofu)
    assert found[0].settings["data"]["source"] == "TOFU rows"
    assert str(tofu) not in str([unit.settings for unit in found])
    run_missing(found[:2], tmp_path)
    values = load(tmp_path / FINETUNE).values
    assert values["data"] == found[0].settings["data"]
    assert values["questions"]["forget"] == [row.question for row in QUICK.subset.read(tofu).forget]


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True], ids=["fictional", "TOFU rows"])
def test_the_reproduction_can_rank_methods(tmp_path, request, real):
    data = request.getfixturevalue("tofu") if real else None
    run_missing(units(REPRODUCE, data), tmp_path)
    ends = {}
    for method in METHODS:
        values = load(tmp_path / f"llm/unlearn-{method}").values
        assert values["not_rankable"] == []
        ends[method] = values["epochs"][-1]["utility"] / values["epochs"][0]["utility"]
    assert ends["GA"] < ends["NPO"] < 0.25 < 0.75 < ends["NPO+RT"]
