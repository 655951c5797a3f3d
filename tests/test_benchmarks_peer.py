"""benchmarks/peer.py: what both sides are given, what is told, and what a user can get wrong; no peer is needed."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import _peer_given, _peer_measures, _peer_pairs, peer
from benchmarks._peer_pairs import Peer, Ratio
from records.errors import UserError


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "benchmarks" / "peer.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)


def peer_folder(place: Path) -> Path:
    """A folder that looks like the peer's."""
    (place / "src").mkdir(parents=True)
    (place / "src" / "train.py").write_text("")
    return place


def test_without_a_folder_nothing_is_measured(root: Path) -> None:
    done = run(root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "name the folder of open-unlearning" in done.stdout


def test_a_folder_without_the_peer_is_told_in_one_message(root: Path, tmp_path: Path) -> None:
    done = run(root, str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"There is no open-unlearning in {tmp_path}")
    assert "git clone" in done.stderr


def test_an_environment_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = peer_folder(tmp_path / "peer")
    with pytest.raises(UserError, match=r"There is no Python at .*\.venv/bin/python\. .*--python"):
        peer.peer_in(folder, None)


def test_the_commit_that_is_measured_is_the_folder_s(tmp_path: Path) -> None:
    folder = peer_folder(tmp_path / "peer")
    assert peer.peer_in(folder, Path(sys.executable)).commit == "unknown"
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert head.startswith(peer.peer_in(folder, Path(sys.executable)).commit)
    (folder / "src" / "train.py").write_text("mine")
    assert peer.commit(folder).endswith(", with changes")
    assert head.startswith(peer.commit(folder, "configs"))


def test_files_of_tofu_that_are_missing_are_named(tmp_path: Path) -> None:
    for name in ("forget10_perturbed.json", "retain_perturbed.json"):
        (tmp_path / name).write_text("{}\n")
    with pytest.raises(UserError, match=r"has no real_authors_perturbed\.json, world_facts_perturbed\.json of TOFU"):
        _peer_given.sets_of(tmp_path)


def test_without_tofu_there_are_rows_of_all_sets() -> None:
    sets = _peer_given.sets_of(None)
    assert list(sets) == ["forget", "retain", "real_authors", "world_facts"]
    for rows in sets.values():
        assert {"question", "answer", "paraphrased_answer", "perturbed_answer"} <= set(rows[0])
    assert sets["forget"][0] != sets["retain"][0]


def test_the_peer_s_rows_lie_in_the_order_in_which_ours_are_trained_on() -> None:
    from scale.data.prompts import Encoded
    from scale.training.batches import TrainingRows, batches
    from theory.objective import method

    forget, retain = ([Encoded((10 * i + k, 1), 1) for i in range(8)] for k in (0, 1))
    ordered = _peer_given.in_training_order(forget, retain, 3)
    found = list(batches(TrainingRows(forget, retain), method("GA+RT"), size=4, seed=3, epoch=0))
    assert [row for batch in found for row in (forget[i] for i in batch.forget)] == ordered[0]
    assert [row for batch in found for row in (retain[i] for i in batch.retain)] == ordered[1]


def test_the_peer_reads_rope_theta_and_a_tokenizer_class_that_it_has() -> None:
    given = {"rope_parameters": {"rope_theta": 100000.0, "rope_type": "default"}, "dtype": "float32", "vocab_size": 3}
    config = _peer_given.older_config(given)
    assert config == {"vocab_size": 3, "rope_theta": 100000.0, "rope_scaling": None, "torch_dtype": "float32"}
    told = _peer_given.older_tokenizer({"tokenizer_class": "TokenizersBackend", "eos_token": "</s>", "is_local": True})
    assert told["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert told["eos_token"] == "</s>"
    assert "is_local" not in told


def test_a_folder_for_the_peer_has_the_same_weights(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name, text in {"config.json": "{}", "tokenizer_config.json": "{}", "tokenizer.json": "{}"}.items():
        (model / name).write_text(text)
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "chat_template.jinja").write_text("{{ messages }}")
    folder = Path(_peer_given.older(model, tmp_path / "older"))
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert json.loads((folder / "tokenizer_config.json").read_text())["chat_template"] == "{{ messages }}"


def test_a_ratio_over_one_says_that_ours_is_better() -> None:
    found = Ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert found.ratios == [2.0, 2.0, 3.0]
    assert found.median == 2.0
    assert _peer_measures.Line("step", "ms", found).told() == "step: 4 / 2 ms; 2.00 × (2.00 … 3.00)"


SIDE = """
import sys; sys.path.insert(0, {root!r})
import json, pathlib
from benchmarks._peer_side import Clock, Talk
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
talk = Talk()
clock = Clock(talk, job, {{"tokens": 3}}, between=lambda: {{"who": job["who"]}})
print("noise", flush=True)
taken = 0
while not clock.step():
    taken += 1
    with open(job["log"], "a") as log: log.write(job["who"])
    if job["who"] == "ours" and taken == job.get("fails"): raise SystemExit("the disk is full")
"""


def sides(root: Path, place: Path) -> list[_peer_pairs.Side]:
    script = place / "side.py"
    script.write_text(SIDE.format(root=str(root)))
    return [_peer_pairs.Side(name, (sys.executable, str(script)), {}) for name in ("peer", "ours")]


def test_two_processes_take_turns(root: Path, tmp_path: Path) -> None:
    common = {"warm": 1, "turns": 2, "steps": 2, "log": str(tmp_path / "turns")}
    jobs = {name: {**common, "who": name} for name in ("peer", "ours")}
    found = _peer_pairs.in_pairs(sides(root, tmp_path), jobs, tmp_path, 2)
    assert found.first["peer"]["tokens"] == 3
    assert [turn["who"] for turn in found.turns["ours"]] == ["ours", "ours"]
    assert all(ratio > 0 for ratio in found.ratio("seconds").ratios)
    assert found.ratio("peak").peer[0] > 1
    assert "noise" in (tmp_path / "peer.log").read_text()


def test_a_side_that_fails_is_told_with_its_last_words(root: Path, tmp_path: Path) -> None:
    common = {"warm": 1, "turns": 3, "steps": 2, "log": str(tmp_path / "turns"), "fails": 3}
    jobs = {name: {**common, "who": name} for name in ("peer", "ours")}
    with pytest.raises(UserError, match=r"The side of ours ended with 1\..*\n.*\nthe disk is full"):
        _peer_pairs.in_pairs(sides(root, tmp_path), jobs, tmp_path, 3)


def test_what_the_peer_needs_not_stands_in_for_itself(tmp_path: Path) -> None:
    place = _peer_pairs.stubs(tmp_path)
    code = "import deepspeed; from lm_eval.models.hf_vlms import HFLM; from lm_eval.tasks import TaskManager"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": place}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Peer(tmp_path, Path("python"), "abc").source == str(tmp_path / "src")


def line(what: str, ratio: float) -> dict[str, object]:
    """As it is kept, from a single pair."""
    return _peer_measures.Line(what, "s", Ratio([ratio], [1.0])).kept()


def test_what_is_kept_has_medians_and_ranges() -> None:
    kept = _peer_measures.Line("a step", "s", Ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]), 0.614).kept()
    numbers = {"peer": 4.0, "ours": 2.0, "ratio": 2.0, "low": 2.0, "high": 3.0, "pairs": 3, "share": 0.61}
    assert kept == {"what": "a step", "unit": "s", **numbers}


def test_parts_that_are_measured_later_join_those_before() -> None:
    before = [{"model": "a", "lines": [line("x", 1.0), line("y", 2.0)], "numbers": {"p": {"peer": 1, "ours": 1}}}]
    new = [{"model": "a", "lines": [line("y", 3.0), line("z", 4.0)], "numbers": {}}, {**before[0], "model": "b"}]
    first, second = peer.joined(before, new)
    assert [(one["what"], one["ratio"]) for one in first["lines"]] == [("x", 1.0), ("y", 3.0), ("z", 4.0)]
    assert first["numbers"] == {"p": {"peer": 1, "ours": 1}}
    assert second["model"] == "b"


def test_what_is_kept_of_other_commits_goes(tmp_path: Path) -> None:
    file, part = tmp_path / "peer.json", {"model": "a", "lines": [line("x", 1.0)], "numbers": {}}
    peer.keep(file, {"date": "d", "ours": "one"}, part)
    peer.keep(file, {"date": "d", "ours": "one"}, {**part, "lines": [line("y", 1.0)]})
    assert [one["what"] for one in json.loads(file.read_text())["tables"][0]["lines"]] == ["x", "y"]
    peer.keep(file, {"date": "d", "ours": "two"}, part)
    assert [one["what"] for one in json.loads(file.read_text())["tables"][0]["lines"]] == ["x"]


def test_a_quick_run_is_not_kept(root: Path) -> None:
    done = run(root, "somewhere", "--quick", "--keep")
    assert done.returncode == 2
    assert "a quick run is too short to be kept" in done.stderr


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no model in .*: it has no config\.json"):
        peer.own(tmp_path, peer.OWN, tmp_path / "older")


def test_the_peer_finds_its_splits_below_the_folder_in_which_it_runs(tmp_path: Path) -> None:
    folder = _peer_given.hub_folder(tmp_path, {"forget10": [{"question": "?", "answer": "!"}]})
    assert folder == tmp_path / "locuslab" / "TOFU"
    assert "- config_name: forget10\n  data_files: forget10.json\n" in (folder / "README.md").read_text()
    assert json.loads((folder / "forget10.json").read_text()) == {"question": "?", "answer": "!"}


def test_the_page_has_a_line_for_each_thing_and_a_column_for_each_model(root: Path) -> None:
    names = runpy.run_path(str(root / "docs" / "generate.py"))
    two = {"forget ROUGE": {"peer": 0.5, "ours": 0.25}, "missing": {"peer": None, "ours": None}}
    tables = [
        {"model": "a", "lines": [line("x", 1.5), line("y", 2.0)], "numbers": two},
        {"model": "b", "lines": [line("x", 3.0)], "numbers": {}},
    ]
    about = {key: key for key in ("date", "peer", "ours", "machine", "libraries")}
    names["peer"].__globals__["_read"] = lambda name: {**about, "tables": tables}
    text = names["peer"]()
    assert "| work | a | b |" in text
    assert "| x | **1.50**: 1.5 / 1 s | **3.00**: 3 / 1 s |" in text
    assert "| y | **2.00**: 2 / 1 s | – |" in text
    assert "| forget ROUGE | 0.5 / 0.25 |" in names["peer_numbers"]()
    assert "| missing | – / – |" in names["peer_numbers"]()


def test_both_sides_of_a_command_do_the_same_work(tmp_path: Path) -> None:
    subject = _peer_measures.Subject("a", {"peer": "older", "ours": "model"}, peer.QUICK)
    rows = [{"question": f"{i}?", "answer": "!", "perturbed_answer": ["."]} for i in range(3)]
    ours = _peer_measures._our_words(subject, rows, rows, tmp_path)
    theirs = _peer_measures._their_words(Peer(tmp_path, tmp_path, "abc"), subject, tmp_path)
    assert theirs[0].endswith("src/train.py")
    assert {"trainer=GradDiff", "trainer.args.num_train_epochs=1", "trainer.args.do_eval=false"} <= set(theirs)
    assert ours[:2] == ["npo.cli", "forget"]
    assert ours[-1] == "evaluate=none"
    assert len(Path(ours[2]).read_text().splitlines()) == 3
    for option, value in {"--method": "GA+RT", "--epochs": "1", "--batch": "8", "--lr": "1e-05"}.items():
        assert ours[ours.index(option) + 1] == value
    assert {"trainer.args.per_device_train_batch_size=8", "trainer.args.learning_rate=1e-05"} <= set(theirs)
