"""Every long verb says the same of being stopped, in its help and after Ctrl-C, and the next call does as it said."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from small_recipe import SMALL
from typer.core import TyperGroup

from npo.cli import app
from npo.running import units as running
from npo.stopping import GOES_ON, SAID, STARTS_ANEW
from records.ownership import is_piece

Npo = Callable[..., tuple[int, str, str]]
TRAINS = (
    "data.authors=2",
    "pretrain={lr: 1e-3, epochs: 1}",
    "finetune.epochs=1",
    "unlearn.epochs=1",
    "evaluate.texts=0",
)
SIZES = (*(word for word in SMALL if "epochs" not in word and "authors" not in word), "data.retain_authors=1")
LADDER = ("law.rungs=[head]", "law.betas=[0.5]", "law.until=1", "law.nats=1", "law.steps=2", "law.rows=1")
ROOMS = ("--seeds", "1", "--steps", "3", "--every", "1", "--methods", "GA")
LONG = {  # the words of a small call of each; those of one folder go on from each other
    "reproduce": ("reproduce", "--quick", "--only", "theory"),
    "pretrain": ("pretrain", "quick", *SIZES, *TRAINS),
    "finetune": ("finetune", "quick", *SIZES, *TRAINS),
    "retrain": ("retrain", "quick", *SIZES, *TRAINS),
    "evaluate": ("evaluate", "quick", *SIZES, *TRAINS),
    "unlearn": ("unlearn", "quick", *SIZES, *TRAINS, "unlearn.methods=[GA, NPO]"),
    "run": ("run", "quick", *SIZES, *TRAINS, "unlearn.methods=[GA, NPO, NPO+RT]"),
    "beta": ("beta", "quick", *SIZES, *TRAINS, "unlearn.methods=[NPO]", "unlearn.wanted_drop=1"),
    "law": ("law", "quick", *SIZES, *TRAINS, *LADDER),
    "transformer": ("synthetic", "transformer", "--quick", "--part", "optimizers", "--optimizers", "GD"),
}
ANEW = {"logistic": ("synthetic", "logistic", "--quick", *ROOMS), "grid": ("synthetic", "grid", *ROOMS, "--lrs", "0.1")}
ELSEWHERE = {"audit", "forget", "sweep", "try"}  # tested below, each in its own way; audit, try in files of theirs


def _commands(group: TyperGroup) -> Iterator[tuple[str, Any]]:
    for name, found in group.commands.items():
        if isinstance(found, TyperGroup):
            yield from _commands(found)
        else:
            yield name, found


def test_the_help_of_each_has_the_sentence() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    helps = {name: " ".join((found.help or "").split()) for name, found in _commands(group)}
    assert set(SAID) == {*LONG, *ANEW, *ELSEWHERE}
    for name, words in helps.items():
        assert (GOES_ON in words) == (SAID.get(name) == GOES_ON), name
        assert (STARTS_ANEW in words) == (SAID.get(name) == STARTS_ANEW) == (name in ANEW), name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all verbs, as in a project that goes on."""
    return tmp_path_factory.mktemp("stopped")


def _finished(folder: Path) -> dict[str, int]:
    """When each piece of work was made."""
    made = (path.parent for path in folder.rglob("manifest.json") if is_piece(path.parent))
    return {str(place.relative_to(folder)): (place / "manifest.json").stat().st_mtime_ns for place in made}


@pytest.mark.parametrize("verb", LONG)
def test_one_that_goes_on_keeps_what_is_finished(
    verb: str, folder: Path, run_npo: Npo, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*LONG[verb], "--out", str(folder))
    before = _finished(folder)
    real = running.run_missing

    def one_more(units: Any, out: Path, *more: Any) -> None:
        """Run up to the first unit that is missing; then Ctrl-C, if one was."""
        ends = [at for at, unit in enumerate(units, start=1) if not (out / unit.name).exists()]
        real(units[: min(ends, default=len(units))], out, *more)
        if ends:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "run_missing", one_more)
    code, _, err = run_npo(*words)
    assert code == 130, err
    assert err.endswith(f"\nnpo: stopped. {GOES_ON}\n")
    between = _finished(folder)
    (new,) = set(between) - set(before)
    code, _, err = run_npo(*words)
    assert code in (0, 130), err
    assert {name: made for name, made in _finished(folder).items() if name in between} == between
    assert f"{new}: kept" in err
    assert code == 0 or ": running" in err


@pytest.mark.parametrize("verb", ANEW)
def test_one_that_starts_anew_leaves_nothing_behind(
    verb: str, tmp_path: Path, run_npo: Npo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from npo.verbs.synthetic import grid, logistic_rooms

    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for module in (grid, logistic_rooms):
        monkeypatch.setattr(module, "problem_from_arrays", stopped)
    code, _, err = run_npo(*ANEW[verb], "--out", str(tmp_path))
    assert code == 130, err
    assert err.endswith(f"\nnpo: stopped. {STARTS_ANEW}\n")
    assert not list(tmp_path.iterdir())


def test_forget_goes_on_from_its_last_finished_epoch(
    tmp_path: Path, run_npo: Npo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scale.models.folders import language_model
    from scale.models.loading import scratch
    from scale.runtime import checkpoint

    tokenizer = scratch.train_tokenizer(["Where was he born? In Oldham."], 300)
    shape = scratch.Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=64)
    model = language_model.LanguageModel(scratch.from_scratch(tokenizer, shape, seed=0), tokenizer)
    language_model.save(tmp_path / "model", model)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "Where was he born?", "answer": "In Oldham."}))
    words = ("forget", str(tmp_path / "rows.jsonl"), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "o"))
    real, read = checkpoint.write, checkpoint.read

    def then_stopped(*given: Any, **named: Any) -> None:
        real(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", then_stopped)
        code, _, err = run_npo(*words, "--epochs", "3")
    assert code == 130, err
    assert err.endswith(f"\nnpo: stopped. {GOES_ON}\n")
    begun = []
    monkeypatch.setattr(checkpoint, "read", lambda *given: begun.append(read(*given)) or begun[-1])
    code, _, err = run_npo(*words, "--epochs", "3")
    assert code == 0, err
    assert begun[0].values["epoch"] == 1


def test_a_sweep_that_is_stopped_cancels_its_jobs_and_asks_for_the_same_again(
    tmp_path: Path, run_npo: Npo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from npo.verbs import sweep

    submitted: list[list[str]] = []
    cancelled: list[list[str]] = []
    stopping = ["--unit"]

    def submit(_: Any, words: list[str]) -> SimpleNamespace:
        def exception() -> None:
            if stopping and stopping[0] in words:
                raise KeyboardInterrupt

        submitted.append(words)
        return SimpleNamespace(exception=exception, cancel=lambda check: cancelled.append(words))

    executor = SimpleNamespace(submit=submit, update_parameters=lambda **_: None)
    monkeypatch.setattr(sweep, "_executor", lambda *_: executor)
    words = ("sweep", "quick", "unlearn.methods=[GA, NPO]", "--cluster", "local", "--out", str(tmp_path))
    code, _, err = run_npo(*words)
    assert code == 130
    assert err.endswith(f"\nnpo: stopped. {GOES_ON}\n")
    first = submitted.copy()
    assert [one[3] for one in first] == ["evaluate", "run", "run"]  # whose words are those of the verbs above
    assert cancelled == first[1:]
    stopping.clear()
    code, _, err = run_npo(*words)
    assert code == 0, err
    assert submitted[3:] == first


@pytest.mark.integration
def test_a_job_that_is_cancelled_takes_its_command_with_it(tmp_path: Path) -> None:
    asleep = f"import pathlib, time; pathlib.Path({str(tmp_path / 'begun')!r}).touch(); time.sleep(60)"
    code = f"from npo.verbs.sweep import _command; _command([{sys.executable!r}, '-c', {asleep!r}])"
    handled = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {code}"
    with subprocess.Popen([sys.executable, "-c", handled], stderr=subprocess.PIPE, start_new_session=True) as job:
        while not (tmp_path / "begun").exists():
            assert job.poll() is None
        job.send_signal(signal.SIGINT)  # to it alone, as a cluster does
        assert job.stderr is not None
        job.stderr.read()  # ends when the command has ended too, whose it is as well
    assert job.returncode


def test_a_short_verb_says_that_it_was_stopped(run_npo: Npo, monkeypatch: pytest.MonkeyPatch) -> None:
    from npo.verbs import doctor

    def stopped() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", stopped)
    assert run_npo("doctor") == (130, "", "\nnpo: stopped.\n")
