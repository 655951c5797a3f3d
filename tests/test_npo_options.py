"""Options of the small rooms as strangers give them: sizes, numbers, files and paths that can't be, in one sentence."""

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from npo import cli
from npo.options import number_options
from records.arrays import read_arrays
from records.errors import UserError, together
from records.memory import check_memory
from synthetic.logistic.gaussians import draw

Npo = Callable[..., tuple[int, str, str]]
HUGE = "1000000000"
LOGISTIC, GRID, REPRODUCE = ("synthetic", "logistic"), ("synthetic", "grid"), ("reproduce", "--quick", "--only")

OPTIONS = {
    (*LOGISTIC, "--d", HUGE, "--features", HUGE): "GiB of memory, and this machine has",
    (*LOGISTIC, "--n-forget", HUGE, "--n-retain", HUGE): "GiB of memory, and this machine has",
    (*LOGISTIC, "--classes", HUGE): f"--classes {HUGE} would take about",
    (*LOGISTIC, "--steps", HUGE, "--every", "1"): f"--steps {HUGE} --every 1 would take about",
    (*LOGISTIC, "--steps", "1000000000000"): "Invalid value for '--steps'",
    (*LOGISTIC, "--features", "9" * 400): "Invalid value for '--features'",
    (*LOGISTIC, "--beta", "nan"): "--beta must be a positive number, got nan.",
    (*LOGISTIC, "--beta", "inf", "--lr", "nan"): "--lr must be a positive number, got nan.",
    (*LOGISTIC, "--optimiser", "SGD", "--momentum", "nan"): "--momentum must be a finite number ≥ 0, got nan.",
    (*LOGISTIC, "--label-noise", "nan"): "Invalid value for '--label-noise'",
    (*LOGISTIC, "--batch", "201"): "--batch must be from 1 to the 200 forget rows, got 201.",
    (*LOGISTIC, "--seeds", str(2**63)): "--seeds must be from 0 to",
    (*LOGISTIC, "--seeds", ""): "--seeds is empty. Give it a value or leave it out",
    (*LOGISTIC, "--seeds", "1_0"): "--seeds must be numbers with commas between them, got '1_0'.",
    (*LOGISTIC, "--out", ""): "--out is empty. Give it a value or leave it out",
    (*LOGISTIC, "--out", "~nobody-here/x"): "there is no such user",
    (*LOGISTIC, "--out", "x" * 5000): "File name too long.",
    (*LOGISTIC, "--out", "ring"): "Too many levels of symbolic links.",
    (*LOGISTIC, "--method", "GA", "--out", "file"): "Can't write to the folder file",
    (*GRID, "--alpha", "nan"): "--alpha must be a finite number, got nan.",
    (*GRID, "--lrs", "nan,inf,-1"): "--lrs must be positive numbers, got nan.",
    (*GRID, "--lrs", "1e-3,0.001"): "--lrs names a value twice.",
    (*GRID, "--betas", "0.1,0.10000000001"): "--betas names a value twice.",
    (*GRID, "--betas", ""): "--betas is empty. Give it a value or leave it out",
    (*GRID, "--steps", HUGE, "--every", "1"): "GiB of memory, and this machine has",
    (*REPRODUCE, "logistic", f"logistic.steps={HUGE}", "logistic.every=1"): f"logistic.steps={HUGE} would take about",
    (*REPRODUCE, "logistic", "logistic.steps=1000000000000"): "Input should be less than or equal to 1000000000",
    (*REPRODUCE, "logistic", "logistic.law_until=1e300"): "is more than 1,000,000,000 steps away",
    (*REPRODUCE, "logistic", "logistic.steps=1_0"): "Input should be a valid integer, got '1_0'.",
    (*REPRODUCE, "transformer", f"transformer.shape.width={HUGE}"): "would take about",
    (*REPRODUCE, "transformer", f"transformer.shape.vocab={HUGE}0"): "would take about",
    (*REPRODUCE, "transformer", f"transformer.shape.prompt={HUGE}"): "would take about",
    (*REPRODUCE, "transformer", "transformer.law.set_step=1e-12"): "have more than 1,000,000,000 steps of set_step",
    (*REPRODUCE, "theory", "theory.examples=100000", "theory.dimension=100000"): "must be at most 100,000,000 numbers",
    (*REPRODUCE, "theory", "theory.law_step=1e-12"): "no path may have more than 1,000,000,000 steps",
    (*REPRODUCE, "llm", "llm.model.base=/no/where", "llm.model.shape=null"): "Step llm: model.base: There is no model",
    (*REPRODUCE, "llm", f"llm.model.shape.layers={HUGE}"): "would take about",
    ("reproduce", "--quick", "--out", "file", "logistic.steps=0"): "Can't write to the folder file",
    ("score", "ring", "ring"): "Too many levels of symbolic links.",
    ("plan", "[/b]"): "There is no recipe [/b].",
    ("ls", "[/b]"): "There is nothing called [/b] to list.",
    ("theory", "[/b]"): "There is no theorem '[/b]'.",
}


@pytest.mark.parametrize("words", OPTIONS, ids=lambda words: " ".join(words)[:70])
def test_an_option_that_can_t_be_is_told_in_a_sentence(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPO_DATA", raising=False)
    Path("file").touch()
    Path("ring").symlink_to("ring")
    code, out, err = run_npo(*words)
    assert code == 2
    assert OPTIONS[words] in err
    assert "Traceback" not in out + err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "ring"]


def test_all_mistakes_of_a_run_are_told_before_its_first_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    words = ("data.source=/no", "model.base=/no/model", "model.shape=null", "unlearn.methods=[a.py:f,GB]")
    code, _, err = run_npo("run", "quick", *words, "trackers=[wandb]", "--out", "file/below")
    assert code == 2
    told = ("no folder /no.", "no model /no/model", "a.py:f: 'a.py:f': there is no file a.py", "Unknown method 'GB'")
    for said in (*told, "trackers: wandb is not installed", "Can't write to the folder file/below"):
        assert said in err


# --- nobody's code runs unasked -------------------------------------------------------------------------------------

RUNS = "import pathlib\n\npathlib.Path('ran').touch()\n\n\ndef f(logp):\n    return logp\n"


@pytest.mark.parametrize("words", [("plan",), ("show-batch", "--count", "1"), ("ls", "recipes")])
def test_looking_runs_no_file_of_a_recipe(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(RUNS, encoding="utf8")
    recipe = () if words[0] == "ls" else ("quick", "unlearn.methods=[mine.py:f+rt,NPO]")
    code, out, _ = run_npo(words[0], *recipe, *words[1:])
    assert code == 0
    assert not Path("ran").exists()
    if words[0] == "plan":
        assert "methods: f+rt, NPO" in out
        assert "mine.py:f+rt: a file whose code `npo run` runs; it was looked at, not run" in out
        code, _, err = run_npo("plan", "quick", "unlearn.methods=[mine.py:g,x.py:f,GB]")
        assert code == 2
        for said in ("mine.py has no function g; it defines f", "there is no file x.py", "Unknown method 'GB'"):
            assert said in err


# --- a problem from a file ------------------------------------------------------------------------------------------

GOOD = vars(draw(alpha=0.5, seed=1, d=3, features=4, n_forget=5, n_retain=6, n_eval=7))


def _claiming(path: Path, header: str) -> None:
    """An .npz whose array W says of itself what `header` says."""
    np.savez(path, **{k: v for k, v in GOOD.items() if k != "W"})
    text = header.ljust(117) + "\n"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("W.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(64))


def _with(path: Path, **arrays: object) -> None:
    np.savez(path, **{**GOOD, **arrays})


def _encrypted(path: Path) -> None:
    _with(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def _another(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


def _plain(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, GOOD["W"])


HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"
PROBLEMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a plain array": (_plain, "is no .npz archive"),
    "text": (lambda p: p.write_text("W"), "is no .npz archive"),
    "nothing": (lambda p: p.touch(), "is no .npz archive"),
    "a folder": (lambda p: p.mkdir(), "there is no such file"),
    "another archive": (_another, "is damaged"),
    "8 TB": (lambda p: _claiming(p, HEADER % ("<f8", "(1000000, 1000000)")), "W.npy claims 8,000,000,000,000 bytes"),
    "more than numbers": (lambda p: _claiming(p, HEADER % ("<f8", f"({10**30}, 4)")), "W.npy claims"),
    "a pickle": (lambda p: _claiming(p, HEADER % ("|O", "(8,)")), "is damaged: ValueError: Object arrays"),
    "a broken header": (lambda p: _claiming(p, "{'descr': "), "is damaged"),
    "an encrypted one": (_encrypted, "is encrypted"),
    "complex": (lambda p: _with(p, W=GOOD["W"] * 1j), "W is not an array of real numbers"),
    "dates": (lambda p: _with(p, W=GOOD["W"].astype("M8[s]")), "W is not an array of real numbers"),
    "spans": (lambda p: _with(p, W=GOOD["W"].astype("m8[s]")), "W is not an array of real numbers"),
    "words": (lambda p: _with(p, y_idk=GOOD["y_idk"].astype(str)), "y_idk is not an array of real numbers"),
    "bytes": (lambda p: _with(p, y_idk=GOOD["y_idk"].astype("S3")), "y_idk is not an array of real numbers"),
    "records": (lambda p: _with(p, y_idk=np.zeros(5, "f8,f8")), "y_idk is not an array of real numbers"),
    "huge whole numbers": (lambda p: _with(p, W=np.full((4, 3), 2**63, np.uint64)), "W holds whole numbers beyond"),
    "one number": (lambda p: _with(p, W=3.0), "W has shape ()"),
    "no rows": (lambda p: _with(p, X_forget=np.zeros((0, 3)), y_forget=np.zeros(0)), "X_forget has shape (0, 3)"),
    "NaN": (lambda p: _with(p, W=GOOD["W"] * np.nan), "W holds NaN or infinite values"),
    "too long a double": (lambda p: _with(p, W=GOOD["W"] * np.longdouble("1e4000")), "W holds NaN or infinite values"),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_problem_that_is_none_is_told(kind: str, tmp_path: Path, run_npo: Npo) -> None:
    make, said = PROBLEMS[kind]
    make(tmp_path / "mine.npz")
    words = ("--problem", str(tmp_path / "mine.npz"), "--method", "GA", "--steps", "2", "--out", str(tmp_path / "o"))
    code, out, err = run_npo("synthetic", "logistic", *words)
    assert code == 2
    assert said in err
    assert "Traceback" not in out + err


@pytest.mark.usefixtures("short_fit")
def test_real_numbers_of_any_kind_are_taken_and_a_path_may_hold_brackets(tmp_path: Path, run_npo: Npo) -> None:
    place = tmp_path / "a[" / "b]"
    place.mkdir(parents=True)
    (place / "l.py").write_text("def f(logp): return logp\n", encoding="utf8")
    kinds = {
        "W": GOOD["W"].astype(np.float16),
        "X_forget": np.asfortranarray(GOOD["X_forget"]),
        "y_idk": GOOD["y_idk"] > 0,
    }
    kinds["y_forget"] = GOOD["y_forget"].astype(np.int8)
    _with(place / "x.dat", **kinds)
    (place / "x.dat.npz").rename(place / "x.dat") if (place / "x.dat.npz").exists() else None
    words = ("--problem", f"{place}/x.dat", "--method", f"{place}/l.py:f", "--steps", "2", "--out", f"{place}/o[/b]")
    code, out, _ = run_npo("synthetic", "logistic", *words)
    assert code == 0
    assert "o[/b]/distances.png, and the trajectories" in out


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", W=np.zeros(10**6))
    assert (tmp_path / "bomb.npz").stat().st_size < 10**5
    monkeypatch.setattr("records.memory.memory", lambda: 10.0**6)
    with pytest.raises(UserError, match=r"bomb\.npz would take about"):
        read_arrays(tmp_path / "bomb.npz")


# --- what this machine refuses --------------------------------------------------------------------------------------

REFUSED = {
    "depth": (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
    "memory": (MemoryError("Unable to allocate 8 TiB"), "Memory ran out (Unable to allocate 8 TiB)."),
    "memory without a word": (MemoryError(), "Memory ran out. Ask for smaller sizes"),
    "memory of torch": (
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        "Memory ran out (DefaultCPUAllocator",
    ),
    "an early end": (EOFError("no data left"), "A file ends before it should: no data left."),
    "a folder": (IsADirectoryError(21, "Is a directory", "x"), "Can't use x: Is a directory. Name another"),
    "no folder": (NotADirectoryError(20, "Not a directory", "x/y"), "Can't use x/y: Not a directory. Name another"),
    "a long name": (OSError(36, "File name too long", "xx"), "Can't use xx: File name too long. Name another"),
    "nothing there": (FileNotFoundError(2, "No such file or directory", "x"), "Can't use x: No such file"),
    "a full disk": (OSError(28, "No space left on device"), "Can't use the disk: No space left on device. Make room"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_machine_refuses_ends_in_words(kind: str, monkeypatch: pytest.MonkeyPatch, run_npo: Npo) -> None:
    error, said = REFUSED[kind]

    def fail() -> int:
        raise error

    monkeypatch.setattr("npo.verbs.doctor.examine", fail)
    code, out, err = run_npo("doctor")
    assert code == 2
    assert f"npo: {said}" in err or said in err
    assert "Traceback" not in out + err


def test_our_own_mistake_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("npo.verbs.doctor.examine", fail)
    monkeypatch.setattr(sys, "argv", ["npo", "doctor"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_doctor_tells_what_is_broken(monkeypatch: pytest.MonkeyPatch, run_npo: Npo) -> None:
    def broken() -> list[tuple[str, str]]:
        raise OSError("libcudart.so.12: cannot open shared object file\nand more")

    monkeypatch.setattr("npo.verbs.doctor._devices", broken)
    monkeypatch.setenv("NPO_DATA", "/no/where")
    code, out, _ = run_npo("doctor")
    assert code == 1
    words = " ".join(out.split())
    assert "torch can't be used (OSError: libcudart.so.12: cannot open shared object file): install it anew." in words
    assert "NPO_DATA names /no/where, which is no folder: unset it, or name another." in words


def test_memory_is_asked_for_in_vain_and_mistakes_are_told_together() -> None:
    check_memory(1.0, "a number")
    with pytest.raises(UserError, match=r"^one would take about .*\ntwo would take about"):
        together(lambda: check_memory(1e30, "one"), lambda: 1, lambda: check_memory(1e31, "two"))


HELP = """
import json, sys
from typer.main import get_command
from npo.cli import app
verbs = get_command(app).commands
names = [[n] for n in verbs if n != "synthetic"] + [["synthetic", n] for n in verbs["synthetic"].commands]
for name in names:
    app([*name, "--help"], standalone_mode=False)
print(json.dumps(["torch" in sys.modules, "numpy" in sys.modules, len(names)]))
"""


def test_no_verb_s_help_needs_torch(root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, cwd=root, check=True)
    torch, numpy, count = json.loads(done.stdout.splitlines()[-1])
    assert (torch, numpy) == (False, False)
    assert count > 15


# --- numbers in plain digits -------------------------------------------------------------------------------------


def test_the_options_that_take_a_number_are_known() -> None:
    found = number_options(cli.app)
    assert {"--steps", "--lr", "--beta", "--n-forget", "--d", "--seed", "--lora", "--hours", "--count"} <= found
    assert not found & {"--out", "--method", "--methods", "--betas", "--model", "--quick", "--answer"}


@pytest.mark.parametrize("number", ["1_0", "1_000.5", "１０", "٣"])
def test_a_number_that_only_python_would_read_is_refused(number: str, run_npo: Npo) -> None:
    for option in sorted(number_options(cli.app)):
        for words in ((option, number), (f"{option}={number}",)):
            code, _, err = run_npo("synthetic", "logistic", *words)
            assert (code, err) == (2, f"npo: {option} {number}: write a number in plain digits, as 1000 or 1e-3.\n")
    code, _, err = run_npo("synthetic", "logistic", "--seeds", f"1,{number}")
    assert (code, err[:13]) == (2, "npo: --seeds "), err
    for word in (f"unlearn.epochs={number}", f"unlearn.seeds=[{number}]", f"finetune.lr={number}", f"seed={number}"):
        code, _, err = run_npo("plan", "quick", word)
        assert code == 2, word
        assert word.partition("=")[0] in err
    code, _, err = run_npo("reproduce", f"logistic.seeds={number}", "--only", "logistic")
    assert code == 2
    assert "logistic.seeds.0" in err


def test_a_folder_may_be_called_like_such_a_number(tmp_path: Path, run_npo: Npo) -> None:
    code, _, err = run_npo("report", str(tmp_path), "--out", "1_0")
    assert code == 2
    assert "plain digits" not in err
