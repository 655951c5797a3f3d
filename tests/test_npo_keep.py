"""What is kept of finished runs: small, readable as runs, with what they forgot beside what a retrained model lacks."""

import json
from pathlib import Path

import pytest
from runs_made_up import judged, unlearned

from npo.runs.keep import _rounded, _told, keep, kept_values, refusals
from npo.runs.run import UnlearningRun, saved
from records.errors import UserError
from records.store import load


@pytest.fixture
def run(tmp_path: Path) -> Path:
    judged(tmp_path / "run")
    for seed in (0, 1):
        unlearned(tmp_path / "run", "NPO+RT", seed)
    return tmp_path / "run"


def test_what_is_kept_reads_as_runs_and_says_what_made_it(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    keep(file, [run], command="npo run x", machine="two cores", idk=["I don't know."])
    assert list(saved(file)) == ["mine/NPO+RT-s0", "mine/NPO+RT-s1"]
    found = json.loads(file.read_text())
    assert found["made"] == {"command": "npo run x", "machine": "two cores", "seconds": 4}  # four pieces of work
    assert "history" not in found["runs"]["mine/NPO+RT-s0"]
    assert len(file.read_text().splitlines()) == 6


def test_of_named_measures_alone_there_stays_nothing_else(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    keep(file, [run], command="", machine="", idk=[], measures=["model_utility"])
    (values, _) = json.loads(file.read_text())["runs"].values()
    assert values["texts"] == []
    assert all(moment.keys() == {"step", "epoch", "model_utility"} for moment in values["moments"])


def test_drops_are_nats_of_whole_answers(run: Path) -> None:
    one = UnlearningRun.read(run / "unlearn" / "NPO+RT-s1")
    nll, retrained = one.data.arrays["forget.answer_nll"], load(run / "evaluate/retrain").arrays["forget.answer_nll"]
    values = kept_values(one, [])
    assert values["drop"] == pytest.approx((5 * (nll - nll[0])).mean(axis=1))
    assert values["wanted"]["mean"] == pytest.approx(5 * (retrained - nll[0]).mean())
    assert values["wanted"]["sd"] == pytest.approx((5 * (retrained - nll[0])).std())
    assert (values["tokens"], values["weights"]) == (5.0, [1.0, 1.0])
    assert "refusals" not in values  # no answers were saved


def test_without_a_retrained_model_nothing_is_wanted(tmp_path: Path) -> None:
    assert kept_values(UnlearningRun.read(unlearned(tmp_path, "GA")), [])["wanted"] == {}


def test_refusals_are_counted_in_all_answers(run: Path) -> None:
    one = UnlearningRun.read(run / "unlearn" / "NPO+RT-s0")
    said = ["I’m not sure of that at all", "Paris.", "I'M NOT SURE, of this", ""]
    log = {"eval_log_forget.json": {"generated_text": {str(i): ["q", text, "t"] for i, text in enumerate(said)}}}
    (one.folder / "log.json").write_text(json.dumps(log))
    assert kept_values(one, ["I'm not sure of it.", "No."])["refusals"] == 0.5
    assert refusals(["yes"], ["no"]) == 0


def test_numbers_have_six_digits_and_none_where_they_are_not_finite(run: Path, tmp_path: Path) -> None:
    keep(tmp_path / "x.json", [run], command="", machine="", idk=[])
    values = saved(tmp_path / "x.json")["x/NPO+RT-s0"].values
    assert values["moments"][2]["log10_forget_quality"] == -0.522879  # log₁₀ 0.3
    assert _rounded({"a": [float("nan"), 1e-20, 3], "b_rouge1": 1.0}) == {"a": [None, 1e-20, 3]}


def test_its_command_line(tmp_path: Path) -> None:
    told = _told(["a.json", "one", "two", "--command", "npo run"])
    assert (told.file, told.folders, told.command) == (Path("a.json"), [Path("one"), Path("two")], "npo run")
    with pytest.raises(UserError, match="nowhere"):
        keep(tmp_path / "x.json", [tmp_path / "nowhere"], command="", machine="", idk=[])
