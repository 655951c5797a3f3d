"""What npo did not make it never deletes: folders, files, drafts, inputs; and what is read is what was written."""

import hashlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import UserError
from records.files import draft_of, tag, write_json, write_text
from records.outputs import LIST, check_outputs, publish
from records.ownership import file_hash, foreign, remove, verify
from records.store import Data, finish, finished, load, save, writable
from records.work import Unit, run_missing


def _build(folder: Path) -> None:
    save(folder, Data({"x": np.arange(3.0)}, {"y": 1}))
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_bytes(bytes(100))


def _unit(name: str, seed: int = 0, reads: tuple[Path, ...] = ()) -> Unit:
    def run(folder: Path, inputs: object, progress: object) -> None:
        _build(folder)

    return Unit(name, {"seed": seed}, run, reads=reads)


def _tree(folder: Path) -> dict[str, bytes]:
    """Every file but locks, with its bytes."""
    files = (p for p in folder.rglob("*") if p.is_file() and ".locks" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


# --- folders ---------------------------------------------------------------------------------------------------------


def _a_foreign_folder(place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("x")


def _a_file(place: Path) -> None:
    place.write_text("x")


def _a_link(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    (place.parent / "elsewhere" / "thesis.txt").write_text("x")
    place.symlink_to("elsewhere")


def _somebody_elses_manifest(place: Path) -> None:
    place.mkdir()
    (place / "manifest.json").write_text('{"name": "an extension of a browser", "files": {"a.js": 1}}')


def _a_spoilt_manifest(place: Path) -> None:
    finish(place, "old", {}, _build)
    (place / "manifest.json").write_text("{")


def _ours_with_a_note_in_it(place: Path) -> None:
    finish(place, "old", {}, _build)
    (place / "model" / "notes.txt").write_text("x")


def _ours_with_a_hidden_file_in_it(place: Path) -> None:
    finish(place, "old", {}, _build)
    (place / ".notes").write_text("x")


def _ours_with_a_link_in_it(place: Path) -> None:
    finish(place, "old", {}, _build)
    (place / "model" / "more").symlink_to(place.parent)


def _ours_trained_further(place: Path) -> None:
    finish(place, "old", {}, _build)
    (place / "model" / "weights").write_bytes(bytes(99) + b"x")


NOT_OURS = [
    _a_foreign_folder,
    _a_file,
    _a_link,
    _somebody_elses_manifest,
    _a_spoilt_manifest,
    _ours_with_a_note_in_it,
    _ours_with_a_hidden_file_in_it,
    _ours_with_a_link_in_it,
    _ours_trained_further,
]


@pytest.mark.parametrize("make", NOT_OURS)
def test_what_npo_did_not_make_is_refused_before_anything_runs(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "unit")
    before = _tree(tmp_path)
    ran: list[str] = []

    def first(folder: Path, inputs: object, progress: object) -> None:
        ran.append("first")

    with pytest.raises(UserError, match=r"unit .*npo did not make .*Move it, or choose another"):
        run_missing([Unit("first", {}, first), _unit("unit")], tmp_path)
    with pytest.raises(UserError, match="npo did not make"):
        finish(tmp_path / "unit", "new", {}, _build)
    with pytest.raises(UserError, match="npo did not make"):
        remove(tmp_path / "unit")
    assert not ran
    assert _tree(tmp_path) == before


def test_several_folders_in_the_way_are_told_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _a_foreign_folder(tmp_path / name)
    with pytest.raises(UserError, match=r"(?s)/a would be .*/b would be "):
        run_missing([_unit("a"), _unit("b")], tmp_path)


@pytest.mark.parametrize("name", [".unit.backup", ".unit.old", ".unit.0123456789abcdef", ".unit.draft"])
def test_hidden_folders_of_a_users_beside_ours_stay(tmp_path: Path, name: str) -> None:
    _a_foreign_folder(tmp_path / name)
    run_missing([_unit("unit")], tmp_path)
    run_missing([_unit("unit", seed=1)], tmp_path)
    assert (tmp_path / name / "thesis.txt").read_text() == "x"


def test_a_stale_piece_and_one_without_some_files_are_replaced(tmp_path: Path) -> None:
    run_missing([_unit("unit")], tmp_path)
    run_missing([_unit("unit", seed=1)], tmp_path)
    (tmp_path / "unit" / "model" / "weights").unlink()  # to save room, say
    run_missing([_unit("unit", seed=1)], tmp_path)
    assert (tmp_path / "unit" / "model" / "weights").is_file()
    (tmp_path / "empty").mkdir()
    run_missing([_unit("empty")], tmp_path)


def test_a_file_that_appears_meanwhile_stays_and_so_does_the_work(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        _build(folder)
        _a_foreign_folder(tmp_path / "unit")

    with pytest.raises(UserError, match=r"npo did not make thesis\.txt"):
        finish(tmp_path / "unit", "key", {}, build)
    (tmp_path / "unit" / "thesis.txt").rename(tmp_path / "thesis.txt")
    finish(tmp_path / "unit", "key", {}, lambda folder: pytest.fail("the work was done already"))
    assert finished(tmp_path / "unit", "key")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.txt", "unit"]


@pytest.mark.parametrize("inside", ["model", "model/weights", "."])
def test_an_input_is_never_replaced(tmp_path: Path, inside: str) -> None:
    run_missing([_unit("unit")], tmp_path)
    before = _tree(tmp_path)
    with pytest.raises(UserError, match=r"would be replaced, and .* in it is read"):
        run_missing([_unit("unit", seed=1, reads=(tmp_path / "unit" / inside,))], tmp_path)
    assert _tree(tmp_path) == before
    run_missing([_unit("unit", reads=(tmp_path / "unit" / inside,))], tmp_path)  # finished: nothing is replaced


@pytest.mark.parametrize("below", ["", "more", "more/still"])
def test_nothing_is_put_into_a_finished_piece(tmp_path: Path, below: str) -> None:
    run_missing([_unit("unit")], tmp_path)
    with pytest.raises(UserError, match="is a finished piece of work, and stays as it is"):
        writable(tmp_path / "unit" / below)
    assert not foreign(tmp_path / "unit")


KILLED = """
import os, sys
from pathlib import Path
from records import ownership, store

def build(folder):
    (folder / "a").write_text("a"); (folder / "b").write_text("b")

if sys.argv[2] != "building":
    store.finish(Path(sys.argv[1]) / "unit", "old", {}, build)
unlinked, unlink = [], Path.unlink
def die(path, **options):
    unlink(path, **options)
    unlinked.append(path)
    if len(unlinked) == int(sys.argv[3]):
        os._exit(9)
Path.unlink = die
store.finish(Path(sys.argv[1]) / "unit", "new", {}, build)
"""


@pytest.mark.parametrize(("state", "after"), [("building", 1), *(("replacing", k) for k in range(1, 5))])
def test_killed_between_any_two_files_it_goes_on(tmp_path: Path, root: Path, state: str, after: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), state, str(after)], cwd=root, check=False)
    assert done.returncode == 9
    finish(tmp_path / "unit", "new", {}, lambda folder: write_text(folder / "a", "a"))
    assert finished(tmp_path / "unit", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["unit"]


# --- single files ----------------------------------------------------------------------------------------------------


def _pages(folder: Path) -> None:
    write_text(folder / "report.html", "page")
    (folder / "figures").mkdir()
    write_text(folder / "figures" / "a.svg", "<svg/>")


@pytest.mark.parametrize("name", ["report.html", "figures/a.svg", "figures"])
def test_a_users_file_of_the_same_name_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="npo did not write it"):
        publish(tmp_path, _pages)
    with pytest.raises(UserError, match="npo did not write it"):
        check_outputs(tmp_path, ["report.html", "figures/a.svg"])
    assert _tree(tmp_path) == {name: b"mine"}


def test_our_own_files_are_replaced_until_somebody_changes_them(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    publish(tmp_path, _pages)
    publish(tmp_path, lambda folder: write_text(folder / "report.html", "another"))
    assert (tmp_path / "report.html").read_text() == "another"
    publish(tmp_path, _pages)
    (tmp_path / "report.html").write_text("page, with notes of mine")
    with pytest.raises(UserError, match=r"holds report\.html"):
        publish(tmp_path, _pages)
    assert sorted(_tree(tmp_path)) == [LIST, "figures/a.svg", "report.html", "thesis.txt"]


def test_what_fails_leaves_the_old_files(tmp_path: Path) -> None:
    publish(tmp_path, _pages)
    before = _tree(tmp_path)

    def build(folder: Path) -> None:
        write_text(folder / "report.html", "half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        publish(tmp_path, build)
    assert _tree(tmp_path) == before


def test_a_file_that_is_read_is_not_replaced(tmp_path: Path) -> None:
    publish(tmp_path, _pages)
    with pytest.raises(UserError, match="or reads it"):
        publish(tmp_path, _pages, reads=[tmp_path / "figures" / ".." / "report.html"])


@settings(max_examples=40, deadline=None)
@given(
    theirs=st.dictionaries(st.sampled_from(["a", "b", "f/a", "f/c", "g"]), st.binary(max_size=4), max_size=4),
    rounds=st.lists(st.sets(st.sampled_from(["a", "b", "f/a", "f/b"]), min_size=1), min_size=1, max_size=3),
)
def test_whatever_is_published_nobody_elses_bytes_change(
    tmp_path_factory: pytest.TempPathFactory, theirs: dict[str, bytes], rounds: list[set[str]]
) -> None:
    folder = tmp_path_factory.mktemp("out")
    for name, content in theirs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for number, wanted in enumerate(rounds):

        def build(draft: Path, number: int = number, wanted: set[str] = wanted) -> None:
            for name in wanted:
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_text(f"{number} of ours")

        if wanted & theirs.keys():
            with pytest.raises(UserError, match="npo did not write it"):
                publish(folder, build)
        else:
            publish(folder, build)
            assert all((folder / name).read_text() == f"{number} of ours" for name in wanted)
        assert {name: (folder / name).read_bytes() for name in theirs} == theirs


# --- drafts, rights --------------------------------------------------------------------------------------------------


def _dead() -> str:
    """The tag of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return f"{tag().rpartition('.')[0]}.{done.pid}"


def test_drafts_of_killed_processes_are_cleared_and_all_others_stay(tmp_path: Path) -> None:
    dead, living = _dead(), f"{tag().rpartition('.')[0]}.{os.getppid()}"
    gone = [f".{name}.{dead}.npo-draft" for name in ("a.json", "b", "c.d.e")]
    kept = [
        f".a.json.{living}.npo-draft",
        f".a.json.elsewhere.{dead.rpartition('.')[2]}.npo-draft",
        f".{dead}.npo-draft",
        f".a.json.{dead}.draft",
        f"a.json.{dead}.npo-draft",
        ".a.json.npo-draft",
    ]
    for name in gone + kept:
        (tmp_path / name).write_text("x")
    write_json(tmp_path / "a.json", 1)
    assert {p.name for p in tmp_path.iterdir()} == {"a.json", *kept}


def test_a_half_published_folder_is_cleared(tmp_path: Path) -> None:
    left, theirs = tmp_path / f".outputs.{_dead()}.npo-draft", tmp_path / f".outputs.{_dead()}.npo-draft"
    left.mkdir()
    (left / ".npo-unfinished").touch()
    if theirs != left:
        _a_foreign_folder(theirs)
    publish(tmp_path, _pages)
    assert not left.exists()
    assert theirs == left or theirs.exists()


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755)])
def test_the_umask_is_respected(tmp_path: Path, mask: int, file: int, folder: int) -> None:
    with _umask(mask):
        finish(tmp_path / "unit", "key", {}, _build)
        publish(tmp_path / "out", _pages)
        with draft_of(tmp_path / "x") as draft:
            draft.write_text("x")
    rights = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {mode for path, mode in rights.items() if path.is_file()} == {file}
    assert {mode for path, mode in rights.items() if path.is_dir()} == {folder}


# --- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data.npz", "data.json", "model/weights"])
def test_a_flipped_byte_is_noticed(tmp_path: Path, name: str) -> None:
    finish(tmp_path / "unit", "key", {}, _build)
    path = tmp_path / "unit" / name
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    for place in (tmp_path / "unit", path):
        with pytest.raises(UserError, match=r"is not what was written: .*Delete the folder"):
            verify(place)
    if name != "model/weights":
        with pytest.raises(UserError, match=r"is not what was written|is damaged"):
            load(tmp_path / "unit")


def test_a_changed_number_is_noticed_though_the_file_can_be_read(tmp_path: Path) -> None:
    finish(tmp_path / "unit", "key", {}, _build)
    path = tmp_path / "unit" / "data.json"
    path.write_text(path.read_text().replace("1", "2"))
    with pytest.raises(UserError, match="is not what was written"):
        load(tmp_path / "unit")


def test_what_has_no_manifest_is_read_as_it_is(tmp_path: Path) -> None:
    _build(tmp_path)
    verify(tmp_path)
    assert load(tmp_path).values == {"y": 1}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from now on."""
    found: list[str] = []
    real = hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        found.append(Path(file.name).name)
        return real(file, name)

    monkeypatch.setattr("records.ownership.hashlib.file_digest", counted)
    return found


def test_a_file_is_hashed_once_as_long_as_it_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    os.utime(path, (1e9, 1e9))
    monkeypatch.setattr("records.ownership._FRESH", 0)
    assert file_hash(path) == file_hash(path) == hashlib.sha256(b"abc").hexdigest()
    assert hashed == ["file"]
    time.sleep(0.02)  # a tick of the disk's clock
    path.write_bytes(b"abd")  # as long
    os.utime(path, (1e9, 1e9))  # and as old
    assert file_hash(path) == hashlib.sha256(b"abd").hexdigest()


def test_what_was_written_just_now_is_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    monkeypatch.setattr("records.ownership._FRESH", 10**18)  # just now, however long a busy machine takes
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_hash(path) == file_hash(path)
    assert hashed == ["file", "file"]
