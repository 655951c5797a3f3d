"""What the page about unlearning runs opens with: three sentences that follow the runs."""

from pathlib import Path
from typing import Any

import pytest
from html_page import sound
from runs_made_up import moment, unlearned

from npo.report.runs import write_runs
from npo.runs.findings import findings
from npo.runs.run import UnlearningRun


def _runs(folder: Path, **ends: dict[str, Any]) -> list[UnlearningRun]:
    """Runs by method, each with what its last moment says."""
    start = moment(0, model_utility=0.6, forget_probability=0.9)
    return [
        UnlearningRun.read(unlearned(folder / m, m, moments=[start, moment(2, **end)], texts=[], not_rankable=[]))
        for m, end in ends.items()
    ]


def test_the_findings_follow_the_runs(tmp_path: Path) -> None:
    good = {"model_utility": 0.54, "log10_forget_quality": -0.5, "forget_probability": 0.1}
    bad = {"model_utility": 0.006, "log10_forget_quality": -9.0, "forget_probability": 0.001}
    utility, quality, forgotten = findings(_runs(tmp_path / "a", GA=bad, NPO=good))
    assert utility == "Of the finetuned model's utility of 0.6, NPO keeps most (90%), GA least (1%)."
    assert quality.startswith("On the forget set NPO comes nearest to the retrained model: log₁₀ forget quality -0.5")
    assert "end at 0.001 (GA) to 0.1 (NPO)." in forgotten
    utility, quality, _ = findings(_runs(tmp_path / "b", GA=good, NPO=bad))
    assert "GA keeps most (90%), NPO least (1%)" in utility
    assert "GA comes nearest" in quality


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    none = {"model_utility": None, "log10_forget_quality": None, "forget_probability": 0.25}
    utility, quality, forgotten = findings(_runs(tmp_path, GA=none))
    assert utility.startswith("Model utility was not measured")
    assert quality == "Forget quality was not measured."
    assert forgotten.endswith("end at 0.25 (GA).")


@pytest.mark.parametrize("several", [False, True])
def test_the_page_opens_with_them_and_is_sound(several: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npo.report.runs.RUNS", ())
    monkeypatch.setattr("npo.report.runs.differences", lambda runs: [])
    runs = _runs(tmp_path / "run", GA={}, **({"NPO": {}} if several else {}))
    write_runs(tmp_path, runs, [], "npo report x")
    page = sound(tmp_path / "report.html")
    order = [page.text.index(f'id="{part}"') for part in ("findings", "pictures", "table", "answers", "facts")]
    assert order == sorted(order)
    assert page.text.partition('<ol class="findings">')[2].partition("</ol>")[0].count("<li>") == 3
