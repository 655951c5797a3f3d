"""π_ref as a training step asks for it: from what was computed once, or from a second model that is kept in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Protocol

import torch
from torch import Tensor

from scale.data.prompts import Encoded
from scale.models.reading.scorer import BatchPart, ReferenceBatch, Scorer
from scale.models.reading.scoring import States
from scale.models.reading.unpadded import batch_for
from scale.models.reference.cache import ReferenceCache, ReferenceModel, ReferenceStates
from scale.models.reference.held_head import HeldHead
from scale.runtime.processes import Processes
from scale.training.asked import ANSWERS, Asked, asked_of, asks_reinforced
from scale.training.batches import TrainingRows
from theory.head import Head
from theory.objective import Objective

__all__ = ["CachedReference", "LiveReference", "Reference", "asks_reference", "cached_reference"]


class Reference(Protocol):
    """What a step asks of π_ref on answers of one kind (`scale.training.asked`), by index and by the rows themselves.

    Without gradient.
    """

    def quantities(self, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]) -> dict[str, Tensor]:
        """What is asked by name: `ref_logp`, `ref_token_logp`, `ref_hidden`."""

    def states(self, logits: str, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]) -> ReferenceBatch:
        """Final hidden states on the answers, and the head, of the model whose `logits` these are, by that name."""


@dataclass(frozen=True)
class _Kept:
    """What is known of a set of answers, as far as it is asked for; token by token, one row's after another's."""

    tokens: Sequence[int]
    logp: Tensor | None = None
    token_logp: Tensor | None = None
    hidden: States | None = None
    states: Mapping[str, ReferenceStates] = field(default_factory=dict)

    def of_rows(self, flat: Tensor, indices: Sequence[int]) -> Tensor:
        """The tokens of some rows, one's after another's."""
        starts = torch.cumsum(torch.tensor(self.tokens), 0) - torch.tensor(self.tokens)
        return torch.cat([flat[int(starts[i]) : int(starts[i]) + self.tokens[i]] for i in indices])


@dataclass(frozen=True)
class CachedReference:
    """π_ref from what was computed once, looked up by index."""

    kept: Mapping[str, _Kept]
    device: torch.device
    heads: Mapping[str, Head] = field(default_factory=dict)
    """By the name of the logits; in memory for objectives of these alone."""

    def quantities(self, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]) -> dict[str, Tensor]:
        """What is asked by name."""
        kept, found = self.kept[asked.kind], dict[str, Tensor]()
        if kept.logp is not None:
            found["ref_logp"] = kept.logp[list(indices)]
        if kept.token_logp is not None:
            found["ref_token_logp"] = kept.of_rows(kept.token_logp, indices)
        if kept.hidden is not None:
            found["ref_hidden"] = kept.of_rows(kept.hidden.hidden, indices)
        return {name: x.to(self.device) for name, x in found.items()}

    def states(self, logits: str, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]) -> ReferenceBatch:
        """Final hidden states on the answers, and the head, of the model whose `logits` these are."""
        return self.kept[asked.kind].states[logits].of(indices, rows, self.heads[logits])


def asks_reference(objective: Objective, blocks: int) -> bool:
    """Does an objective take anything of the reference, on a model with so many blocks?"""
    asked = (asked_of(objective, kind, blocks) for kind in ANSWERS)
    needs = {name for one in asked if one is not None for name in one.needs}
    of_reference = any(name.startswith("ref_") for name in needs)
    return of_reference or objective.z_ref is not None or asks_reinforced(objective)


def cached_reference(
    cache: ReferenceCache,
    reference_model: ReferenceModel,
    objective: Objective,
    rows: TrainingRows,
    reinforced: ReferenceStates | None = None,
) -> CachedReference:
    """What an objective needs of the reference, computed or read now; `reinforced` is what it needs of that model.

    The forget answers' log-probabilities are had for every method: the drop u = log π_ref − log π_θ is logged for all
    that are given a reference.
    """
    kept, heads = dict[str, _Kept](), dict[str, HeldHead]()
    for kind in ANSWERS:
        answers, asked = rows.of(kind), asked_of(objective, kind, reference_model.scorer.blocks)
        if asked is None:
            continue
        kept[kind] = _Kept(
            [row.targets for row in answers],
            cache.logp(reference_model, answers) if asked.ref_logp else None,
            cache.token_logp(reference_model, answers) if "ref_token_logp" in asked.needs else None,
            None if asked.block is None else cache.hidden(reference_model, answers, asked.block),
            _states(asked, reinforced, partial(cache.states, reference_model, answers)),
        )
        heads |= {name: states.head for name, states in kept[kind].states.items()}
    read = {name: head() for name, head in heads.items()}
    return CachedReference(kept, reference_model.processes.accelerator.device, read)


def _states(
    asked: Asked, reinforced: ReferenceStates | None, of_reference: Callable[[], ReferenceStates]
) -> dict[str, ReferenceStates]:
    """The states of the models whose logits are wanted, by the name of these."""
    found = {"ref_logits": of_reference()} if "ref_logits" in asked.needs else {}
    if "reinforced_logits" in asked.needs:
        assert reinforced is not None
        found["reinforced_logits"] = reinforced
    return found


@dataclass(frozen=True)
class LiveReference:
    """π_ref computed anew at every step by a frozen second model: what `CachedReference` is compared with."""

    scorer: Scorer
    pad: int
    processes: Processes
    reinforced: ReferenceStates | None = None
    """What is known of the reference trained further, which is never a third model in memory."""

    @cached_property
    def _reinforced_head(self) -> Head:
        assert self.reinforced is not None
        return self.reinforced.head()

    def quantities(self, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]) -> dict[str, Tensor]:
        """What is asked by name."""
        wanted = ["logp"] if asked.ref_logp else []
        wanted += [name for name in ("token_logp", "hidden") if f"ref_{name}" in asked.needs]
        with torch.no_grad(), self.processes.accelerator.autocast():
            batch = batch_for(self.scorer, rows, self.pad, self.processes.accelerator.device)
            (found,) = self.scorer(batch, [BatchPart(len(rows), tuple(wanted), block=asked.block)])
        return {f"ref_{name}": found[name].float() for name in wanted}

    def states(self, logits: str, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]) -> ReferenceBatch:
        """Final hidden states on the answers, and the head, of the model whose `logits` these are."""
        if logits == "reinforced_logits":
            assert self.reinforced is not None
            return self.reinforced.of(indices, rows, self._reinforced_head)
        batch = batch_for(self.scorer, rows, self.pad, self.processes.accelerator.device)
        with torch.no_grad(), self.processes.accelerator.autocast():
            return ReferenceBatch(self.scorer.answers(batch)[0].final.float(), self.scorer.head())
