"""What is needed of π_ref, computed once and kept: no second model in memory.

For NPO, DPO and KTO the summed log-probabilities of fixed answers; for the KL to the reference its final hidden states
at answer positions, which its output head (kept too) turns into logits. Files are safetensors, named by a hash of all
that they depend on: the model's weights, the token ids (and with them tokenizer, rows and prompt format), precision.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from records.errors import UserError
from records.files import draft_of
from records.store import content_hash
from scale.adapter_files import base_of, is_adapter
from scale.answers import States, score_all, states_of
from scale.loading import Weights
from scale.processes import Processes
from scale.prompts import Encoded
from scale.scorer import ReferenceStates, Scorer
from theory.logprobs import Head

__all__ = ["Cache", "RetainReference", "Source", "held_as", "weights_hash"]


def weights_hash(folder: Path) -> str:
    """A hash of every byte of a model's weights and of its configuration; of an adapter and of all below it."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json"]):
        if path.is_file():
            with open(path, "rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    if is_adapter(folder):
        base = base_of(folder)
        digest.update((folder / "adapter_config.json").read_bytes())
        digest.update((weights_hash(Path(base)) if Path(base).is_dir() else base).encode())
    return digest.hexdigest()[:16]


def held_as(weights: str, form: Weights) -> str:
    """The hash of weights that are held in this form: a reference in fewer bits is another one."""
    return weights if form == "float32" else f"{weights}-{form}"


class Source(NamedTuple):
    """The reference model as it stands before the first step, and a hash of its weights."""

    scorer: Scorer
    weights: str
    pad: int
    processes: Processes


class RetainReference(NamedTuple):
    """The reference's states on the answers of all retain rows, and its head."""

    states: States
    head: Head

    def of(self, indices: Sequence[int], rows: Sequence[Encoded], device: torch.device) -> ReferenceStates:
        """Those of some rows, in the places of their batch; positions that predict nothing hold zeros."""
        starts = torch.cumsum(self.states.tokens, 0) - self.states.tokens
        time = max(len(row.ids) for row in rows)
        hidden = torch.zeros(len(rows), time, self.states.hidden.shape[1])
        for place, (index, row) in enumerate(zip(indices, rows, strict=True)):
            first = int(starts[index])
            hidden[place, row.first - 1 : len(row.ids) - 1] = self.states.hidden[first : first + row.targets]
        bias = None if self.head.bias is None else self.head.bias.to(device)
        return ReferenceStates(hidden.to(device), Head(self.head.weight.to(device), bias, self.head.softcap))


class Cache(NamedTuple):
    """A folder of what is known of reference models."""

    folder: Path

    def logp(self, source: Source, rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities (nats) of the answers, (rows,)."""

        def compute() -> dict[str, Tensor]:
            return {"logp": score_all(source.scorer, rows, source.pad, source.processes).logp}

        return self._kept("logp", source, rows, compute)["logp"]

    def retain(self, source: Source, rows: Sequence[Encoded]) -> RetainReference:
        """Hidden states on the answers of `rows`, and a copy of the head."""

        def compute() -> dict[str, Tensor]:
            states = states_of(source.scorer, rows, source.pad, source.processes)
            return {"hidden": states.hidden, "tokens": states.tokens}

        kept = self._kept("states", source, rows, compute)
        head = source.scorer.head()
        bias = None if head.bias is None else head.bias.detach().float().clone()
        copied = Head(head.weight.detach().float().clone(), bias, head.softcap)
        return RetainReference(States(kept["hidden"], kept["tokens"]), copied)

    def _kept(
        self, kind: str, source: Source, rows: Sequence[Encoded], compute: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        spans = content_hash([(row.ids, row.first) for row in rows])
        key = content_hash([kind, source.weights, spans, source.processes.precision])
        path = self.folder / f"{kind}-{key}.safetensors"
        if not source.processes.agreed(path.is_file):
            found = compute()
            if source.processes.first:
                self._write(path, found)
            source.processes.wait()
            return found
        try:
            return _read(path)
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"{path} is damaged ({error}). Delete it; it will be computed again.") from None

    def _write(self, path: Path, found: dict[str, Tensor]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = {name: tensor.contiguous() for name, tensor in found.items()}
        with draft_of(path) as draft:  # jobs side by side may write the same
            save_file(whole, draft, metadata={"sha256": _hash(whole)})


def _hash(tensors: Mapping[str, Tensor]) -> str:
    """Of names, types, shapes and every byte of some tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    """What `Cache` wrote; ValueError where a byte of it has changed."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    found = load_file(path)
    if metadata.get("sha256") != _hash(found):
        raise ValueError("it is not what was written")
    return found
