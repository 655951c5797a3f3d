"""Nobody is blamed for what is not his: not a model for a full disk, not an optimiser for our own mistakes."""

from pathlib import Path

import pytest
import torch
from torch import nn

from npo.verbs.synthetic import logistic_rooms as rooms
from records.errors import UserError
from records.files import write_json
from records.outputs import publish
from records.ownership import MARK
from records.text_file import POINTER, read_text
from scale.models.folders.known import json_object
from scale.models.reading.faster import tried_once
from scale.runtime.processes import Processes


class _Scorer(nn.Module):
    """What `tried_once` asks of one."""

    def __init__(self) -> None:
        super().__init__()
        self.ways: dict[tuple[str, ...], bool] = {}
        self.plain = type("Model", (), {"config": type("Config", (), {"model_type": "zork"})})


def _tried(error: BaseException) -> bool:
    def ask(_: object) -> bool:
        raise error

    return tried_once(_Scorer(), Processes("cpu"), ("padded",), ask, "slower.")


@pytest.mark.parametrize("error", [RuntimeError("shapes"), TypeError("mask"), KeyError("x"), NotImplementedError()])
def test_a_way_of_reading_that_a_model_refuses_is_not_taken(error: Exception) -> None:
    with pytest.warns(UserWarning, match="zork: slower"):
        assert not _tried(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "full"),
        UserError("mine"),
        ZeroDivisionError(),
        MemoryError(),
        torch.OutOfMemoryError(),
        SystemExit(),
    ],
)
def test_what_says_nothing_of_how_a_model_reads_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        _tried(error)


def test_an_error_of_ours_is_not_the_optimiser_s_nor_the_method_s() -> None:
    for error in (RuntimeError("of ours"), ValueError("of ours")):
        with pytest.raises(type(error), match=r"^of ours$"), rooms._named("GA"):
            raise error
    with pytest.raises(UserError, match=r"^--methods GA: mine$"), rooms._named("GA"):
        raise UserError("mine")


def test_one_broom_sweeps_drafts_of_files_and_of_folders(tmp_path: Path) -> None:
    from test_records_ownership import _dead

    dead = _dead()
    ours, theirs, file = (tmp_path / f".{name}.{dead}.npo-draft" for name in ("outputs", "folder", "x.json"))
    for sweep in (lambda: write_json(tmp_path / "a.json", 1), lambda: publish(tmp_path, lambda place: None)):
        for folder in (ours, theirs):
            folder.mkdir(exist_ok=True)
            (folder / "mine").touch()
        (ours / MARK).touch()
        file.touch()
        sweep()
        assert [path.exists() for path in (ours, theirs, file)] == [False, True, False]


def test_a_pointer_of_git_lfs_is_known_alike_in_every_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(POINTER + b".github.com/spec/v1\noid sha256:1\n")
    for read in (json_object, lambda path: read_text(path, "Get it.")):
        with pytest.raises(UserError, match=r"x\.json is a pointer of Git LFS, not the file itself.*git lfs pull"):
            read(tmp_path / "x.json")
