"""What is needed of π_ref, computed once and kept: no second model in memory.

Log-probabilities of fixed answers, in sum and token by token; for losses of logits, as the KL to the reference, its
final hidden states at answer positions, which its output head turns into logits; and the states there after a block.
Of a head that is trained there is a copy on disk, which is in memory while it is used, once.

Files are safetensors, named by a hash of all that they depend on: the model's weights, the token ids (and with them
tokenizer, rows and prompt format), precision, the block.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from records.errors import UserError
from records.ownership import file_hash
from records.store import content_hash
from scale.data.prompts import Encoded, span
from scale.models.loading.merged import base_of, is_adapter
from scale.models.loading.whole import Weights
from scale.models.reading.scorer import ReferenceBatch, Scorer
from scale.models.reading.scoring import States, score_all, states_of, token_logps
from scale.models.reference.held_head import HeldHead
from scale.models.reference.known_states import KnownStates
from scale.models.reference.state_file import write_states
from scale.runtime import tensor_files
from scale.runtime.processes import Processes
from theory.logprobs import Head

__all__ = ["ReferenceCache", "ReferenceModel", "ReferenceStates", "held_as", "weights_hash"]


def weights_hash(folder: Path) -> str:
    """A hash of every byte of a model's weights and of its configuration; of an adapter and of all below it."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json"]):
        if path.is_file():
            digest.update(path.name.encode() + bytes.fromhex(file_hash(path)))
    if is_adapter(folder):
        base = base_of(folder)
        digest.update((folder / "adapter_config.json").read_bytes())
        digest.update((weights_hash(Path(base)) if Path(base).is_dir() else base).encode())
    return digest.hexdigest()[:16]


def held_as(weights: str, form: Weights) -> str:
    """The hash of weights that are held in this form: a reference in fewer bits is another one."""
    return weights if form == "float32" else f"{weights}-{form}"


@dataclass(frozen=True)
class ReferenceModel:
    """π_ref itself: the model as it stands before the first step, and a hash of its weights."""

    scorer: Scorer
    weights: str
    pad: int
    processes: Processes

    @property
    def width(self) -> int:
        """Of the final hidden states."""
        return int(self.scorer.head().weight.shape[1])


class ReferenceStates(NamedTuple):
    """π_ref on all rows of a set: its states on their answers, and its head."""

    states: States
    head: HeldHead

    def of(self, indices: Sequence[int], rows: Sequence[Encoded], head: Head) -> ReferenceBatch:
        """The states of some rows' answers, as `Scorer.answers` has them, where `head`, which is `self.head()`, lies.

        Behind a shorter answer are zeros.
        """
        starts = torch.cumsum(self.states.tokens, 0) - self.states.tokens
        longest = max(row.targets for row in rows)
        hidden = torch.zeros(len(rows), longest + 1, self.states.hidden.shape[1])
        for place, (index, row) in enumerate(zip(indices, rows, strict=True)):
            first = int(starts[index])
            hidden[place, : row.targets] = self.states.hidden[first : first + row.targets]
        return ReferenceBatch(hidden.to(head.weight.device), head)


@dataclass(frozen=True)
class ReferenceCache:
    """A folder of what was computed of π_ref: log-probabilities of answers, states, and the head of these."""

    folder: Path
    _heads: dict[str, HeldHead] = field(default_factory=dict, init=False, repr=False)
    _known: dict[str, KnownStates] = field(default_factory=dict, init=False, repr=False)

    def head(self, reference: ReferenceModel) -> HeldHead:
        """The output head, the same for all sets: the model's own where nothing trains it, else a copy on disk."""
        if reference.weights not in self._heads:
            own = reference.scorer.head()
            trained = any(x is not None and x.requires_grad for x in (own.weight, own.bias))
            fixed = Head(own.weight.detach(), None if own.bias is None else own.bias.detach(), own.softcap)
            read = self._copied(reference, fixed) if trained else lambda: fixed
            self._heads[reference.weights] = HeldHead(read)
        return self._heads[reference.weights]

    def _copied(self, reference: ReferenceModel, own: Head) -> Callable[[], Head]:
        """Write a head before it is trained; how to read it again, which is done where it is needed."""
        tensors = {name: x for name, x in (("weight", own.weight), ("bias", own.bias)) if x is not None}
        on_disk = partial(_write, reference.processes, lambda: {name: x.cpu() for name, x in tensors.items()})
        path, device, softcap = self._made("head", reference, (), on_disk), own.weight.device, own.softcap

        def read() -> Head:
            found = {name: x.to(device) for name, x in _read(path).items()}
            return Head(found["weight"], found.get("bias"), softcap)

        return read

    def logp(self, reference: ReferenceModel, rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities (nats) of the answers, (rows,)."""

        def found() -> dict[str, Tensor]:
            states = self._known_of(reference)
            known, others = states.parts(rows)
            logp = torch.zeros(len(rows))
            if others:
                unread = [rows[i] for i in others]
                logp[others] = score_all(reference.scorer, unread, reference.pad, reference.processes).logp
            logp[known] = states.logp([rows[i] for i in known], reference.scorer.head())
            return {"logp": logp}

        return self._kept("logp", reference, rows, partial(_write, reference.processes, found))["logp"]

    def states(self, reference: ReferenceModel, rows: Sequence[Encoded]) -> ReferenceStates:
        """Final hidden states on the answers of `rows`, which stay on disk, and the head."""
        found = self._states("states", reference, rows, None)
        self._known_of(reference).add(rows, found)
        return ReferenceStates(found, self.head(reference))

    def _known_of(self, reference: ReferenceModel) -> KnownStates:
        """The states that were had from here, of this model."""
        return self._known.setdefault(reference.weights, KnownStates())

    def hidden(self, reference: ReferenceModel, rows: Sequence[Encoded], block: int) -> States:
        """Hidden states on the answers of `rows` after a block (1 is the first), which stay on disk."""
        return self._states(f"block{block}", reference, rows, block)

    def token_logp(self, reference: ReferenceModel, rows: Sequence[Encoded]) -> Tensor:
        """Log-probability (nats) of each answer token, one row's after another's, (tokens,)."""

        def found() -> dict[str, Tensor]:
            return {"token_logp": token_logps(reference.scorer, rows, reference.pad, reference.processes)}

        return self._kept("token_logp", reference, rows, partial(_write, reference.processes, found))["token_logp"]

    def _states(self, kind: str, reference: ReferenceModel, rows: Sequence[Encoded], block: int | None) -> States:
        tokens, scorer = [row.targets for row in rows], reference.scorer
        width = reference.width if block is None else scorer.width

        def write(path: Path) -> None:
            states = self._known_of(reference) if block is None else KnownStates()
            known, others = states.parts(rows)
            unread = [rows[i] for i in others]
            read = states_of(scorer, unread, reference.pad, reference.processes, block=block) if unread else ()
            new = (([others[i] for i in batch], hidden) for batch, hidden in read)
            parts = chain(states.each(rows, known), new)
            if reference.processes.first:
                write_states(path, tokens, width, parts)
            else:
                deque(parts, maxlen=0)  # the work is shared

        return States(self._kept(kind, reference, rows, write)["hidden"], torch.tensor(tokens))

    def _kept(
        self, kind: str, reference: ReferenceModel, rows: Sequence[Encoded], write: Callable[[Path], None]
    ) -> dict[str, Tensor]:
        return _read(self._made(kind, reference, rows, write))

    def _made(
        self, kind: str, reference: ReferenceModel, rows: Sequence[Encoded], write: Callable[[Path], None]
    ) -> Path:
        """The file of what is kept of these rows, written now where it is not there."""
        spans = content_hash([span(row) for row in rows])
        key = content_hash([kind, reference.weights, spans, reference.processes.precision])
        path = self.folder / f"{kind}-{key}.safetensors"
        if not reference.processes.agreed(path.is_file):
            self.folder.mkdir(parents=True, exist_ok=True)
            write(path)
            reference.processes.wait()
        return path


def _write(processes: Processes, compute: Callable[[], dict[str, Tensor]], path: Path) -> None:
    """Compute, all processes together, and let the first write."""
    found = compute()
    if processes.first:
        tensor_files.write(path, found)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return tensor_files.read(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it; it will be computed again.") from None
