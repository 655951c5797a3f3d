"""The loss of a batch: its gradient, put into the parameters by micro-batches, and what was found on the way.

A batch is shared out to the processes and cut into micro-batches that fit the memory; each is divided by the
denominators of the whole batch, so the gradient depends neither on the cut nor on the number of processes. The forget
term and the retain term can be asked for apart.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from scale.data.prompts import Encoded, collate
from scale.models.scorer import BatchPart, ReferenceBatch
from scale.runtime.processes import Processes
from scale.training.batches import BatchRows, TrainingRows
from theory.logprobs import Summed
from theory.objective import Objective, Terms, gradient_weights, tokens
from theory.retain import KLSums

__all__ = ["BOTH", "BatchLoss", "Record", "Reference"]

BOTH = frozenset({"forget", "retain"})
"""The terms of an objective."""


class Reference(Protocol):
    """What a step asks of π_ref, by index and by the rows themselves; without gradient."""

    def forget(self, indices: Sequence[int], rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities of forget answers."""

    def idk(self, places: Sequence[int], rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities of "I don't know" answers."""

    def retain(self, indices: Sequence[int], rows: Sequence[Encoded]) -> ReferenceBatch:
        """Final hidden states on retain answers."""


Record = dict[str, float | None]
"""A step's log: lr, loss, forget, retain (with a retain term), drop (with a reference), weight; None is not finite."""


def already_kl(kl: Tensor) -> Tensor:
    """The retain kernel of a KL that is computed where the hidden states are (`theory.retain.kl_from_hidden`)."""
    return kl


def _scalable(objective: Objective) -> Objective:
    """An objective whose KL takes sums over answers instead of logits; one without a KL as it is."""
    if objective.retain_needs != {"logits", "ref_logits"}:
        return objective
    return replace(objective, retain=already_kl, retain_per=tokens)  # over answer tokens, whatever the others are


@dataclass
class BatchLoss:
    """An objective on a model and its rows.

    `piece` is the rows of a micro-batch; `pooled` divides both terms by the tokens of both sets together: the authors'
    cross-entropy of IDK and retain rows.
    """

    scorer: torch.nn.Module
    objective: Objective
    rows: TrainingRows
    _: KW_ONLY
    piece: int
    pad: int
    processes: Processes
    reference: Reference | None = None
    pooled: bool = False

    def __post_init__(self) -> None:
        self.objective = _scalable(self.objective)

    def gradient(self, batch: BatchRows, terms: Collection[str] = BOTH) -> Record:
        """Add the gradient of the batch's loss to that of the parameters; what was found on the way.

        `terms` names the terms to take, each with its weight in the objective: their gradients sum to that of both.
        """
        accelerator, world = self.processes.accelerator, self.processes.count
        share = BatchRows(*(part[self.processes.number :: world] for part in batch))
        largest = -(-len(batch.forget) // world)  # rows of a process
        micro_batches = -(-largest // self.piece)
        common = self._common(batch)
        total: dict[str, Tensor] = {}
        accelerator.step, accelerator.gradient_accumulation_steps = 0, micro_batches
        for i in range(micro_batches):
            cut = slice(i * self.piece, (i + 1) * self.piece)
            micro_batch = BatchRows(*(part[cut] for part in share))
            spare = not micro_batch.forget  # fewer rows than processes: a row of no weight keeps step with the others
            with accelerator.accumulate(self.scorer), accelerator.autocast():
                taken = BatchRows(*(part[:1] for part in batch)) if spare else micro_batch
                found, given = self._terms(taken, common, terms)
                accelerator.backward(found.total * (0 if spare else micro_batches * world))
            if not spare:
                for name, value in self._record(found, given, len(batch.forget)).items():
                    total[name] = total.get(name, torch.zeros((), dtype=torch.float64)) + value
        none = torch.zeros((), dtype=torch.float64)
        columns = self._columns(terms)
        summed = self.processes.together(torch.stack([total.get(name, none) for name in columns]))
        record: dict[str, float] = dict(zip(columns, summed.tolist(), strict=True))
        if "z_ref" in common and "forget" in terms:
            record["z_ref"] = float(common["z_ref_estimate"])
        return {name: value if math.isfinite(value) else None for name, value in record.items()}

    def _columns(self, terms: Collection[str]) -> list[str]:
        forgets, retains = "forget" in terms, "retain" in terms and bool(self.objective.retain_needs)
        drops = "logp" in self.objective.forget_needs and self.reference is not None
        there = {"loss": True, "forget": forgets, "retain": retains, "drop": forgets and drops, "weight": forgets}
        return [name for name, is_there in there.items() if is_there]

    def _common(self, batch: BatchRows) -> dict[str, Tensor]:
        """What all micro-batches of a batch share: denominators, and KTO's z_ref over the whole batch."""
        device, rows = self.processes.accelerator.device, self.rows
        counted = rows.forget if "logp" in self.objective.forget_needs else rows.idk
        indices = batch.forget if "logp" in self.objective.forget_needs else batch.idk
        common = {"forget_denominator": self.objective.forget_per(_counts(counted, indices, device))}
        if batch.retain:
            common["retain_denominator"] = self.objective.retain_per(_counts(rows.retain, batch.retain, device))
        if self.pooled and batch.retain:
            both = common["forget_denominator"] + common["retain_denominator"]
            common |= {"forget_denominator": both, "retain_denominator": both}
        if self.objective.z_ref is not None:
            estimate = self._z_ref(batch)
            common |= {"z_ref_estimate": estimate, "z_ref": estimate.clamp(min=self.objective.z_ref_floor)}
        return common

    @torch.no_grad()
    def _z_ref(self, batch: BatchRows) -> Tensor:
        """KTO's estimate over the whole batch, without gradient, before the clamp."""
        assert self.objective.z_ref is not None
        assert self.reference is not None
        device, size = self.processes.accelerator.device, self.piece
        logp = torch.zeros(len(batch.idk), device=device)
        cuts = [list(range(i, min(i + size, len(batch.idk)))) for i in range(0, len(batch.idk), size)]
        for places, spare in self.processes.share(cuts):
            made = collate([self.rows.idk[batch.idk[i]] for i in places], self.pad).to(device)
            with self.processes.accelerator.autocast():
                (found,) = self.scorer(made, [BatchPart(len(places))])
            if not spare:
                logp[places] = found.logp.float()
        ref_logp = self.reference.idk(batch.idk, [self.rows.idk[i] for i in batch.idk]).to(device)
        return self.objective.z_ref(self.processes.together(logp), ref_logp)

    def _terms(
        self, micro_batch: BatchRows, common: Mapping[str, Tensor], terms: Collection[str]
    ) -> tuple[Terms, dict[str, Tensor]]:
        """The micro-batch's share of the loss, from one forward pass of all its rows."""
        device = self.processes.accelerator.device
        needs = self.objective.forget_needs if "forget" in terms else frozenset[str]()
        forget, idk = [self.rows.forget[i] for i in micro_batch.forget], [self.rows.idk[i] for i in micro_batch.idk]
        retain = [self.rows.retain[i] for i in micro_batch.retain] if "retain" in terms else []
        given: dict[str, Tensor] = {name: common[name] for name in ("z_ref", "z_ref_estimate") if name in common}
        if "logp" in needs and self.reference is not None:  # whatever the method: the drop is logged
            given["ref_logp"] = self.reference.forget(micro_batch.forget, forget).to(device)
        if "ref_logp_win" in needs and self.reference is not None:
            given["ref_logp_win"] = self.reference.idk(micro_batch.idk, idk).to(device)
        rows: list[Encoded] = []
        parts: dict[str, BatchPart] = {}
        if "logp" in needs:
            parts["logp"] = BatchPart(len(forget), self._weight(given))
            rows += forget
        if "logp_win" in needs:
            parts["logp_win"] = BatchPart(len(idk), None if "logp" in needs else torch.ones_like)
            rows += idk
        if retain:
            states = self._retain_states(micro_batch, retain)
            parts["retain"] = BatchPart(len(retain), None if states else torch.ones_like, states)
            rows += retain
        found = dict(zip(parts, self.scorer(collate(rows, self.pad).to(device), list(parts.values())), strict=True))
        given |= _named(found, "logp", "count") | _named(found, "logp_win", "count_win")
        kept = found.get("retain")
        retained = {} if kept is None else {"kl" if isinstance(kept, KLSums) else "logp": kept[0], "count": kept[1]}
        return _of(self.objective, terms, given, retained, common), given

    def _weight(self, given: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor] | None:
        """d loss / d logp from logp, for kernels of one answer; DPO couples two and has none."""
        if not self.objective.forget_needs <= {"logp", "ref_logp"}:
            return None
        reference = {name: given[name] for name in self.objective.forget_needs & {"ref_logp"}}
        return lambda logp: gradient_weights(self.objective.forget, {"logp": logp, **reference})["logp"]

    def _retain_states(self, micro_batch: BatchRows, rows: Sequence[Encoded]) -> ReferenceBatch | None:
        if "kl" not in self.objective.retain_needs:
            return None
        assert self.reference is not None
        return self.reference.retain(micro_batch.retain, rows)

    def _record(self, terms: Terms, given: Mapping[str, Tensor], n: int) -> dict[str, Tensor]:
        """This micro-batch's share in the record of a batch of `n` rows: both terms, mean drop (nats), mean weight."""
        detached = {name: quantity.detach() for name, quantity in given.items()}
        record = {"loss": terms.total, "forget": terms.forget}
        if terms.retain is not None:
            record["retain"] = terms.retain
        if {"logp", "ref_logp"} <= given.keys():
            record["drop"] = (detached["ref_logp"] - detached["logp"]).sum() / n
        if {"logp", "logp_win"} & given.keys():
            weights = gradient_weights(self.objective.forget, detached)
            record["weight"] = (weights["logp"] if "logp" in weights else weights["logp_win"]).sum() / n
        return {name: value.detach().double().cpu() for name, value in record.items()}


def _of(
    objective: Objective,
    terms: Collection[str],
    given: Mapping[str, Tensor],
    retained: Mapping[str, Tensor],
    common: Mapping[str, Tensor],
) -> Terms:
    """The terms that are asked for, weighed as in the objective; one that is not is 0."""
    denominators = {name: common[name] for name in ("forget_denominator", "retain_denominator") if name in common}
    if "forget" in terms:
        chosen = objective if "retain" in terms else replace(objective, retain=None)
        return chosen(given, retained, **denominators)
    assert objective.retain is not None
    alone = Objective(objective.retain, forget_weight=objective.retain_weight, forget_per=objective.retain_per)
    found = alone(retained, forget_denominator=denominators["retain_denominator"])
    return Terms(found.total, torch.zeros_like(found.total), found.forget, None)


def _named(found: Mapping[str, Summed | KLSums], name: str, count: str) -> dict[str, Tensor]:
    return {name: found[name][0], count: found[name][1]} if name in found else {}


def _counts(rows: Sequence[Encoded], indices: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor([rows[i].targets for i in indices], device=device)
