"""Reading and showing unlearning runs: what is finished and comparable is tabled, all else is told; data stays data."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from runs_made_up import SCHEDULE, SHARED, judged, moment, scores, unlearned, values_of

from figures import llm_metrics
from npo.ledger import enter
from npo.ledger.language_model import few_authors as llm
from npo.report import page as report
from npo.report.runs import write_runs
from npo.runs.collect import collect
from npo.runs.finished import check_outside, distinct_names
from npo.runs.run import UnlearningRun, as_csv, as_markdown, columns_of, saved, saved_law, table, write_law
from npo.verbs.ask import models_of
from records.errors import UserError
from records.files import write_json
from records.plain import cell, markdown, plain
from records.store import Data
from scale.models.folders.card import write_card

Npo = Callable[..., tuple[int, str, str]]

# --- what is read ---------------------------------------------------------------------------------------------------


def test_finished_runs_are_read_and_all_else_is_told(tmp_path: Path) -> None:
    run = judged(tmp_path / "out")
    unlearned(run, "GA")
    unlearned(run, "NPO")
    stale = unlearned(run, "KTO")
    (stale / "data.json").write_text("{}")
    by_hand = run / "unlearn" / "mine-s0"
    shutil.copytree(stale, by_hand)
    (by_hand / "manifest.json").unlink()
    damaged = unlearned(run, "DPO")
    (damaged / "manifest.json").write_text("{")
    (run / "unlearn" / ".GA+RT-s0.0123456789abcdef").mkdir()
    (run / "unlearn" / ".locks").mkdir()
    (run / "unlearn" / "note.txt").write_text("mine")
    runs, notes = collect([run])
    assert [one.label for one in runs] == ["GA", "NPO"]
    told = "\n".join(notes)
    for name, reason in (("KTO-s0", "were changed"), ("mine-s0", "no manifest"), ("DPO-s0", "damaged")):
        assert any(name in note and reason in note for note in notes), told
    assert any("GA+RT-s0 is not finished" in note for note in notes)
    assert len(notes) == 4


def test_a_damaged_judge_is_told(tmp_path: Path) -> None:
    run = judged(tmp_path / "out")
    unlearned(run, "GA")
    (run / "evaluate/retrain/manifest.json").write_text("[[")
    (found,), notes = collect([run])
    assert found.interval() == (None, None)
    assert len(notes) == 1
    assert "retrain is left out: its manifest.json is damaged" in notes[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"asked": {**SHARED["asked"], "questions": 8}}, "asked.questions is 8 there and 4 here"),
        ({"model": {**SHARED["model"], "shape": {"hidden": 48}}}, "model.shape.hidden is 48 there and 32 here"),
        ({"data": {**SHARED["data"], "hash": "1"}}, "data.hash"),
        ({"precision": "bf16"}, "precision"),
    ],
)
def test_a_run_of_other_settings_than_its_judge_is_left_out_and_of_another_run_is_refused(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    run = judged(tmp_path / "a", settings)
    unlearned(run, "GA")
    with pytest.raises(UserError, match=r"(?s)no finished unlearning run that can be reported.*GA-s0 is left out") as e:
        collect([run])
    assert said in str(e.value)
    unlearned(run, "NPO", settings=settings)
    runs, notes = collect([run])
    assert [one.label for one in runs] == ["NPO"]
    assert any(said in note for note in notes)
    other = judged(tmp_path / "b")
    unlearned(other, "GA")
    with pytest.raises(UserError, match="can't stand in one table") as e:
        collect([run, other])
    assert said.split()[0] in str(e.value)


def test_a_run_of_another_model_than_its_judge_is_left_out(tmp_path: Path) -> None:
    run = judged(tmp_path / "a", levels=(0.5, 0.7))
    unlearned(run, "GA")
    unlearned(run, "NPO", retrained=scores(0.7))
    runs, notes = collect([run])
    assert [one.label for one in runs] == ["NPO"]
    assert "another model" in notes[0]
    other = tmp_path / "b"
    unlearned(other, "GA")
    with pytest.raises(UserError, match="different models"):
        collect([run, other])


def test_the_same_rows_from_another_place_are_the_same(tmp_path: Path) -> None:
    unlearned(tmp_path / "a", "GA")
    unlearned(tmp_path / "b", "NPO", settings={"data": {**SHARED["data"], "source": "elsewhere"}})
    assert len(collect([tmp_path / "a", tmp_path / "b"]).runs) == 2


def test_seeds_of_different_settings_are_no_seeds_of_one_method(tmp_path: Path) -> None:
    unlearned(tmp_path, "GA", 0)
    unlearned(tmp_path, "GA", 1, settings={"schedule": {**SCHEDULE, "lr": 0.1}})
    unlearned(tmp_path, "NPO", settings={"schedule": {**SCHEDULE, "lr": 0.1, "piece": 2}})
    runs, notes = collect([tmp_path])
    assert [run.label for run in runs] == ["GA,lr=0.001", "GA,lr=0.1", "NPO"]
    assert notes == []
    unlearned(tmp_path, "KTO")
    assert "lr is 0.1 for NPO; 0.001 for KTO" in "\n".join(sorted(collect([tmp_path]).notes)).replace(
        "0.001 for KTO; 0.1 for NPO", "0.1 for NPO; 0.001 for KTO"
    )


def test_folders_that_are_called_alike_keep_their_runs_apart(tmp_path: Path) -> None:
    for place, label in (("x/out", "GA"), ("y/out", "NPO")):
        unlearned(tmp_path / place, label)
    unlearned(tmp_path / "y/out", "GA", 1)
    runs, _ = collect([tmp_path / "x/out", tmp_path / "y/out", tmp_path / "x" / "out"])
    assert [run.name for run in runs] == ["x/out/GA-s0", "y/out/GA-s1", "y/out/NPO-s0"]
    shutil.copytree(tmp_path / "x/out", tmp_path / "z/out")
    with pytest.raises(UserError, match="GA with seed 0 is there 2 times"):
        collect([tmp_path / "x/out", tmp_path / "z/out"])


def test_names_are_as_short_as_tells_them_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert distinct_names([Path("/a/b")]) == ["b"]
    assert distinct_names([Path("/a/b"), Path("/c/b"), Path("/c/d")]) == ["a/b", "c/b", "c/d"]
    assert distinct_names([Path("/b"), Path("/a/b")]) == ["//b", "a/b"]
    assert distinct_names([]) == []
    monkeypatch.chdir(tmp_path)
    assert distinct_names([Path()]) == [tmp_path.name]


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"no {key}": lambda values, key=key: values.pop(key) for key in values_of("GA") if key != "stage"},
    "no moments": lambda values: values.update(moments=[]),
    "a moment without its step": lambda values: values["moments"][0].pop("step"),
    "a word for a measure": lambda values: values["moments"][0].update(forget_kl="1"),
    "a label that is a number": lambda values: values.update(label=1),
    "texts that are none": lambda values: values.update(texts=["x"]),
    "true for a measure": lambda values: values["moments"][0].update(model_utility=True),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_values_that_are_none_of_a_run_are_told(kind: str, tmp_path: Path) -> None:
    values = values_of("GA")
    DAMAGES[kind](values)
    path = tmp_path / "runs.json"
    path.write_text(json.dumps({"runs": {"GA-s0": values}}))
    with pytest.raises(UserError, match=r"runs\.json is no runs\.json of npo report.*GA-s0"):
        saved(path)


JUNK = {"nothing": "", "half": "{", "a list": "[]", "deep": "[" * 100_000, "NaN": '{"runs": NaN}', "empty": "{}"}


@pytest.mark.parametrize("kind", [*JUNK, "runs that are none", "a folder"])
def test_kept_files_that_are_none_are_told(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "law.json"
    path.mkdir() if kind == "a folder" else path.write_text(JUNK.get(kind, '{"runs": {"a": 3}, "b": 3}'))
    for read in (saved, saved_law):
        with pytest.raises(UserError, match=r"law\.json"):
            read(path)


def law_unit(**changed: Any) -> dict[str, Any]:
    arrays = {f"single.{name}": [[0.0], [1.0]] for name in ("clock", "drop", "remainder")}
    arrays["single.time"] = [0.0, 1.0]
    return {"values": {"rung": "head", "beta": 0.1, "scale": 0.1, "step": 0.1}, "arrays": arrays} | changed


LAW_ARRAYS = law_unit()["arrays"]


@pytest.mark.parametrize(
    "unit",
    [
        {},
        law_unit(values={}),
        law_unit(arrays={}),
        law_unit(arrays=LAW_ARRAYS | {"single.clock": [[0.0]]}),
        law_unit(arrays=LAW_ARRAYS | {"single.clock": [[0.0], [1.0, 2.0]]}),
        law_unit(arrays={name: [] for name in LAW_ARRAYS}),
        law_unit(arrays=LAW_ARRAYS | {"single.clock": [["x"], [1.0]]}),
        law_unit(arrays=LAW_ARRAYS | {"set.drop": [[0.0], [1.0]]}),
        *(law_unit(arrays={k: x for k, x in LAW_ARRAYS.items() if k != name}) for name in LAW_ARRAYS),
    ],
)
def test_a_ladder_that_is_none_is_told(unit: dict[str, Any], tmp_path: Path) -> None:
    write_json(tmp_path / "law.json", {"law/head-GA": unit})
    with pytest.raises(UserError, match=r"law\.json is no law\.json of npo law"):
        saved_law(tmp_path / "law.json")


def test_a_path_that_blew_up_is_kept_as_far_as_json_can(tmp_path: Path) -> None:
    drop = np.array([[0.0], [1.23456789], [np.inf], [np.nan]])
    data = Data({**dict.fromkeys(LAW_ARRAYS, drop), "single.time": np.arange(4)}, law_unit()["values"])
    write_law(tmp_path / "law.json", {"law/head-GA": data})
    found = saved_law(tmp_path / "law.json")["law/head-GA"].arrays["single.drop"][:, 0]
    assert found[:2].tolist() == [0, 1.23457]
    assert np.isnan(found[2:]).all()


def test_asking_knows_finished_models_alone_and_tells_folders_apart(tmp_path: Path) -> None:
    def with_model(run: Path, label: str) -> None:
        folder = unlearned(run, label)
        (folder / "manifest.json").unlink()
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}")

    from records.ownership import listed

    for place in ("x/out", "y/out"):
        with_model(tmp_path / place, "GA")
    with pytest.raises(UserError, match=r"(?s)holds no finished models.*GA-s0 is left out: it has no manifest"):
        models_of([tmp_path / "x/out"])
    for place in ("x/out", "y/out"):
        folder = tmp_path / place / "unlearn/GA-s0"
        facts = {"key": "0", "settings": {}, "seconds": 1.0}
        write_json(folder / "manifest.json", {**facts, "files": listed(folder)})
    with_model(tmp_path / "y/out", "NPO")
    found, told = models_of([tmp_path / "x/out", tmp_path / "y/out"])
    assert list(found) == ["x/out: GA-s0", "y/out: GA-s0"]
    assert "NPO-s0 is left out" in told[0]


# --- where it is written --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_a_report_is_written_twice_and_wherever_it_is_wanted_but_not_into_a_run(run_npo: Npo, tmp_path: Path) -> None:
    run = judged(tmp_path / "run")
    folder = unlearned(run, "GA")
    for out in ([], ["--out", str(run)], ["--out", str(tmp_path / "a[/b]")], []):
        code, printed, err = run_npo("report", str(run), *out)
        assert (code, err) == (0, ""), err
        assert "report.html" in printed
    assert "a[/b]" in run_npo("report", str(run), "--out", str(tmp_path / "a[/b]"))[1]
    code, _, err = run_npo("report", str(run), "--out", str(folder / "report"))
    assert code == 2
    assert "a finished piece of work" in err
    assert [one.label for one in collect([run]).runs] == ["GA"]
    moved = tmp_path / "moved"
    run.rename(moved)
    assert run_npo("report", str(moved))[0] == 0
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/below"):
        code, _, err = run_npo("report", str(moved), "--out", str(tmp_path / out))
        assert code == 2
        assert err.count("\n") == 1
    check_outside(tmp_path / "absent" / "below")


# --- data stays data ------------------------------------------------------------------------------------------------

NASTY = (
    "[/INST]",
    "[red]x",
    "a[/b]",
    "<script>alert(1)</script>",
    "![x](javascript:alert(1))",
    "| a | b |",
    "`code` **bold** _x_",
    "\x1b[2J\x1b]0;title\x07",
    "one\ntwo\r\nthree",
    "\u202egnol\u202c",
    "my$loss$",
    "损失",
    "x" * 500,
    "=cmd|'/c calc'!A0",
    "{{ 7 * 7 }}",
    "",
)


def made(tmp_path: Path, **changed: Any) -> list[UnlearningRun]:
    folder = unlearned(tmp_path, "GA", **{"texts": [], **changed})
    return [UnlearningRun.read(folder)]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures, to save time."""
    monkeypatch.setattr("npo.report.runs.RUNS", ())
    monkeypatch.setattr("npo.report.runs.differences", lambda runs: [])


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("text", NASTY)
def test_an_answer_is_shown_as_it_is_wherever_it_is_shown(text: str, tmp_path: Path) -> None:
    texts = [{"set": "forget", "question": text or "?", "answer": text, "generated": text}]
    out = tmp_path / "report"
    out.mkdir()
    write_runs(out, made(tmp_path / "run", texts=texts, stopped=text or None), [text], "npo report x")
    page = (out / "report.html").read_text(encoding="utf8")
    answers = (out / "answers.md").read_text(encoding="utf8")
    for written in (page, answers, (out / "table.md").read_text(encoding="utf8")):
        assert "<script>" not in written
        assert "\x1b" not in written
        assert "\u202e" not in written
    assert "49" not in page.partition("Answers at the end")[2].partition("Why your")[0]
    assert "](javascript:" not in answers.replace("\\](javascript:", "")
    lines = answers.strip().split("\n")
    assert len(lines) == 4
    if text:
        assert lines[2] == f"- true: {markdown(text)}"


@given(text=st.text())
def test_any_text_is_one_cell_of_markdown_and_steers_no_terminal(text: str) -> None:
    line = markdown(text)
    assert "\n" not in line
    assert "\r" not in line
    assert "<" not in line.replace("<br>", "")
    assert "|" not in line.replace("\\|", "")
    shown = plain(text)
    assert not any(character in shown for character in "\x1b\x07\x08\x9b\r\u202e")
    shown.encode("utf8")


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("NPO+RT", "Zoë said: 5 < 6", "مرحبا", "日本", "👩‍👩‍👧", "a\tb\nc"):
        assert plain(text) == text
    assert markdown("GA (2 seeds)") == "GA (2 seeds)"
    assert cell("NPO+RT") == "NPO+RT"
    assert cell("=1") == "'=1"


def test_a_label_with_brackets_is_shown_in_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = made(tmp_path, label="[red]f[/b]")
    Console(width=200).print(table(runs))
    assert "[red]f[/b]" in capsys.readouterr().out


def test_messages_do_not_steer_the_terminal(run_npo: Npo) -> None:
    code, _, err = run_npo("report", "\x1b[2Jabsent")
    assert code == 2
    assert "\x1b" not in err
    assert "\\x1b[2Jabsent" in err


def test_a_model_card_holds_no_markup_from_names_and_settings(tmp_path: Path) -> None:
    label, settings = "<img src=x>\x1b[2J[a](javascript:x)", {"base": "\u202ex", "name": "```\n# x"}
    write_card(tmp_path, about={"stage": "unlearn", "label": label}, settings=settings, results={"a|b": 1.0})
    card = (tmp_path / "README.md").read_text(encoding="utf8")
    assert "<img" not in card
    assert "\x1b" not in card
    assert "| a\\|b | 1.0 |" in card
    fenced = card.split("\n```json\n")[1].split("\n```\n")[0]
    assert json.loads(fenced) == settings


def test_seeds_of_the_main_job_are_told_apart() -> None:
    results = {f"llm/unlearn/GA-s{seed}": Data({}, values_of("GA", seed)) for seed in (0, 1)}
    found = report.language_models(results)
    assert found is not None
    assert [label for label, _ in found["rows"]][2:] == ["GA, seed 0, epoch 2", "GA, seed 1, epoch 2"]
    alone = report.language_models(dict(list(results.items())[:1]))
    assert alone is not None
    assert alone["rows"][2][0] == "GA, epoch 2"


def test_a_model_without_utility_has_none_to_lose() -> None:
    nothing = [moment(epoch, model_utility=0.0) for epoch in range(3)]
    runs = {f"llm/unlearn/{m}-s0": Data({}, values_of(m, moments=nothing)) for m in ("GA", "NPO", "NPO+RT")}
    entries = [enter(claim, runs, {}, {}) for claim in llm.CLAIMS]
    assert [entry["verdict"] for entry in entries[1:]] == ["not testable here"] * 4


# --- figures and tables of odd runs ---------------------------------------------------------------------------------


ODD_LABELS = ("$x", "a$b$c", "_hidden", "损失", "y" * 200, "a,b", "x=,=", "%s", "\\frac")


def odd(kind: str) -> list[dict[str, Any]]:
    nothing = {key: None for key in moment(1) if key not in ("step", "epoch")}
    every = {
        "one moment alone": [values_of("GA", moments=[moment(0)])],
        "unequal lengths": [values_of("GA"), values_of("NPO", moments=[moment(0), moment(1)])],
        "nothing was finite": [
            values_of("GA", moments=[moment(0), {**moment(1), **nothing}, {**moment(2), **nothing}])
        ],
        "nothing at all was finite": [values_of("GA", moments=[{**moment(i), **nothing} for i in range(3)])],
        "no retrained utility": [values_of("GA", retrained={**scores(0.5), "model_utility": None})],
        "no utility": [values_of("GA", moments=[moment(i, model_utility=None) for i in range(3)])],
        "no utility left": [values_of("GA", moments=[moment(i, model_utility=0.0) for i in range(3)])],
        "thirty methods": [values_of(f"method{i}", seed) for i in range(30) for seed in (0, 1)],
        "weights": [values_of(f"NPO+RT,retain_weight={w}") for w in (1, 3)],
        "weights and more": [values_of(f"NPO+RT,retain_weight={w},lr=1") for w in (1, 3)],
        "a retain weight of 0": [values_of(f"NPO+RT,retain_weight={w}") for w in (0, 3)],
        "weights without a number": [
            values_of("NPO+RT"),
            values_of("NPO+RT,retain_weight=3", moments=[moment(0, **nothing)]),
        ],
        "an odd label": [
            values_of(label) for label in ("$x", "a$b$c", "_hidden", "损失", "y" * 200, "a,b", "x=,=", "%s", "\\frac")
        ],
    }
    return every[kind]


KINDS = (
    "one moment alone",
    "unequal lengths",
    "nothing was finite",
    "nothing at all was finite",
    "no retrained utility",
    "no utility",
    "no utility left",
    "thirty methods",
    "weights",
    "weights and more",
    "a retain weight of 0",
    "weights without a number",
    "an odd label",
)


def test_further_metrics_are_shown_where_they_were_taken(tmp_path: Path) -> None:
    """Without a list of them: in every table, and as panels beside those of the usual measures."""
    more = {"forget_exact_memorization": 0.25, "retain_exact_memorization": 0.75, "mine_of_all": 3.0}
    moments = [{**moment(epoch), **more} for epoch in (0, 1)]
    runs = [UnlearningRun.read(unlearned(tmp_path, name, 0, moments=moments)) for name in ("GA", "NPO")]
    plain = UnlearningRun.read(unlearned(tmp_path / "plain", "GA", 0))
    assert list(columns_of(runs)) == [*columns_of([plain]), *more]
    assert "| forget exact memorization |" in as_markdown(runs)
    (row, *_) = csv.DictReader(as_csv(runs).splitlines())
    assert {key: float(row[key]) for key in more} == more
    for drawn, columns in ((runs, 4), ([plain], 3)):
        figure = llm_metrics.draw({run.name: run.data for run in drawn})
        assert len(figure.axes) == 4 * columns
        assert sum(axes.get_visible() for axes in figure.axes) == 4 * 3 + (2 if columns == 4 else 0)
    fourth = llm_metrics.draw({"a": runs[0].data}).axes[3]
    assert fourth.get_title("left") == "forget: exact memorization"
    other = {"step": 0, "epoch": 0, "news_f1": 0.5, "news_of_old_f1": 0.5, "forget_kl": 0.0}
    values = {**plain.data.values, "moments": [other], "data": {"asked": {"news": 1, "news_of_old": 1}}}
    figure = llm_metrics.draw({"a": Data({}, values)})
    assert [axes.get_title("left") for axes in figure.axes] == ["news: f1", "news of old: f1"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", KINDS)
def test_odd_runs_are_tabled_and_drawn(kind: str, tmp_path: Path) -> None:
    runs = []
    for i, values in enumerate(odd(kind)):
        changed = {key: value for key, value in values.items() if key != "seed"}
        folder = unlearned(tmp_path, f"method{i}", int(values["seed"]), **changed)
        runs.append(UnlearningRun.read(folder))
    out = tmp_path / "report"
    out.mkdir()
    write_runs(out, runs, [], "npo report x")
    rows = list(csv.DictReader((out / "runs.csv").read_text(encoding="utf8").splitlines()))
    assert len(rows) == sum(len(run.data.values["moments"]) for run in runs)
    assert set(saved(out / "runs.json")) == {run.name for run in runs}
    assert as_markdown(runs).count("\n| ") >= 3
