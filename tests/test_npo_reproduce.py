"""The main job from end to end in its quick form, killed and gone on with, and what it leaves."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from html_page import sound
from in_process import npo
from main_job import NPO, WHOLE, WORDS, environment

from npo.ledger import CLAIMS
from npo.report.gallery import GALLERY
from npo.verbs import reproduce
from npo.verbs.reproduce import STEPS, units_of
from records.ownership import manifest
from records.settings import parse_words
from records.store import load
from synthetic.transformer import presets as transformer_presets
from synthetic.transformer import units as transformer_study


def test_every_step_leaves_its_units(quick: Path) -> None:
    units = units_of(STEPS, quick=True, data=None, settings={})
    smaller = units_of(STEPS, quick=True, data=None, settings=parse_words(WORDS["smaller"]))
    assert [unit.name for unit in smaller] == [unit.name for unit in units]
    assert {unit.name.split("/")[0] for unit in units} == set(STEPS)
    for unit in units:
        assert manifest(quick / unit.name)["seconds"] >= 0
        assert {"python", "torch", "numpy"} <= manifest(quick / unit.name)["environment"].keys()


def test_the_ledger_has_every_claim_and_no_claim_is_left_out(quick: Path) -> None:
    ledger = json.loads((quick / "claims.json").read_text())
    assert [e["id"] for e in ledger] == [c.id for c in CLAIMS]
    assert {e["verdict"] for e in ledger} <= {"holds", "fails", "not testable here"}
    exact = {"proposition-1", "theorem-2-ga", "theorem-2-npo", "exponentially-slower", "intrinsic-time-theory"}
    exact |= {"intrinsic-time-logistic", "remainder-logistic", "intrinsic-time-transformer"}
    exact |= {"intrinsic-time-order", "departure-logistic", "rarer-label-logistic"}
    assert {e["id"] for e in ledger if e["verdict"] == "holds"} >= exact  # what needs no large run holds in a small one
    printed = (quick / "stdout").read_text()
    assert "The ledger" in printed
    assert "report.html" in printed


def test_figures_and_report(size: str, quick: Path) -> None:
    page = (quick / "report.html").read_text()
    for plate in GALLERY:
        if size == "whole":
            assert (quick / "figures" / f"{plate.name}.png").stat().st_size > 5000
        assert (quick / "figures" / f"{plate.name}.svg").is_file()
        assert f'id="{plate.name}"' in page
    for claim in CLAIMS:
        assert claim.figure in {plate.name for plate in GALLERY}
        assert f'id="claim-{claim.id}"' in page
    assert "A quick run" in page
    assert "http://" not in page.replace("http://www.w3.org", "")  # self-contained
    assert page.count("url(data:image/svg+xml;base64,") == len(GALLERY)
    assert sound(quick / "report.html").of_class("panel") > 2 * len(GALLERY)
    assert page.count('<div class="alone">') == len(GALLERY)
    assert "Greedy answers at the end of unlearning" in page


def test_nothing_is_done_twice(size: str, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shutil.copytree(quick, tmp_path / "out")
    monkeypatch.delenv("NPO_DATA", raising=False)
    monkeypatch.setattr(reproduce, "draw_plates", lambda plates, results, place: [])  # pictures are always drawn anew
    before = {p: p.stat().st_mtime_ns for p in out.rglob("manifest.json")}
    code, _, err = npo("reproduce", "--quick", *WORDS[size], "--out", str(out))
    assert code == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("manifest.json")} == before
    assert "running" not in err
    assert err.count(": kept") == len(before)


@pytest.mark.parametrize("size", [WHOLE], indirect=True)
def test_killed_and_started_again_it_ends_where_an_uninterrupted_run_ends(
    quick: Path, tmp_path: Path, root: Path
) -> None:
    words = ["reproduce", "--quick", "--only", "logistic", "--only", "theory", "--out", str(tmp_path / "out")]
    first = subprocess.Popen([*NPO, *words], cwd=root, env=environment(), stderr=subprocess.DEVNULL)
    while not (tmp_path / "out" / "logistic" / "problem-1-1000" / "manifest.json").exists():
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not (tmp_path / "out" / "claims.json").exists()
    kept = (tmp_path / "out" / "logistic" / "problem-1-1000" / "manifest.json").stat().st_mtime_ns
    subprocess.run([*NPO, *words], cwd=root, env=environment(), check=True, capture_output=True)
    assert (tmp_path / "out" / "logistic" / "problem-1-1000" / "manifest.json").stat().st_mtime_ns == kept
    for name in ("logistic/methods-1-1000", "logistic/figure3-1000", "logistic/law", "theory/theorem-2"):
        whole, resumed = load(quick / name).arrays, load(tmp_path / "out" / name).arrays
        assert whole.keys() == resumed.keys()
        assert all(np.array_equal(whole[k], resumed[k], equal_nan=True) for k in whole)
    entries = json.loads((tmp_path / "out" / "claims.json").read_text())
    left_out = [e for e in entries if e["id"].startswith("llm")]
    assert all(e["verdict"] == "not testable here" and "not run" in e["reason"] for e in left_out)


def test_settings_reach_their_step() -> None:
    units = units_of(["logistic"], quick=True, data=None, settings={"logistic.alphas": "0", "logistic.seeds": "7,8"})
    problems = [u for u in units if u.name.startswith("logistic/problem")]
    assert [u.settings["seed"] for u in problems] == [7, 8]
    assert all(u.settings["alpha"] == 0.0 for u in problems)


def test_the_full_size_is_that_of_the_logistic_and_the_transformer_room() -> None:
    full, usual = (units_of(STEPS[:3], quick=False, full=f, data=None, settings={}) for f in (True, False))
    other = ("logistic/departure", "logistic/memorised", "logistic/bounded", "transformer/")
    assert [u.name for u in usual if not u.name.startswith(other)] == [
        u.name for u in full if not u.name.startswith(other)
    ]
    assert {u.name for u in full} > {u.name for u in transformer_study.units(transformer_presets.FULL)}
    steps = [next(u.settings["steps"] for u in us if u.name == "logistic/long-1000") for us in (full, usual)]
    assert steps == [1_000_000, 100_000]


def test_real_rows_are_used_where_their_folder_is_named(tofu: Path) -> None:
    real = units_of(["llm"], quick=True, data=tofu, settings={})
    made_up = units_of(["llm"], quick=True, data=None, settings={})
    assert real[0].settings["data"] != made_up[0].settings["data"]


@pytest.mark.slow
def test_the_full_run_keeps_its_exact_claims(tmp_path: Path, root: Path) -> None:
    command = [*NPO, "reproduce", "--out", str(tmp_path / "out")]
    subprocess.run(command, cwd=root, env=environment(data=True), check=True, capture_output=True)
    ledger = {e["id"]: e for e in json.loads((tmp_path / "out" / "claims.json").read_text())}
    assert ledger["llm-rankable"]["verdict"] == "holds"
    assert ledger["logistic-pareto"]["verdict"] == "holds"
    assert ledger["transformer-logarithmic"]["verdict"] == "holds"
