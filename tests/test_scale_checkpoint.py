"""A checkpoint whose files are damaged is refused with its place and what to do; a whole one is read."""

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from records.errors import UserError
from records.store import Data, finish
from scale.runtime import checkpoint
from scale.runtime.processes import Processes

STATE = Data({}, {"epoch": 1, "history": []})


def written(place: Path) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A checkpoint after one step, and what it is of."""
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint.write(place, model, optimizer, STATE, Processes("cpu"))
    return model, optimizer


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    model, optimizer = written(tmp_path / "checkpoint")
    assert checkpoint.read(tmp_path / "checkpoint", model, optimizer, Processes("cpu")) == STATE


DAMAGES = {
    "data.json": (b"", b"{}", b"[", b'{"epoch": "1", "history": []}', b'{"epoch": 1}', b"[" * 100_000),
    "data.npz": (b"", b"x", b"PK\x03\x04"),
    "trained.safetensors": (b"", b"x", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"),
    "optimizer.safetensors": (b"", b"x", b"\xff" * 100),
}


@pytest.mark.parametrize(("name", "content"), [(name, x) for name, several in DAMAGES.items() for x in several])
def test_a_damaged_one_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    model, optimizer = written(place)
    (place / name).write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint can't be resumed from: .*Delete this folder"):
        checkpoint.read(place, model, optimizer, Processes("cpu"))


@pytest.mark.parametrize("name", ["data.json", "data.npz", "trained.safetensors", "optimizer.safetensors"])
def test_no_flipped_byte_is_resumed_from(name: str, tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    model, optimizer = written(place)
    was = {key: value.clone() for key, value in model.state_dict().items()}
    whole = (place / name).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        (place / name).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(UserError, match=r"checkpoint can't be resumed from: .*Delete this folder"):
            checkpoint.read(place, model, optimizer, Processes("cpu"))
    assert all(torch.equal(value, was[key]) for key, value in model.state_dict().items())


def test_a_lost_manifest_is_no_proof(tmp_path: Path) -> None:
    model, optimizer = written(tmp_path / "checkpoint")
    (tmp_path / "checkpoint/manifest.json").unlink()
    with pytest.raises(UserError, match="not what was written"):
        checkpoint.read(tmp_path / "checkpoint", model, optimizer, Processes("cpu"))


def test_a_full_disk_leaves_the_old_one_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "checkpoint"
    model, optimizer = written(place)

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        written(place)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    assert checkpoint.read(place, model, optimizer, Processes("cpu")) == STATE


def test_a_half_written_one_of_a_killed_process_goes_with_the_rest(tmp_path: Path) -> None:
    def killed(folder: Path) -> None:
        for name in ("checkpoint", "checkpoint.draft", "checkpoint.old", "data"):
            (folder / name).mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(tmp_path / "unit", "key", {}, killed)
    assert sorted(path.name for path in (tmp_path / ".unit.key").iterdir()) == [
        ".npo-unfinished", "checkpoint", "checkpoint.old",
    ]  # fmt: skip
