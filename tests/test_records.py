"""Whole or absent, once and never stale; a user's own function; settings with all mistakes at once."""

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import PositiveFloat
from safetensors import SafetensorError

from records.errors import UserError
from records.files import write_json
from records.loader import load_function
from records.ownership import manifest
from records.settings import distinct, override, parse_words
from records.store import Data, content_hash, finish, finished, load, locked, save, writable
from records.tensor_writes import tensors_written
from records.work import Unit, keys, run_missing

# --- store ----------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False))))
def test_content_hash_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    assert content_hash(value) == content_hash(dict(reversed(value.items())))
    assert content_hash(value) != content_hash({**value, "another key": 1})


def test_data_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = Data({"a.b": np.arange(3.0), "f": np.float32([[1]])}, {"x": [1, None, "β"], "y": {"z": 0.1}})
    save(tmp_path, saved)
    found = load(tmp_path)
    assert found.values == saved.values
    assert found.arrays.keys() == saved.arrays.keys()
    assert all((found.arrays[k] == saved.arrays[k]).all() for k in saved.arrays)


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        save(tmp_path, Data({"a": np.array([object()])}, {}))


def test_nan_does_not_enter_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_failed_piece_of_work_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        finish(tmp_path / "unit", "key", {}, build)
    assert not list(tmp_path.iterdir())
    assert not finished(tmp_path / "unit", "key")


def test_a_failed_piece_of_work_leaves_the_old_one(tmp_path: Path) -> None:
    finish(tmp_path / "unit", "old", {}, lambda folder: write_json(folder / "x.json", 1))

    def build(folder: Path) -> None:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        finish(tmp_path / "unit", "new", {}, build)
    assert finished(tmp_path / "unit", "old")


def test_a_spoilt_manifest_is_not_finished(tmp_path: Path) -> None:
    finish(tmp_path / "unit", "key", {"a": 1}, lambda folder: None)
    assert finished(tmp_path / "unit", "key")
    assert manifest(tmp_path / "unit")["settings"] == {"a": 1}
    (tmp_path / "unit" / "manifest.json").write_text("{")
    assert not finished(tmp_path / "unit", "key")


@pytest.mark.parametrize("name", ["data.npz", "data.json"])
def test_a_piece_of_work_without_one_of_its_files_is_done_again(tmp_path: Path, name: str) -> None:
    def build(folder: Path) -> None:
        save(folder, Data({"x": np.arange(3.0)}, {"y": 1}))

    finish(tmp_path / "unit", "key", {}, build)
    assert finished(tmp_path / "unit", "key")
    assert set(manifest(tmp_path / "unit")["files"]) == {"data.npz", "data.json"}
    path = tmp_path / "unit" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert not finished(tmp_path / "unit", "key")
    path.unlink()
    assert not finished(tmp_path / "unit", "key")
    path.write_bytes(whole)
    assert finished(tmp_path / "unit", "key")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: No space left on device"),
    ],
)
def test_a_full_disk_is_told_and_the_old_piece_stays(tmp_path: Path, error: Exception) -> None:
    finish(tmp_path / "unit", "old", {}, lambda folder: write_json(folder / "x.json", 1))

    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        with tensors_written(folder):
            raise error

    with pytest.raises(UserError, match=r"Can't write .*unit: .*No space left on device.*\. Make room or choose"):
        finish(tmp_path / "unit", "new", {}, build)
    assert finished(tmp_path / "unit", "old")
    assert [p.name for p in tmp_path.iterdir()] == ["unit"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "theory").write_text("")
    with pytest.raises(UserError, match=r"Can't write .*theory/unit: "):
        finish(tmp_path / "theory" / "unit", "key", {}, lambda folder: None)


def test_a_save_that_fails_leaves_the_old_files(tmp_path: Path) -> None:
    save(tmp_path, Data({"a": np.arange(3.0)}, {"x": 1}))
    with pytest.raises(ValueError, match="allow_pickle"):
        save(tmp_path, Data({"a": np.array([object()])}, {"x": 2}))
    assert load(tmp_path).values == {"x": 1}
    assert load(tmp_path).arrays["a"].tolist() == [0, 1, 2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.json", "data.npz"]


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Can't write to the folder .*file.*: .*Choose another with --out"):
        writable(tmp_path / "file" / "below")


# --- work -----------------------------------------------------------------------------------------------------------


def _unit(name: str, log: list[str], settings: dict[str, object] | None = None, needs: tuple[str, ...] = ()) -> Unit:
    def run(folder: Path, inputs: object, progress: object) -> None:
        log.append(name)
        save(folder, Data({}, {"inputs": sorted(inputs)}))

    return Unit(name, settings or {}, run, needs)


def test_finished_units_are_kept_and_changed_ones_redone_with_all_that_need_them(tmp_path: Path) -> None:
    log: list[str] = []
    units = [_unit("a", log), _unit("b", log, needs=("a",)), _unit("c", log)]
    run_missing(units, tmp_path)
    run_missing(units, tmp_path)
    assert log == ["a", "b", "c"]
    assert load(tmp_path / "b").values == {"inputs": ["a"]}
    changed = [_unit("a", log, {"seed": 1}), _unit("b", log, needs=("a",)), _unit("c", log)]
    run_missing(changed, tmp_path)
    assert log == ["a", "b", "c", "a", "b"]
    assert keys(units)["c"] == keys(changed)["c"]


SLOW_WORK = """
import sys, time
from pathlib import Path
from records.store import Data, save
from records.work import Unit, run_missing

def unit(name, seconds):
    def run(folder, inputs, progress):
        (folder / "half").write_text("half")
        print(name, flush=True)
        time.sleep(seconds)
        save(folder, Data({}, {"name": name}))
    return Unit(name, {}, run)

run_missing([unit("quick", 0), unit("slow", float(sys.argv[2]))], Path(sys.argv[1]))
"""


def test_a_killed_process_leaves_whole_units_and_the_next_one_goes_on(tmp_path: Path, root: Path) -> None:
    def start(seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SLOW_WORK, str(tmp_path), str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)

    with start(60) as first:
        assert first.stdout is not None
        assert [first.stdout.readline(), first.stdout.readline()] == ["quick\n", "slow\n"]
        time.sleep(0.1)
        os.kill(first.pid, signal.SIGKILL)
    assert (tmp_path / "quick" / "data.json").is_file()
    assert not (tmp_path / "slow").exists()
    with start(0) as second:
        out = second.communicate()[0]
    assert out == "slow\n"  # the quick one was kept
    assert sorted(p.name for p in tmp_path.iterdir()) == [".locks", "quick", "slow"]  # the half-done folder is gone


def test_a_folder_is_held_by_one_run_and_free_once_that_is_killed(tmp_path: Path, root: Path) -> None:
    command = [sys.executable, "-c", SLOW_WORK, str(tmp_path), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as first:
        assert first.stdout is not None
        assert [first.stdout.readline(), first.stdout.readline()] == ["quick\n", "slow\n"]
        half = [p for p in tmp_path.rglob("half") if p.parent.name.startswith(".slow.")]
        with pytest.raises(
            UserError, match=r"Another run is working on slow in .*\. Wait until it has ended, or choose"
        ):
            run_missing([_unit("slow", [])], tmp_path)
        assert [p for p in half if p.exists()]  # the first one's working folder is still there
        os.kill(first.pid, signal.SIGKILL)
    log: list[str] = []
    run_missing([_unit("slow", log)], tmp_path)
    assert log == ["slow"]


def test_the_lock_is_let_go_and_is_none_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = 0
    for _ in range(2):
        with locked(tmp_path, "a/b"):
            entered += 1
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path, "a"), locked(tmp_path, "a"):
        entered += 1
    with locked(tmp_path, "a"), locked(tmp_path, "b"):
        entered += 1
    assert entered == 4


def test_two_units_of_one_name_are_a_mistake_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Two units are named a"):
        run_missing([_unit("a", []), _unit("a", [])], tmp_path)


# --- a user's own function ------------------------------------------------------------------------------------------


def test_a_function_is_loaded_with_its_gradient_weight_beside_it(tmp_path: Path) -> None:
    import torch

    from theory.objective import compose, gradient_weights

    (tmp_path / "mine.py").write_text(
        "def loss(logp, *, c: float):\n    return c * logp\n\n\n"
        "def loss_weight(logp, *, c: float):\n    return 0 * logp + c\n"
    )
    objective = compose(load_function(f"{tmp_path}/mine.py:loss"), c=3.0)
    assert gradient_weights(objective.forget, {"logp": torch.zeros(2)})["logp"].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("mine.py", "does not name a function: write path/to/file.py:function_name"),
        ("absent.py:loss", "there is no file absent.py"),
        ("{tmp}/mine.py:lost", "has no function lost; it defines loss"),
        ("{tmp}/broken.py:loss", "failed to load: SyntaxError"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(tmp_path: Path, reference: str, message: str) -> None:
    (tmp_path / "mine.py").write_text("def loss(logp):\n    return logp\n")
    (tmp_path / "broken.py").write_text("def loss(")
    with pytest.raises(UserError, match=message):
        load_function(reference.format(tmp=tmp_path))


# --- settings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inner:
    lr: PositiveFloat = 1.0


@dataclass(frozen=True)
class Outer:
    seeds: tuple[int, ...] = (1, 2)
    beta: PositiveFloat = 0.1
    inner: Inner = Inner()


def test_settings_are_overridden_by_type() -> None:
    found = override(Outer(), parse_words(["seeds=3,4,5", "beta=2", "inner.lr=1e-3"]), label="outer")
    assert found == Outer((3, 4, 5), 2.0, Inner(1e-3))


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(UserError) as caught:
        override(Outer(), {"sedes": "1", "beta": "-1", "seeds": "1,x", "inner.lr": "0", "inner": "3"}, label="outer")
    text = str(caught.value)
    assert "outer.sedes: there is no such key. Did you mean outer.seeds?" in text
    assert "outer.beta: Input should be greater than 0, got -1." in text
    assert "outer.seeds.1: Input should be a valid integer" in text
    assert "outer.inner.lr: Input should be greater than 0, got 0." in text
    assert "outer.inner: there is no such key. Did you mean outer.inner.lr?" in text
    with pytest.raises(UserError, match=r"these are not: 'beta'"):
        parse_words(["beta"])


@dataclass(frozen=True)
class Whole:
    betas: tuple[PositiveFloat, ...] = (0.1, 1.0)
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        distinct("betas", self.betas)


def test_what_is_wrong_with_several_fields_together_is_said_in_its_own_words() -> None:
    for text, said in (("1,1.0", "betas holds 1 more than once."), ("", "betas needs at least one value.")):
        with pytest.raises(UserError) as caught:
            override(Whole(), {"betas": text}, label="whole")
        assert str(caught.value) == f"whole: {said}"


def test_a_setting_is_given_once() -> None:
    with pytest.raises(UserError, match=r"Each setting can be given once; given more often: a\.b"):
        parse_words(["a.b=1", "a.c=1", "a.b=2"])
