"""The command as a stranger meets it: fast help, and one clear message for each mistake."""

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from npo.stopping import GOES_ON
from records.store import load
from synthetic.logistic import load_trajectories
from synthetic.logistic.gaussians import draw
from theory.objective import METHODS

NPO = [sys.executable, "-m", "npo.cli"]


LIBRARIES = {"torch", "numpy", "matplotlib", "scipy", "transformers", "yaml", "jinja2"}
ROOMS = {"theory", "synthetic", "scale", "figures"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["reproduce", "--help"], ["audit", "--help"]])
def test_help_and_version_load_nothing_but_the_command_line(words: list[str], root: Path) -> None:
    """What makes help slow is what it imports: no timing, which other processes would decide."""
    command = [sys.executable, "-X", "importtime", *NPO[1:], *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "npo" in loaded
    assert not loaded & (LIBRARIES | ROOMS)
    assert "npo" in done.stdout.lower()


MISTAKES = {
    "unknown method": (
        ["synthetic", "logistic", "--method", "NPQ"],
        "--methods NPQ: Unknown method 'NPQ'. Did you mean NPO?",
    ),
    "try: no such file": (["try", "{tmp}/x.py:f"], "'{tmp}/x.py:f': there is no file {tmp}/x.py."),
    "try: no function": (
        ["try", "{tmp}/x.py"],
        "x.py names a file and no function in it: write {tmp}/x.py:function_name.",
    ),
    "try: a near miss": (["try", "NPQ"], "NPQ: Unknown method 'NPQ'. Did you mean NPO?"),
    "try: a retain term": (["try", "NPO+RT"], "NPO+RT: it is run alone and with +RT; write its name without +RT."),
    "try: no β": (["try", "NPO", "--quick"], "NPO: it needs a β: give it with --beta, e.g. --beta 1."),
    "try: β for nothing": (["try", "GA", "--beta", "1"], "--beta 1: GA takes no β; it takes no hyperparameter."),
    "try: β twice": (["try", "NPO", "--beta", "1", "--set", "beta=2"], "--beta and --set beta say the same"),
    "try: another hyperparameter": (["try", "NPO", "--set", "bta=2"], "none of these takes bta: NPO takes beta."),
    "atlas: a near miss": (["atlas", "NPQ"], "NPQ: the atlas has no such loss. Did you mean NPO"),
    "atlas: no such file": (["atlas", "{tmp}/x.py:f"], "there is no file {tmp}/x.py."),
    "atlas: β for nobody": (["atlas", "--beta", "1"], "--beta and --set are for losses that are named"),
    "atlas: β for another": (["atlas", "GA", "--beta", "1"], "none of these takes beta: GA takes none."),
    "atlas: a β that is none": (["atlas", "NPO", "--beta", "nan"], "beta of npo must be a positive number, got nan."),
    "atlas: no such optimiser": (
        ["atlas", "GA", "--optimizer", "Adamm"],
        "Adamm: there is none. Did you mean adamw?",
    ),
    "atlas: a file in the way": (["atlas", "GA", "--out", "{tmp}/file"], "{tmp}/file"),
    "a seed that is none": (["synthetic", "logistic", "--seeds", "1,x"], "--seeds must be numbers with commas"),
    "a seed twice": (["synthetic", "logistic", "--seeds", "1,1"], "--seeds names a seed twice."),
    "a seed twice, quickly": (["synthetic", "logistic", "--quick", "--seeds", "1,1"], "--seeds names a seed twice."),
    "no activation": (["synthetic", "logistic", "--activation", "add"], "--activation add: give relu or a function of"),
    "an activation without values": (
        ["synthetic", "logistic", "--activation", "log", "--quick", "--methods", "GA"],
        "Fitting π_ref and π_retr diverged",
    ),
    "classes with Adam": (
        ["synthetic", "logistic", "--classes", "3", "--optimiser", "Adam"],
        "--classes goes with full-batch gradient descent alone",
    ),
    "no method": (["synthetic", "logistic", "--methods", "GA,"], "--methods 'GA,': write names with single commas"),
    "no such problem": (["synthetic", "logistic", "--problem", "{tmp}/x.npz"], "x.npz: there is no such file."),
    "a problem that is none": (
        ["synthetic", "logistic", "--problem", "{tmp}/taken/1000"],
        "1000 is no .npz archive",
    ),
    "no such optimiser": (
        ["synthetic", "logistic", "--optimiser", "Adamm"],
        "--optimiser Adamm: there is no optimizer Adamm: did you mean Adam",
    ),
    "no optimiser at all": (
        ["synthetic", "logistic", "--optimiser", "lr_scheduler"],
        "--optimiser lr_scheduler: there is no optimizer lr_scheduler: there are",
    ),
    "momentum of nothing": (["synthetic", "logistic", "--momentum", "0.9"], "--momentum needs --optimiser SGD."),
    "a batch larger than the set": (
        ["synthetic", "logistic", "--quick", "--seeds", "1", "--batch", "999"],
        "batch must be from 1 to the 200 forget rows",
    ),
    "a grid of nothing": (
        ["synthetic", "grid", "--lrs", "0", "--betas", "1,1"],
        "--lrs must be positive numbers, got 0.",
    ),
    "both sizes": (["reproduce", "--quick", "--full"], "--quick and --full can't be had together"),
    "β for a method without": (["synthetic", "logistic", "--method", "GA", "--beta", "1"], "none of GA takes β"),
    "β not positive": (
        ["synthetic", "logistic", "--method", "NPO", "--beta", "-1"],
        "--beta must be a positive number, got -1.0",
    ),
    "lr not positive": (
        ["synthetic", "logistic", "--method", "GA", "--lr", "0"],
        "--lr must be a positive number, got 0.0",
    ),
    "lr infinite": (["synthetic", "logistic", "--lr", "inf"], "--lr must be a positive number, got inf"),
    "lr not a number": (["synthetic", "logistic", "--lr", "nan"], "--lr must be a positive number, got nan"),
    "alpha not a number": (["synthetic", "logistic", "--alpha", "nan"], "--alpha must be a finite number, got nan"),
    "alpha too large to fit": (["synthetic", "logistic", "--alpha", "1e308"], "Fitting π_ref and π_retr diverged"),
    "negative seed": (["synthetic", "logistic", "--seed", "-1"], "--seeds must be from 0 to"),
    "negative seed of a theorem": (["theory", "proposition-1", "--seed", "-1"], "Invalid value for '--seed'"),
    "seed beyond all generators": (
        ["theory", "proposition-1", "--seed", "99999999999999999999"],
        "Invalid value for '--seed'",
    ),
    "a file where a seed's folder should be": (
        ["synthetic", "logistic", "--method", "GA", "--out", "{tmp}/taken"],
        "{tmp}/taken holds 1000, which would be replaced, and npo did not write it",
    ),
    "no such loss file": (["synthetic", "logistic", "--method", "x.py:f"], "there is no file x.py"),
    "no such retain term": (["synthetic", "logistic", "--method", "x.py:f+zz"], "+zz is no retain term"),
    "unknown theorem": (["theory", "propositio-1"], "no theorem 'propositio-1'. Did you mean proposition-1?"),
    "unknown step": (["reproduce", "--only", "theroy"], "--only theroy: no such step; the steps are theory"),
    "unknown key": (
        ["reproduce", "--quick", "--only", "logistic", "logistic.alhpas=0"],
        "logistic.alhpas: there is no such key. Did you mean logistic.alphas?",
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
    "a setting given twice": (
        ["reproduce", "logistic.alphas=0", "logistic.alphas=1"],
        "given more often: logistic.alphas",
    ),
}

SETTINGS = {
    "theory.seed=-1": "theory: seed must be at least 0",
    "theory.lr=1e9": "theory: Theorem 2 allows a coupling of",
    "theory.beta=inf": "theory.beta: Input should be a valid number, got 'inf'.",
    "theory.beta=1e999": "theory: beta must be positive and finite.",
    "theory.steps=1": "theory: slopes against log t need steps ≥ 100.",
    "theory.law_step=3": "theory: the bounds on the law need law_step < 1.",
    "theory.law_betas=": "theory: law_betas must be one or more finite numbers ≥ 0.",
    "theory.law_betas=1,1": "theory: law_betas must differ from each other",
    "transformer.shape.width=65": "transformer.shape: width 65 must be a multiple of heads 4.",
    "transformer.law.betas=0.5,0.5": "transformer.law: betas holds 0.5 more than once.",
    "transformer.law.betas=": "transformer.law: betas needs at least one value.",
    "transformer.law.nats=inf": "transformer.law.nats: Input should be a valid number, got 'inf'.",
    "transformer.shape.vocab=2 transformer.shape.prompt=1": "transformer.shape: 50 distinct prompts of 1 token(s) need",
    "transformer.law.nats=0.001": "transformer.law: paths that end at 0.0001 (the least of single_until and least beta",
    "transformer.law.set_until=0.1": "fewer than 4 steps of set_step=0.25: take smaller steps or raise the end.",
    "logistic.alphas=100": "logistic.alphas.0: Input should be less than or equal to 10, got 100.",
    "logistic.law_examples=999": "logistic.law_examples.0: Input should be less than 200, got 999.",
    "logistic.alphas=nan": "logistic.alphas.0: Input should be a valid number, got 'nan'.",
    "logistic.figure3_lr=inf": "logistic.figure3_lr: Input should be a valid number, got 'inf'.",
    "logistic.seeds=1,1": "logistic: seeds holds 1 more than once.",
    "logistic.seeds=": "logistic: seeds needs at least one value.",
    "logistic.seeds=-1": "logistic.seeds.0: Input should be greater than or equal to 0, got -1.",
    "logistic.figure3_betas=0.1,0.1": "logistic: figure3_betas holds 0.1 more than once.",
    "llm.model.shape.heads=5": "model.shape: hidden=96 is no multiple of 2 · 5 heads; 100 is.",
    "llm.data.retain_authors=100000": "data.retain_authors=100000 asks for 100000 authors of 20 rows",
    "llm.unlearn.lr=inf": "unlearn.lr: Input should be a valid number",
    "llm.unlearn.methods=NPQ": "unlearn.methods NPQ: Unknown method 'NPQ'.",
    "llm.unlearn.methods=": "unlearn.methods: Input should be a list",
    "llm.vocab=3": "vocab: there is no such key.",
}
MISTAKES |= {
    words: (["reproduce", "--quick", "--only", words.partition(".")[0], *words.split()], message)
    for words, message in SETTINGS.items()
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.usefixtures("short_fit")
def test_a_mistake_gets_one_message_and_exit_code_2(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "1000").write_text("")
    monkeypatch.delenv("NPO_DATA", raising=False)
    monkeypatch.setattr("npo.verbs.synthetic.logistic.QUICK_FIT", 100)
    words, message = MISTAKES[mistake]
    code, out, err = run_npo(*(w.format(tmp=tmp_path) for w in words))
    assert code == 2
    assert message.format(tmp=tmp_path) in err
    assert "Traceback" not in out + err
    if mistake == "two mistakes at once":
        assert "beta must be positive" in err


def test_a_broken_line_of_the_data_is_named(tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]) -> None:
    row = {"answer": "Yes.", "paraphrased_answer": "Indeed.", "perturbed_answer": ["No.", "Never."]}
    for name in ("forget10_perturbed.json", "retain_perturbed.json"):
        lines = [json.dumps({"question": f"{name} {i}?", **row}) for i in range(60)]
        lines[-1] = lines[-1][:-5]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf8")
    code, out, err = run_npo("reproduce", "--quick", "--only", "llm", "--data", str(tmp_path))
    assert code == 2
    assert "_perturbed.json has 1 unusable line(s):\n  line 60: not JSON" in err
    assert "Traceback" not in out + err


def test_mistakes_in_the_words_themselves_are_click_s(run_npo: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = run_npo("reprodcue")
    assert code == 2
    assert "No such command 'reprodcue'" in err


@pytest.mark.integration  # a process that imports torch
def test_the_real_command_prints_no_traceback(root: Path) -> None:
    done = subprocess.run([*NPO, "reproduce", "--only", "x"], capture_output=True, text=True, cwd=root)
    assert done.returncode == 2
    assert done.stderr == "npo: --only x: no such step; the steps are theory, logistic, transformer, llm.\n"


@pytest.mark.usefixtures("short_fit")
def test_logistic_runs_without_any_option_and_says_where_a_run_diverged(
    tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = run_npo("synthetic", "logistic", "--steps", "20", "--every", "20", "--out", str(tmp_path))
    assert code == 0
    assert all(f"│ {name} " in out for name in METHODS)
    assert "α = 1, 5 seed(s)" in out
    assert (tmp_path / "distances.png").stat().st_size > 10_000
    words = ("--methods", "GA,IDK+RT", "--lr", "1e308", "--steps", "40", "--seeds", "3", "--out", str(tmp_path / "d"))
    code, out, _ = run_npo("synthetic", "logistic", *words)
    assert code == 0
    assert "GA diverged in 1 of 1 run(s), by step 25 of 40" in out
    assert load_trajectories(tmp_path / "d" / "3")["GA"].diverged_at == 25


@pytest.mark.usefixtures("short_fit")
def test_ones_own_data_and_other_optimisers(tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]) -> None:
    sample = vars(draw(alpha=0.5, seed=1, d=5, features=12, n_forget=20, n_retain=30, n_eval=15))
    np.savez(tmp_path / "mine.npz", **sample)
    words = ("--methods", "npo+rt", "--problem", str(tmp_path / "mine.npz"), "--steps", "20", "--out", str(tmp_path))
    code, out, _ = run_npo("synthetic", "logistic", *words)
    assert code == 0
    assert "one problem from a file" in out
    plain = load_trajectories(tmp_path / "mine")["npo+rt"]
    code, _, _ = run_npo("synthetic", "logistic", *words, "--optimiser", "SGD", "--momentum", "0.9", "--batch", "7")
    assert code == 0
    other = load_trajectories(tmp_path / "mine")["npo+rt"]
    assert other.steps.tolist() == plain.steps.tolist() == [0, 20]
    assert other.reference_distance[-1] > plain.reference_distance[-1] > 0
    np.savez(tmp_path / "part.npz", **{k: v for k, v in sample.items() if k != "y_idk"}, z=np.ones(1))
    code, _, err = run_npo("synthetic", "logistic", "--problem", str(tmp_path / "part.npz"))
    assert code == 2
    assert "part.npz: it lacks y_idk; it has unknown z. The arrays are W, X_forget" in err
    code, _, err = run_npo("synthetic", "logistic", *words, "--optimiser", "Adam", "--momentum", "0.9")
    assert code == 2
    assert "momentum" in err


@pytest.mark.integration
def test_other_classes_and_activations(
    tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from npo.verbs.synthetic import logistic

    monkeypatch.setattr(logistic, "QUICK_FIT", 50)
    words = ("synthetic", "logistic", "--quick", "--methods", "GA,NPO+KL", "--steps", "20", "--out", str(tmp_path))
    paths = {}
    for label, more in {"2": (), "3": ("--classes", "3"), "tanh": ("--activation", "tanh")}.items():
        code, _, _ = run_npo(*words, *more)
        assert code == 0
        paths[label] = load_trajectories(tmp_path / "1000")["NPO+KL"].forget_distance
        assert load(tmp_path / "1000").values["data"]["classes"] == (3 if label == "3" else 2)
    assert len({tuple(p) for p in paths.values()}) == 3


@pytest.mark.usefixtures("short_fit")
def test_the_grid_finds_step_size_and_beta(
    tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from npo.verbs.synthetic import grid

    monkeypatch.setattr(grid, "problem_from_arrays", partial(grid.problem_from_arrays, fit_steps=100))
    words = ("--methods", "GA,NPO+RT", "--lrs", "5e-3,1e-1", "--betas", "0.5,1", "--seeds", "1,2", "--steps", "60")
    code, out, _ = run_npo("synthetic", "grid", *words, "--out", str(tmp_path))
    assert code == 0
    assert "2 of 2" in out
    data = load(tmp_path)
    assert data.arrays["GA"].shape == (2, 1)
    assert data.arrays["NPO+RT"].shape == (2, 2)
    best = min(data.values["cells"]["NPO+RT"], key=lambda c: c["missed"])
    assert best["missed"] == data.arrays["NPO+RT"].min()
    assert (tmp_path / "grid.png").exists()


# --- a run that is stopped, a folder in use, a full disk ------------------------------------------------------------

INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from npo.cli import main; main()"
)


@pytest.mark.integration
def test_an_interrupted_run_says_so_and_how_to_go_on(root: Path, tmp_path: Path) -> None:
    words = ["reproduce", "--quick", "--only", "logistic", "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *words], cwd=root, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "running" in line:
                break
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
    assert run.returncode == 130
    assert f"npo: stopped. {GOES_ON}" in rest
    assert "Traceback" not in rest
    assert not [p for p in (tmp_path / "out").rglob(".*") if p.name != ".locks"]


def test_two_runs_do_not_share_a_folder(tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]) -> None:
    from records.store import locked

    words = ("reproduce", "--quick", "--only", "theory", "--out", str(tmp_path))
    with locked(tmp_path, "theory/proposition-1"):
        code, _, err = run_npo(*words)
    assert code == 2
    assert f"npo: Another run is working on theory/proposition-1 in {tmp_path}. Wait until it has ended" in err


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reproduce", "--quick", "--only", "theory"], "npo: Can't write {tmp}/theory/proposition-1: No space left"),
        (
            ["synthetic", "logistic", "--steps", "9", "--method", "GA"],
            "npo: Can't write into {tmp}: No space left on device. Make room",
        ),
    ],
)
@pytest.mark.usefixtures("short_fit")
def test_a_full_disk_is_told_and_nothing_half_written_stays(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_npo: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.setattr("numpy.savez_compressed", _full)
    code, _, err = run_npo(*words, "--out", str(tmp_path))
    assert code == 2
    assert message.format(tmp=tmp_path) in err
    assert "Traceback" not in err
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and ".locks" not in p.parts]
