"""The command as a stranger meets it: fast help, and one clear message for each mistake."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from npo.cli import main

NPO = [sys.executable, "-m", "npo.cli"]


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["reproduce", "--help"]])
def test_help_and_version_answer_in_under_a_second(words: list[str], root: Path) -> None:
    times = []
    for _ in range(3):  # the best of three: another process may hold the machine
        started = time.perf_counter()
        done = subprocess.run([*NPO, *words], capture_output=True, text=True, cwd=root, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 1.0
    assert "npo" in done.stdout.lower()


def test_help_imports_nothing_heavy(root: Path) -> None:
    code = "import sys, npo.cli; print(sorted({'torch', 'numpy', 'matplotlib', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["npo", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    return int(caught.value.code or 0), captured.out, captured.err


MISTAKES = {
    "unknown method": (
        ["synthetic", "logistic", "--method", "NPQ"],
        "--method NPQ: Unknown method 'NPQ'. Did you mean NPO?",
    ),
    "method without its β": (["synthetic", "logistic", "--method", "NPO"], "npo needs beta=…"),
    "β for a method without": (["synthetic", "logistic", "--method", "GA", "--beta", "1"], "none of GA takes β"),
    "β not positive": (
        ["synthetic", "logistic", "--method", "NPO", "--beta", "-1"],
        "beta of npo must be a positive number, got -1.0",
    ),
    "lr not positive": (
        ["synthetic", "logistic", "--method", "GA", "--lr", "0"],
        "--lr must be positive, got 0.0",
    ),
    "no such loss file": (["synthetic", "logistic", "--method", "x.py:f"], "there is no file x.py"),
    "no such retain term": (["synthetic", "logistic", "--method", "x.py:f+zz"], "+zz is no retain term"),
    "unknown theorem": (["theory", "propositio-1"], "no theorem 'propositio-1'. Did you mean proposition-1?"),
    "unknown step": (["reproduce", "--only", "theroy"], "--only theroy: no such step; the steps are theory"),
    "unknown key": (
        ["reproduce", "--quick", "--only", "logistic", "logistic.alhpa=0"],
        "Unknown key logistic.alhpa. Did you mean logistic.alpha?",
    ),
    "two mistakes at once": (
        ["reproduce", "--quick", "--only", "theory", "--only", "logistic", "theory.beta=0", "logistic.steps=x"],
        "logistic.steps: Input should be a valid integer",
    ),
    "a step of its own for a setting": (["reproduce", "beta=1"], "Unknown setting 'beta': write STEP.KEY=VALUE"),
    "a setting for a step left out": (["reproduce", "--only", "theory", "llm.vocab=9"], "which --only leaves out"),
    "no key=value": (["reproduce", "logistic"], "Settings are written key=value; these are not: 'logistic'"),
    "absent data folder": (
        ["reproduce", "--quick", "--only", "llm", "--data", "{tmp}/absent"],
        "{tmp}/absent",
    ),
    "unwritable output folder": (
        ["reproduce", "--quick", "--only", "theory", "--out", "{tmp}/file/below"],
        "Can't write to the folder {tmp}/file/below",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_message_and_exit_code_2(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("NPO_DATA", raising=False)
    words, message = MISTAKES[mistake]
    code, out, err = _run(monkeypatch, capsys, *(w.format(tmp=tmp_path) for w in words))
    assert code == 2
    assert message.format(tmp=tmp_path) in err
    assert "Traceback" not in out + err
    if mistake == "two mistakes at once":
        assert "beta must be positive" in err


def test_a_broken_line_of_the_data_is_named(
    tmp_path: Path, tofu: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("forget10_perturbed.json", "retain_perturbed.json"):
        lines = (tofu / name).read_text(encoding="utf8").splitlines()
        lines[-1] = lines[-1][:-5]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf8")
    code, _, err = _run(monkeypatch, capsys, "reproduce", "--quick", "--only", "llm", "--data", str(tmp_path))
    assert code == 2
    assert re.search(r"_perturbed\.json\D+400", err)  # file and line
    assert "Traceback" not in err


def test_mistakes_in_the_words_themselves_are_click_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _run(monkeypatch, capsys, "reprodcue")
    assert code == 2
    assert "No such command 'reprodcue'" in err


def test_the_real_command_prints_no_traceback(root: Path) -> None:
    done = subprocess.run([*NPO, "reproduce", "--only", "x"], capture_output=True, text=True, cwd=root)
    assert done.returncode == 2
    assert done.stderr == "npo: --only x: no such step; the steps are theory, logistic, transformer, llm.\n"


def test_logistic_runs_ones_own_loss_beside_the_paper_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\n\n\ndef loss(logp, ref_logp, *, beta: float):\n"
        "    return 2 / beta * torch.log1p(torch.exp(beta * (logp - ref_logp)))\n"
    )
    own = f"{tmp_path}/mine.py:loss+rt"
    words = ("--method", "NPO+RT", "--method", own, "--beta", "1", "--steps", "50", "--out", str(tmp_path / "out"))
    code, out, _ = _run(monkeypatch, capsys, "synthetic", "logistic", *words)
    assert code == 0
    assert "NPO+RT" in out
    from records.store import load

    (theirs,) = (tmp_path / "out").glob("NPO+RT")
    (mine,) = (tmp_path / "out").glob("*mine*")
    difference = load(theirs).arrays["forget_distance"] - load(mine).arrays["forget_distance"]
    assert abs(difference).max() < 1e-12


def test_doctor_examines_this_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(monkeypatch, capsys, "doctor")
    assert code == 0
    for what in ("python", "torch", "transformers", "numba", "CPU", "GPU"):
        assert what in out


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from npo import doctor

    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "accelerate" else real(name))
    assert doctor.examine() == 1
    assert "Absent: accelerate. For it: pip install -e '.[scale]'" in capsys.readouterr().out


def test_theory_lists_and_checks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from theory.catalogue import CATALOGUE

    code, out, _ = _run(monkeypatch, capsys, "theory")
    assert code == 0
    assert all(name in out for name in CATALOGUE)
    code, out, _ = _run(monkeypatch, capsys, "theory", "intrinsic-time", "--seed", "4")
    assert code == 0
    assert "hypotheses: met" in out
    assert "holds at" in out
    code, out, _ = _run(monkeypatch, capsys, "theory", "slips")
    assert code == 0
    assert "XX" in out


def test_theory_exits_with_1_where_a_theorem_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    from theory.catalogue import CATALOGUE
    from theory.theorem import Bounds

    exhibit = CATALOGUE["proposition-1"]
    never = dataclasses.replace(exhibit.theorem, predict=lambda instance, at: Bounds(at + 1e9, at + 1e10))
    monkeypatch.setitem(CATALOGUE, "proposition-1", dataclasses.replace(exhibit, theorem=never))
    code, out, _ = _run(monkeypatch, capsys, "theory", "proposition-1")
    assert code == 1
    assert "FAILS" in out
