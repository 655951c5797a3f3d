"""What a user can get wrong of `python -m npo.…`: words, exit code 2; files that go on with their settings alone."""

import json
import runpy
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from npo.program.kept_file import begun, called, gone_on
from npo.program.names import check_models, check_names
from npo.program.recipe import recipe_here, told_of
from npo.runs import equal_drop, rounding, way_back
from npo.runs.rounding import KnownRows
from records.errors import UserError
from scale.data.prompts import Encoded
from scale.tasks.corpus import Corpus

EQUAL = Path(__file__).parent.parent / "figures/data/equal-drop-tofu-mini.json"
AS_IT_WAS = ("--nats", "60", "--most", "40", "--adam-steps", "8", "--gd-steps", "10", "--seeds", "0", "--only", "GA")
Run = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What a program says on standard error that ends with exit code 2; it is started in an empty folder."""

    def run(program: str, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", [program, *words])
        monkeypatch.delitem(sys.modules, program, raising=False)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(program, run_name="__main__")
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("npo: ")
        assert not list(tmp_path.iterdir())
        return said

    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize(
    ("program", "words", "names"),
    [
        ("npo.runs.equal_drop", "a.json tofu-mni none --only GAA", ["tofu-mini?", "Did you mean GA?", "none/model"]),
        ("npo.runs.way_back", "a.json tofu-mni ./none --rungs hed ful", ["tofu-mini?", "head?", "full?", "./none"]),
        ("npo.runs.relearn_part", "a.json tofu-mni none", ["tofu-mini?", "none/retrain/model"]),
        ("npo.runs.rounding", "a.json tofu-mni --finetuned no --model x ny --rows 0", ["tofu-mini?", "ny", "--rows 0"]),
        ("npo.runs.keep", "a.json none", ["none"]),
        ("npo.runs.attacked", "a.json none", ["no finished audit or attack in none"]),
        ("npo.pools.train", "out --recipe tofu-mni", ["tofu-mini?"]),
        ("npo.pools.train", "out --only as-askd", ["as-askd", "there are as-asked-lr0.004-e13-s0"]),
        ("npo.pools.keep", "a.json none", ["none/read"]),
        ("npo.pools.battery", "out --run r --recipe tofu-mni --first hidden", ["tofu-mini?", "hidden=20", "GA+RT-s0"]),
        (
            "npo.pools.battery",
            "out --run r --first hiden=2 --models A --attacked B",
            ["hidden?", "--models A", "--attacked B"],
        ),
        (
            "npo.pools.read",
            "out --states bogus --recipe tofu-mni --also x --audit {",
            ["bogus", "as it is", "POOL/", "JSON"],
        ),
        (
            "npo.pools.read",
            "out",
            ["out/member/as-asked-lr0.004-e13-s0/model", "out/member/nothing-lr0.004-e13-s1/model"],
        ),
    ],
)
def test_all_mistakes_of_a_call_are_told_at_once(refused: Run, program: str, words: str, names: list[str]) -> None:
    said = refused(program, *words.split())
    assert all(name in said for name in names), said


def test_the_settings_of_an_audit_are_checked_with_the_nearest(refused: Run) -> None:
    said = refused("npo.pools.read", "out", "--audit", '{"answrs": 4, "families": ["hiden"]}')
    assert "Did you mean answers?" in said
    assert "Did you mean hidden?" in said


def test_pools_without_models_are_not_read(refused: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = str(tmp_path_factory.mktemp("model"))
    given = ("--finetuned", model, "--retrained", model)
    assert "No model of the pools is in out/member" in refused("npo.pools.read", "out", *given)
    assert "Did you mean unlearned" not in refused("npo.pools.read", "out", *given, "--unlearned", "none")
    said = refused("npo.pools.read", "out", *given, "--also", f"know/one={model}", "--only", "knw")
    assert "Did you mean know?" in said


def test_a_file_goes_on_with_the_settings_that_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept file that says less than files do now goes on, and says no more than it knows."""
    file, unit = tmp_path / "mine.json", tmp_path / "finetune"
    (unit / "model").mkdir(parents=True)
    shutil.copy(EQUAL, file)
    before = file.read_text(encoding="utf8")
    monkeypatch.setattr(equal_drop, "told_of", lambda *_: {"recipe": "quick", "model": "of now"})
    equal_drop.run(equal_drop._told([str(file), "quick", str(unit), *AS_IT_WAS]))
    assert file.read_text(encoding="utf8") == before
    other = ("--nats", "50", "--adam-lr", "0.1")
    with pytest.raises(UserError, match=r"(?s)nats: 60.0 there, 50.0 now\n.*adam_lr: 0.0003 there, 0.1 now\n.*another"):
        equal_drop.run(equal_drop._told([str(file), "quick", str(unit), *AS_IT_WAS, *other]))
    made = json.loads(before)["made"]
    now = {**made, "command": "this", "machine": "", "model": "of now"}
    assert gone_on(file, made, now) == {**made, "command": f"{made['command']}; this"}
    assert gone_on(file, {**made, "command": "this"}, now)["command"] == "this"
    with pytest.raises(UserError, match="model: 'of then' there"):
        gone_on(file, {**made, "model": "of then"}, now)


def test_the_ways_back_of_older_files_say_how_far_in_their_entries(tmp_path: Path) -> None:
    entries = {"head/GA": {"nats": 20.0, "step": 0.05}, "full/GA": {"nats": 20.0, "step": 0.1}}
    assert way_back._made_before({"made": {"command": "x"}, "entries": entries}) == {"nats": 20.0, "command": "x"}
    words = [str(tmp_path / "a.json"), "quick", "./none", "--set-of", "forgt"]
    with pytest.raises(UserError, match=r"\./none"):
        way_back.run(way_back._told(words))
    (tmp_path / "model").mkdir()
    words[2] = str(tmp_path / "model")
    with pytest.raises(UserError, match=r"--set-of forgt: .* Did you mean forget\?"):
        way_back.run(way_back._told(words))
    with pytest.raises(UserError, match=r"--pick -1 999: forget has"):
        way_back.run(way_back._told([*words[:3], "--pick", "0", "-1", "999"]))


def test_rounded_models_of_other_rows_don_t_come_into_a_file(tmp_path: Path) -> None:
    known = KnownRows(None, (Encoded((1, 2), 1),) * 2, 0, {}, {"w": torch.zeros(2, 2)})  # type: ignore[arg-type]
    words = [str(tmp_path / "a.json"), "tofu-mini", "--finetuned", "x", "--model", "NPO", "y", "--command", "this"]
    told = rounding._told(words)
    head = rounding._head(told, {"made": {}, "models": {}}, known, [-1.0, 0.9])
    assert head == {
        "made": {"command": "this", "machine": ""},
        "recipe": "tofu-mini",
        "rows": 2,
        "weights": 4,
        "known": [-1.0, 0.9],
    }
    assert rounding._head(told, head, known, [-1.00001, 0.9])["known"] == [-1.00001, 0.9]
    with pytest.raises(UserError, match="known:"):
        rounding._head(told, head, known, [-1.2, 0.9])
    with pytest.raises(UserError, match="rows: 2 there, 4 now"):
        rounding._head(told, head, known._replace(rows=known.rows * 2), [-1.0, 0.9])


def test_another_kind_of_file_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert begun(file, "entries") == {"made": {}, "entries": {}}
    file.write_text('{"made": {}, "runs": {}}')
    with pytest.raises(UserError, match="this program did not write it"):
        begun(file, "entries")
    with pytest.raises(UserError, match="Not a directory"):
        begun(file / "y.json", "entries")


def test_rows_come_from_where_npo_data_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPO_DATA", str(tmp_path))
    assert recipe_here("tofu-mini", ["data.source=hub"]).data.model_dump()["source"] == str(tmp_path)
    assert recipe_here("tofu-mini", ["data.source=fictional"]).data.model_dump()["source"] == "fictional"


def test_names_and_models_that_are_there_are_no_mistake(tmp_path: Path) -> None:
    check_names("--only", [], [])
    check_models([tmp_path], "")
    with pytest.raises(UserError, match="there is none"):
        check_names("--models", ["x"], [])
    with pytest.raises(UserError, match="there are “NPO, SAM”, GA"):
        check_names("--only", ["x"], ["NPO, SAM", "GA"])
    assert called("npo.x", ["a b"]) == "python -m npo.x 'a b'"


def test_what_results_owe_to_names_no_folder_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Corpus, "describe", lambda _: {"hash": "h"})
    corpus = Corpus.__new__(Corpus)
    told = told_of("tofu-mini", ["unlearn.batch=10", f"data.source={tmp_path}"], corpus, "owner/name")
    assert told == {"recipe": "tofu-mini", "settings": ["unlearn.batch=10"], "data": "h", "model": "owner/name"}
    assert told_of("quick", [], corpus) == {"recipe": "quick", "settings": [], "data": "h"}
