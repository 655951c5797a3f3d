"""`npo synthetic transformer`: what it prints and leaves, that it goes on where it stopped, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from npo.verbs.synthetic import transformer
from records.settings import override
from records.store import load
from synthetic.transformer.presets import QUICK

Npo = Callable[..., tuple[int, str, str]]
COMMAND = ("synthetic", "transformer", "--quick")
OWN = """
import torch

def mine(logp, ref_logp, *, beta):
    return torch.log1p(torch.exp(beta * (logp - ref_logp))) / beta

def broken(logp):
    return logp * float("nan")
"""

MISTAKES = {
    "no part": (["--part", "laws"], "--part laws: there are law, optimizers, methods, beta, field, practice."),
    "an option of another part": (["--part", "law", "--methods", "NPO"], "--methods is for the part methods"),
    "no β": (["--betas", "1,x"], "--betas.1: Input should be a valid number"),
    "a β of 0": (["--betas", "0"], "--betas.0: Input should be greater than 0"),
    "a seed twice": (["--seeds", "1,1"], "--seeds: seeds holds 1 more than once."),
    "no optimizer": (["--optimizers", "Foo"], "--optimizers: unknown optimizer Foo; there are GD, momentum"),
    "a β twice": (["--betas", "1,1", "--seeds", "3"], "--betas: betas holds 1 more than once."),
    "no method": (["--methods", "NPP"], "--methods: Unknown method 'NPP'. Did you mean NPO?"),
    "no file": (["--methods", "nowhere.py:f"], "there is no file nowhere.py"),
}


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is quick is quicker: a transformer of one layer."""
    changes = {"shape.width": "32", "shape.layers": "1", "optimizers.steps": "40", "methods.adam_steps": "8"}
    monkeypatch.setattr(transformer, "QUICK", override(QUICK, changes, label="transformer"))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_before_anything_runs(mistake: str, tmp_path: Path, run_npo: Npo) -> None:
    words, message = MISTAKES[mistake]
    code, out, err = run_npo(*COMMAND, *words, "--out", str(tmp_path / "o"))
    assert code == 2
    assert message in err
    assert "Traceback" not in out + err
    assert not (tmp_path / "o").exists()


def test_a_part_leaves_results_figures_and_claims_and_is_not_run_twice(tmp_path: Path, run_npo: Npo) -> None:
    words = (*COMMAND, "--part", "optimizers", "--optimizers", "GD", "--out", str(tmp_path))
    code, out, err = run_npo(*words)
    assert code == 0, err
    assert "Mean drop in nats" in out
    assert "The ledger" in out
    assert (tmp_path / "figures" / "transformer_optimisers.png").is_file()
    assert load(tmp_path / "transformer" / "optimizer-GD").values["optimizer"] == "GD"
    assert json.loads((tmp_path / "claims.json").read_text()) == []  # none rests on GD alone
    before = (tmp_path / "transformer" / "optimizer-GD" / "data.npz").stat().st_mtime_ns
    code, _, err = run_npo(*words)
    assert code == 0
    assert err.count("kept") == 3
    assert (tmp_path / "transformer" / "optimizer-GD" / "data.npz").stat().st_mtime_ns == before


@pytest.mark.integration
def test_ones_own_loss_runs_beside_the_paper_s_and_one_that_diverges_stops_alone(tmp_path: Path, run_npo: Npo) -> None:
    (tmp_path / "loss.py").write_text(OWN)
    own = f"{tmp_path}/loss.py:mine+rt"
    code, out, err = run_npo(*COMMAND, "--part", "methods", "--methods", f"NPO,{own}", "--out", str(tmp_path / "o"))
    assert code == 0, err
    data = load(tmp_path / "o" / "transformer" / "methods-GD-0.5-0")
    assert [row["method"] for row in data.values["table"]] == ["NPO", own]
    assert data.values["table"][1]["source"]
    assert data.arrays[f"{own}.drop"].mean(axis=1)[-1] > 0.5
    assert "overlap" not in out
    code, _, err = run_npo(*COMMAND, "--part", "methods", "--methods", f"{tmp_path}/loss.py:broken")
    assert code == 2
    assert "broken: its loss is NaN at finite logp" in err
