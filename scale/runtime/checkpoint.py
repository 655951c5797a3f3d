"""Training state on disk: trained weights and the optimizer's moments as safetensors, the rest as `Data`.

One way for every form of training: `torch.distributed.checkpoint.state_dict` gathers the whole state by parameter name,
sharded or not. A checkpoint is a folder that is built beside its place and renamed into it: it is whole or absent. Its
manifest has the hash of every file.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from records.errors import UserError
from records.files import write_json
from records.ownership import MANIFEST, foreign, listed
from records.store import Data, load, save
from records.tensor_writes import tensors_written
from scale.runtime.processes import Processes

__all__ = ["copied", "read", "read_weights", "trained_weights", "write", "write_weights"]

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
_SPREAD = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, ignore_frozen_params=True, strict=False)
_ALONE = StateDictOptions(ignore_frozen_params=True)
MODEL, MOMENTS = "trained.safetensors", "optimizer.safetensors"


def _whole_state(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Trained parameters by their names in the plain model, and the optimizer's state by those names; on the CPU."""
    weights, moments = get_state_dict(model, optimizer, options=_WHOLE)
    return cast(dict[str, Tensor], weights), cast(dict[str, Any], moments)


def trained_weights(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every trained parameter by its name in the plain model, whole and on the CPU."""
    return _whole_state(model, optimizer)[0]


def write_weights(path: Path, model: torch.nn.Module, processes: Processes) -> None:
    """Keep the trained parameters alone in one file, whole or absent; all processes call it, the first writes."""
    weights = cast(dict[str, Tensor], get_model_state_dict(model, options=_WHOLE))
    if processes.first:
        draft = path.with_name(f"{path.name}.draft")
        with tensors_written(path.parent):
            save_file(_separate(weights), draft)
        draft.replace(path)
    processes.wait()


def read_weights(path: Path, model: torch.nn.Module, processes: Processes) -> None:
    """Put back what `write_weights` kept; all processes call it, the first reads."""
    weights: dict[str, Any] = load_file(path) if processes.first else {}
    set_model_state_dict(model, weights, options=_SPREAD if torch.distributed.is_initialized() else _WHOLE)


def copied(source: Path, target: Path) -> None:
    """A second name for a file's content, without a second copy where the disk can do that."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write(
    place: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: Data,
    processes: Processes,
    *,
    beside: Sequence[Path] = (),
) -> None:
    """Replace the checkpoint at `place`, with further files in it; all processes call it, the first writes."""
    weights, moments = _whole_state(model, optimizer)
    if processes.first:
        draft = place.with_name(f"{place.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            _write(draft, weights, moments, state, beside)
        except BaseException:  # a full disk most often: what is half written takes none of it
            shutil.rmtree(draft, ignore_errors=True)
            raise
        old = place.with_name(f"{place.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        draft.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    processes.wait()


def _write(
    folder: Path, weights: dict[str, Tensor], moments: Mapping[str, Any], state: Data, beside: Sequence[Path]
) -> None:
    """The files of a checkpoint."""
    folder.mkdir(parents=True)
    kept = {
        f"{name}|{moment}": value.clone() if isinstance(value, Tensor) else _number(value)
        for name, kept in moments["state"].items()
        for moment, value in _flat(kept)
    }
    with tensors_written(folder):
        save_file(_separate(weights), folder / MODEL)
        save_file(kept, folder / MOMENTS)
    save(folder, state)
    for path in beside:
        copied(path, folder / path.name)
    write_json(folder / MANIFEST, {"files": listed(folder)})


def _number(value: float) -> Tensor:
    """A plain number as a tensor, to the bit."""
    return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else torch.int64)


def _flat(kept: Mapping[str, Any]) -> Iterator[tuple[str, Tensor | int | float]]:
    """What an optimizer keeps of a parameter; moments in 8 bits lie deeper, and steps may be a plain number."""
    for key, value in kept.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}/{inner}", found) for inner, found in _flat(value))
        elif isinstance(value, Tensor | int | float):
            yield key, value


def _separate(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of which none shares memory with another (tied weights do, and safetensors refuses that)."""
    return {name: tensor.clone() for name, tensor in weights.items()}


def _restore_interrupted(place: Path) -> None:
    """Between two renames the old checkpoint is the only one."""
    old = place.with_name(f"{place.name}.old")
    if not place.exists() and old.exists():
        old.rename(place)


def read(place: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, processes: Processes) -> Data | None:
    """Put a checkpoint back into model and optimizer; what else was kept, or None where there is no checkpoint.

    The first process reads, all receive. UserError where it is damaged, or of another model.
    """
    if processes.first:
        _restore_interrupted(place)
    if not processes.agreed(place.is_dir):
        return None
    own_weights, own = _whole_state(model, optimizer)
    found: _Found | None = None
    reason = ""
    if processes.first:
        try:
            found = _read(place, own_weights)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UserError) as error:
            reason = str(error).strip().split("\n")[0]
    reason = processes.told(reason)
    if reason:
        raise UserError(
            f"The checkpoint {place} can't be resumed from: {reason} Delete this folder to start the stage anew."
        )
    alone = not torch.distributed.is_initialized()
    weights, moments = (found.weights, {**own, "state": found.moments}) if found else ({}, {})
    set_model_state_dict(model, dict(weights), options=_WHOLE if alone else _SPREAD)
    if processes.told(bool(own.get("state"))):  # sign descent and plain descent remember nothing
        set_optimizer_state_dict(model, optimizer, moments, options=_ALONE if alone else _SPREAD)
    return processes.told(found.state if found else None)


class _Found(NamedTuple):
    """What a checkpoint holds: trained weights and the optimizer's state by parameter, and the rest."""

    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Any]]
    state: Data


def _read(place: Path, own: Mapping[str, Tensor]) -> _Found:
    """The files of a checkpoint; ValueError where a byte of them has changed or they are not of `own`, what trains."""
    weights = load_file(place / MODEL)
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in weights.items()}:
        raise ValueError("it holds the parameters of another model.")
    moments: dict[str, dict[str, Any]] = {}
    for name, value in load_file(place / MOMENTS).items():
        parameter, _, moment = name.rpartition("|")
        outer, _, inner = moment.rpartition("/")
        kept = moments.setdefault(parameter, {})
        plain = value.ndim == 0 and value.dtype in (torch.int64, torch.float64)
        (kept.setdefault(outer, {}) if outer else kept)[inner] = value.item() if plain else value
    state = load(place)
    if not isinstance(state.values.get("epoch"), int) or not isinstance(state.values.get("history"), list):
        raise ValueError("its data.json says nothing of epoch and history.")
    if wrong := foreign(place):
        raise ValueError(f"{', '.join(wrong)}: not what was written.")
    return _Found(weights, moments, state)
