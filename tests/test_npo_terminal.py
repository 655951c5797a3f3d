"""What lies around the command: streams of few characters, widths, warnings, a folder or a user that is not there."""

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from npo.program.terminal import settle

Npo = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


def _shown(monkeypatch: pytest.MonkeyPatch, encoding: str, *words: str) -> tuple[int, str]:
    """Exit code and standard output of the command on a terminal of that encoding."""
    from npo.cli import main

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["npo", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    sys.stdout.flush()
    return int(ended.value.code or 0), raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize(
    "words", [["--help"], ["reproduce", "--help"], ["ls", "methods"], ["ls", "recipes"], ["theory"]], ids=" ".join
)
def test_a_terminal_of_few_characters_shows_everything(
    monkeypatch: pytest.MonkeyPatch, encoding: str, words: list[str]
) -> None:
    code, out = _shown(monkeypatch, encoding, *words)
    assert code == 0
    assert out.strip()


@pytest.mark.integration
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_an_error_in_other_letters_is_told(encoding: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "npo.cli", "theory", "мера-β"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    said = found.stderr.decode("utf-8")
    assert found.returncode == 2
    assert said.startswith("npo: There is no theorem")
    assert "Traceback" not in said


@pytest.mark.parametrize("width", ["0", "-3", "x", ""])
def test_a_width_that_is_none_hides_nothing(run_npo: Npo, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    code, out, _ = run_npo("ls", "methods")
    assert code == 0
    assert "NPO+RT" in out


def test_a_warning_is_a_line_of_ours() -> None:
    settle()
    assert warnings.formatwarning("mamba: slow.\x1b[2J", UserWarning, "x.py", 1) == "npo: mamba: slow.\\x1b[2J\n"


def test_a_working_folder_that_is_gone_is_told(run_npo: Npo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code, _, err = run_npo("ls")
    assert code == 2
    assert "is gone" in err


NOBODY = "~there-is-no-such-user/x"


@pytest.mark.parametrize(
    "words",
    [
        f"run {NOBODY}",
        f"run quick data.source={NOBODY}",
        f"run quick --data {NOBODY}",
        f"run quick model.base={NOBODY} model.shape=null",
        f"evaluate quick --model {NOBODY}",
        f"forget rows.jsonl --model {NOBODY} --out o",
        f"plan quick model.base={NOBODY} model.shape=null",
        f"reproduce --only llm --quick llm.model.base={NOBODY} llm.model.shape=null",
        f"reproduce --only llm --data {NOBODY}",
        f"report {NOBODY}",
        f"ask {NOBODY} who",
    ],
)
def test_a_home_of_nobody_is_told(run_npo: Npo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"question": "Who?", "answer": "Me."}\n', encoding="utf8")
    code, _, err = run_npo(*words.split())
    assert code == 2
    assert "no such user" in err


@pytest.mark.parametrize(
    ("name", "words"),
    [("NPO_DATA", "plan tofu-scratch"), ("NPO_MODELS", "plan quick model.base=smollm2-135m model.shape=null")],
)
def test_a_variable_that_names_a_home_of_nobody_is_told(
    run_npo: Npo, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv(name, NOBODY)
    code, _, err = run_npo(*words.split())
    assert code == 2
    assert "no such user" in err
