"""Damaged files of results: each is one clear error, whatever is wrong with them."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.arrays import read_arrays
from records.errors import UserError
from records.store import Data, load, save

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2])}


def whole() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **ARRAYS)
    return file.getvalue()


WHOLE = whole()


def npz(**entries: bytes) -> bytes:
    """An archive with these entries, whatever they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


HUGE = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117)
NO_ARCHIVE = {
    "empty": b"",
    "text": b"no archive",
    "JSON": b"{}",
    "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "one array": npy(ARRAYS["a"]),
    "a pickle": pickle.dumps(ARRAYS),
    "a pickled array": npz(a_npy=npy(np.array([{"x": 1}], dtype=object))),
    "an array of a huge size": npz(a_npy=HUGE + b"\n"),
    "a header that is none": npz(a_npy=b"\x93NUMPY\x01\x00\x05\x00{'a':"),
    "something else in the archive": npz(note=b"hello"),
    "its beginning": WHOLE[: len(WHOLE) // 2],
    "all but its end": WHOLE[:-1],
    "its end": WHOLE[10:],
}


@pytest.mark.parametrize("kind", NO_ARCHIVE)
def test_what_is_no_whole_archive_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(NO_ARCHIVE[kind])
    with pytest.raises(UserError, match=r"data\.npz"):
        read_arrays(path)


def test_an_absent_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.npz", tmp_path, tmp_path / "a" / "b"):
        with pytest.raises(UserError, match="can't be read"):
            read_arrays(path)


@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_changes_nothing_of_an_array(
    at: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.npz"
    path.write_bytes(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
    try:
        found = read_arrays(path)
    except UserError:
        return
    for name in set(found) & set(ARRAYS):
        np.testing.assert_array_equal(found[name], ARRAYS[name])


VALUES = {
    "empty": b"",
    "half": b'{"a": 1',
    "a list": b"[1]",
    "a word": b'"a"',
    "NaN": b'{"a": NaN}',
    "no text": b"\xff\xfe\x00",
    "deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a long number": b'{"a": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_are_damaged_are_told_with_file_and_remedy(kind: str, tmp_path: Path) -> None:
    save(tmp_path, Data(ARRAYS, {"a": 1}))
    (tmp_path / "data.json").write_bytes(VALUES[kind])
    with pytest.raises(UserError, match=r"(?s)data\.json is damaged.*run again"):
        load(tmp_path)


def test_absent_values_and_absent_arrays_are_told(tmp_path: Path) -> None:
    for name in ("data.json", "data.npz"):
        save(tmp_path, Data(ARRAYS, {}))
        (tmp_path / name).unlink()
        with pytest.raises(UserError, match=f"{name} can't be read.*run again"):
            load(tmp_path)
