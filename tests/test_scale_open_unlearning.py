"""Evaluations of open-unlearning: they score as its own code has it, and stand beside ours under their own name."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from open_unlearning_made_up import evaluation
from runs_made_up import judged, unlearned

from npo.runs.others import others_in
from npo.verbs.report import report
from npo.verbs.score import score as show
from records.errors import UserError
from scale.evaluation.open_unlearning import differing, means, read_evaluation, scored
from scale.evaluation.tofu_log import TASKS

# What locuslab/open-unlearning@d3d7cf9 (memorization.py, privacy.py, utility.py) makes of `evaluation(0)` against
# `evaluation(1, 3.0)`, run on 2026-11-28; it adds 1e-10 to what it divides by.
THEIRS = {
    "model_utility": 0.504474376605595,
    "forget_quality": 0.012298612583953778,
    "forget_probability": 0.5101478064240751,
    "forget_rouge": 0.57456,
    "forget_truth_ratio": 0.4956407806005382,
    "retain_truth_ratio": 0.5660841073835721,
    "real_authors_truth_ratio": 0.45649153901798234,
    "real_authors_probability": 0.37212482603442815,
    "world_facts_truth_ratio": 0.5361327759002796,
    "world_facts_probability": 0.43227317195130904,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Any], Path]:
    def written(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf8")
        return path

    return written


Write = Callable[[str, Any], Path]


def test_it_scores_as_their_own_code_has_it(write: Write) -> None:
    own = read_evaluation(write("a/TOFU_EVAL.json", evaluation(0)))
    judge = read_evaluation(write("b/TOFU_EVAL.json", evaluation(1, 3.0)))
    assert own is not None
    assert judge is not None
    found = scored(own.path, own.sets, (judge.path, judge.sets), own.told)
    assert found["protocol"] == "open-unlearning"
    assert found["n"] == found["n_retrained"] == 20
    assert {key: found[key] for key in THEIRS} == pytest.approx(THEIRS, rel=1e-8)
    assert found["log10_forget_quality"] == pytest.approx(math.log10(THEIRS["forget_quality"]))
    assert found["told"]["forget_rouge"] == pytest.approx(THEIRS["forget_rouge"])
    alone = means(own)
    assert alone["model_utility"] == pytest.approx(THEIRS["model_utility"], rel=1e-8)
    assert "forget_quality" not in alone


def test_a_summary_is_shown_as_it_tells(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"forget_quality": 1e-3, "model_utility": 0.6, "ra_Q_A_ROUGE": 0.5, "privleak": -20.0, "mia_min_k": None}
    path = write("TOFU_SUMMARY.json", told)
    show(path, None, None)
    assert json.loads(capsys.readouterr().out) == {
        "protocol": "open-unlearning",
        "source": "open-unlearning",
        "forget_quality": 1e-3,
        "model_utility": 0.6,
        "real_authors_rouge": 0.5,
        "privleak": -20.0,
        "log10_forget_quality": pytest.approx(-3),
    }
    show(path, path, None)
    assert "has means alone" in capsys.readouterr().err


def test_the_verb_scores_two_evaluations_and_says_what_is_odd(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    changed = evaluation(0) | {"forget_truth_ratio": {"agg_value": 0.9, "value_by_index": {}}}
    own, judge = write("a/TOFU_EVAL.json", changed), write("b/TOFU_EVAL.json", evaluation(1, 3.0))
    show(own, judge, "open-unlearning")
    out, err = capsys.readouterr()
    assert json.loads(out)["forget_quality"] == pytest.approx(THEIRS["forget_quality"])
    assert "forget_truth_ratio is told as 0.9, and its questions give 0.4956" in err
    show(own, own, None)
    assert "the same file" in capsys.readouterr().err


ANSWERS = {
    "avg_gt_loss": {"0": 1.0, "1": 2.0},
    "avg_paraphrased_loss": {"0": 1.0, "1": 2.5},
    "average_perturb_loss": {"0": [1.0, 3.0], "1": [2.0, 4.0]},
    "rougeL_recall": {"0": 0.5, "1": 1.0},
}
OURS = dict.fromkeys(TASKS.values(), ANSWERS)
"""A log of ours."""


def test_a_log_of_ours_is_judged_by_one_of_theirs(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    ours = write("log.json", OURS)
    theirs = write("TOFU_EVAL.json", evaluation(1))
    for logs, told in (((ours, theirs), False), ((theirs, ours), True)):
        show(*logs, None)
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert {found["n"], found["n_retrained"]} == {2, 20}
        assert found["protocol"] == "open-unlearning"
        assert ("told" in found) == told
        assert "log.json is a log of another program" in err


MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a negative loss": (
        lambda e: e["forget_Q_A_Prob"]["value_by_index"]["3"].update(avg_loss=-1.0),
        "question 3: -1.0 is negative",
    ),
    "no loss": (lambda e: e["retain_Q_A_PARA_Prob"]["value_by_index"].update({"2": None}), "question 2: it is null"),
    "a question is missing": (lambda e: e["ra_Q_A_ROUGE"]["value_by_index"].pop("1"), "has 9 questions"),
    "lists of unequal length": (
        lambda e: e["wf_Q_A_PERT_Prob"]["value_by_index"]["1"].update(avg_loss=[1.0]),
        "question 1 has 1 perturbed answers",
    ),
    "no paraphrases": (
        lambda e: e.pop("forget_Q_A_PARA_Prob"),
        "needs forget_Q_A_Prob, forget_Q_A_PARA",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_no_model_can_have_is_told(name: str, write: Write) -> None:
    content = evaluation(0)
    change, said = MISTAKES[name]
    change(content)
    own, judge = write("a/TOFU_EVAL.json", content), write("b/TOFU_EVAL.json", evaluation(1))
    with pytest.raises(UserError, match=said) as caught:
        show(own, judge, None)
    assert "a/TOFU_EVAL.json" in str(caught.value)


def test_another_protocol_and_a_log_without_its_judge_are_refused(write: Write) -> None:
    own = write("TOFU_EVAL.json", evaluation(0))
    with pytest.raises(UserError, match="examined under the protocol open-unlearning: leave --protocol tofu out"):
        show(own, own, "tofu")
    with pytest.raises(UserError, match="Name the log of the retrained model too"):
        show(write("log.json", OURS), None, None)
    assert read_evaluation(write("other.json", {"agg_value": 1.0})) is None
    found = read_evaluation(own)
    assert found is not None
    assert differing(found) == []


def test_it_stands_in_the_report_beside_runs_as_what_it_is(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("npo.report.runs.RUNS", ())
    monkeypatch.setattr("npo.report.runs.differences", lambda runs: [])
    run = judged(tmp_path / "out")
    unlearned(run, "GA", texts=[])
    one = write("saves/tofu_NPO/evals/TOFU_EVAL.json", evaluation(0) | {"forget_quality": {"agg_value": 0.01}})
    two = write("saves/tofu_SimNPO/evals/TOFU_SUMMARY.json", {"forget_quality": 0.5, "model_utility": 0.61})
    report([run, one, two], tmp_path / "report")
    page, table = ((tmp_path / "report" / name).read_text("utf8") for name in ("report.html", "table.md"))
    for text in (page, table):
        assert "tofu_NPO (open-unlearning)" in text.replace("\\", "")
        assert "tofu_SimNPO (open-unlearning)" in text.replace("\\", "")
        assert "against the retrained model that it was given" in text
    (row,) = (line for line in table.splitlines() if "SimNPO" in line and line.startswith("| "))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["0.61", "-0.301", "—"]
    rows = (tmp_path / "report" / "runs.csv").read_text("utf8").splitlines()
    assert rows[-1].startswith("tofu_SimNPO (open-unlearning),,,,0.5,0.61,")
    others = json.loads((tmp_path / "report" / "runs.json").read_text("utf8"))["others"]
    assert others["tofu_NPO (open-unlearning)"]["model_utility"] == pytest.approx(THEIRS["model_utility"])
    assert "examined by open-unlearning" in capsys.readouterr().err


def test_files_alone_or_of_another_kind_are_no_report(write: Write, tmp_path: Path) -> None:
    summary = write("TOFU_SUMMARY.json", {"model_utility": 0.6})
    with pytest.raises(UserError, match="name a folder of npo run too"):
        report([summary], tmp_path / "report")
    with pytest.raises(UserError, match="is no evaluation of open-unlearning"):
        others_in([write("log.json", {"eval_log.json": {}})], "tofu")


@pytest.mark.parametrize("content", [[1], {}, {"eval_log_forget.json": 3}])
def test_a_file_that_is_no_log_is_told_so_before_another_is_asked_for(content: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError) as told:
        show(file, None, None)
    assert "x.json" in str(told.value)
    assert "RETRAINED" not in str(told.value)
