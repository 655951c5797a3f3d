"""Another metric of a model that was examined already: what was measured is kept, and only what is new is read."""

import numpy as np
import pytest
from small_recipe import SMALL

from records.store import load
from scale.evaluation import exam as exam_module

EVALUATE = ("evaluate", "quick", *(word for word in SMALL if not word.startswith("evaluate")))
ASKED = ("evaluate.new_tokens=3", "evaluate.questions=4")


@pytest.fixture
def counted(monkeypatch):
    """How many questions were read, and how many answers were generated."""
    count = {"read": 0, "answered": 0}
    see, answers_after = exam_module.see, exam_module.answers_after

    def seeing(scorer, questions, **more):
        count["read"] += len(questions)
        return see(scorer, questions, **more)

    def answering(scorer, openings, *more):
        count["answered"] += len(openings)
        return answers_after(scorer, openings, *more)

    monkeypatch.setattr(exam_module, "see", seeing)
    monkeypatch.setattr(exam_module, "answers_after", answering)
    return count


@pytest.fixture
def again(run_npo, tmp_path, counted):
    """Examine the models of a run with other keys; what was read and answered for it."""

    def run(*words, asked=ASKED):
        counted.update(read=0, answered=0)
        code, _, err = run_npo(*EVALUATE, *asked, *words, "--out", str(tmp_path / "out"))
        assert code == 0, err
        return counted["read"], counted["answered"]

    return run


def test_a_metric_that_needs_no_more_reads_nothing_and_one_that_does_reads_that(again, tmp_path):
    everything = 2 * 4 * 4  # two models, four sets, four questions of each
    place = tmp_path / "out/evaluate/retrain"
    assert again() == (everything, everything)
    first = load(place)
    assert again("evaluate.metrics=[exact_memorization,truth_share]") == (0, 0)
    second = load(place)
    assert second.values["scores"].items() >= first.values["scores"].items()
    assert {"forget_exact_memorization", "retain_truth_share"} <= second.values["scores"].keys()
    for name, values in first.arrays.items():
        assert (second.arrays[name] == values).all(), name
    assert again("evaluate.metrics={forget: [min_k]}") == (0, 0)
    (tmp_path / "own.py").write_text("def sure(variance):\n    return float(variance.mean())\n")
    assert again(f"evaluate.metrics={{forget: [{tmp_path}/own.py:sure]}}") == (2 * 4, 0)
    assert again(f"evaluate.metrics={{forget: [{tmp_path}/own.py:sure, truth_share]}}") == (0, 0)


@pytest.mark.integration
def test_what_is_asked_otherwise_is_read_again(again):
    again()
    everything = 2 * 4 * 4
    assert again(asked=("evaluate.new_tokens=3", "evaluate.questions=3")) == (2 * 4 * 3, 2 * 4 * 3)
    assert again(asked=("evaluate.new_tokens=2", "evaluate.questions=4")) == (0, everything)
    assert again("model.prompt=llama2-chat") == (everything, everything)


@pytest.mark.integration
def test_kept_measures_give_what_measuring_gives(again, run_npo, tmp_path):
    words = ("evaluate.metrics=[extraction_strength,exact_memorization]",)
    again()
    again(*words)
    kept = load(tmp_path / "out/evaluate/finetune")
    assert run_npo(*EVALUATE, *ASKED, *words, "--out", str(tmp_path / "fresh"))[0] == 0
    fresh = load(tmp_path / "fresh/evaluate/finetune")
    assert kept.values["scores"] == fresh.values["scores"]
    for name, values in fresh.arrays.items():
        assert np.array_equal(kept.arrays[name], values, equal_nan=True), name


@pytest.mark.integration
def test_another_model_is_measured_and_its_own_measures_are_found(again, run_npo, counted, tmp_path):
    again()
    model = str(tmp_path / "out/finetune/model")
    out = tmp_path / "out/evaluate/mine"
    words = (*EVALUATE, *ASKED, "--model", model, "--out", str(out))
    counted.update(read=0, answered=0)
    assert run_npo(*words)[0] == 0
    assert counted == {"read": 0, "answered": 0}
    assert load(out).values["scores"] == load(tmp_path / "out/evaluate/finetune").values["scores"]


def test_a_damaged_file_is_told(again, run_npo, tmp_path):
    again()
    for path in (tmp_path / "out/.measured").glob("seen-*"):
        path.write_bytes(path.read_bytes()[:-4] + b"xxxx")
    words = (*EVALUATE, *ASKED, "evaluate.metrics=[truth_share]", "--out", str(tmp_path / "out"))
    code, _, err = run_npo(*words)
    assert code == 2
    assert "is damaged" in err
    assert "Delete it; it will be measured again." in err
