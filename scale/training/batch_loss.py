"""The loss of a batch: its gradient, put into the parameters by micro-batches, and what was found on the way.

A batch is shared out to the processes and cut into micro-batches that fit the memory; each is divided by the
denominators of the whole batch, so the gradient depends neither on the cut nor on the number of processes. The forget
term and the retain term can be asked for apart.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial

import torch
from torch import Tensor

from records.errors import UserError
from scale.data.prompts import Encoded
from scale.models.reading.rows_apart import rows_apart
from scale.models.reading.scorer import BatchPart, ReferenceBatch, RowKernel, Scorer
from scale.models.reading.unpadded import batch_for
from scale.runtime.processes import Processes
from scale.training.asked import ANSWERS, SUFFIXES, Asked, asked_of, index_quantities, lengths
from scale.training.batches import BatchRows, TrainingRows
from scale.training.reference_lookup import Reference
from theory.kernel import Quantities, label, moves, needs, plain_name
from theory.objective import Objective, Terms, gradient_weights, tokens
from theory.retain import kl

__all__ = ["BOTH", "BatchLoss", "Record"]

BOTH = frozenset({"forget", "retain"})
"""The terms of an objective."""


Record = dict[str, float | None]
"""A step's log: lr, loss, forget, retain (with a retain term), drop (with a reference), weight; None is not finite.

`weight` is the mean of d loss / d log-probability, over the examples, or over the tokens of a loss that takes tokens; a
loss of logits or hidden states has none.
"""


_WEIGHED = ("token_logp", "logp", "logp_win", "logp_win_after", "logp_alternate")
"""What a mean weight may be told of, the first that a kernel takes."""


def already(value: Tensor) -> Tensor:
    """The kernel of a term whose values are computed where the hidden states are (`theory.row_kernels`)."""
    return value


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
        self.module: Scorer = self.processes.accelerator.unwrap_model(self.scorer)
        every = (asked_of(self.objective, kind, self.module.blocks) for kind in ANSWERS)
        self.asked = [asked for asked in every if asked is not None]
        by_rows = {asked.term for asked in self.asked if asked.by_rows}
        self.computed = self.objective  # what is left to compute once a batch has been read
        if "forget" in by_rows:
            self.computed = replace(self.computed, forget=already)
        if "retain" in by_rows:
            self.computed = replace(self.computed, retain=already)
        if self.objective.retain is kl:  # over answer tokens, whatever the others are
            self.computed = replace(self.computed, retain_per=tokens)

    def gradient(self, batch: BatchRows, terms: Collection[str] = BOTH) -> Record:
        """Add the gradient of the batch's loss to that of the parameters; what was found on the way.

        `terms` names the terms to take, each with its weight in the objective: their gradients sum to that of both.
        """
        accelerator, world = self.processes.accelerator, self.processes.count
        share = BatchRows(*(kind[self.processes.number :: world] for kind in batch))
        largest = -(-len(batch.forget) // world)  # rows of a process
        micro_batches = -(-largest // self.piece)
        common = self._common(batch)
        total: dict[str, Tensor] = {}
        passes = [(i, part) for i in range(micro_batches) for part in self._read_apart(terms)]
        accelerator.step, accelerator.gradient_accumulation_steps = 0, len(passes)
        for i, part in passes:
            cut = slice(i * self.piece, (i + 1) * self.piece)
            micro_batch = BatchRows(*(kind[cut] for kind in share))
            spare = not micro_batch.forget  # fewer rows than processes: a row of no weight keeps step with the others
            with accelerator.accumulate(self.scorer), accelerator.autocast():
                taken = BatchRows(*(kind[:1] for kind in batch)) if spare else micro_batch
                found, given = self._terms(taken, common, part)
                self._refuse_constant(found, part)
                with rows_apart(self.module.plain):  # where activations are recomputed
                    accelerator.backward(found.total * (0 if spare else len(passes) * world))
            if not spare:
                for name, value in self._record(found, given, batch).items():
                    total[name] = total.get(name, torch.zeros((), dtype=torch.float64)) + value
        none = torch.zeros((), dtype=torch.float64)
        columns = self._columns(terms)
        summed = self.processes.together(torch.stack([total.get(name, none) for name in columns]))
        record: dict[str, float] = dict(zip(columns, summed.tolist(), strict=True))
        if "z_ref" in common and "forget" in terms:
            record["z_ref"] = float(common["z_ref_estimate"])
        return {name: value if math.isfinite(value) else None for name, value in record.items()}

    def weigh(self, retain_weight: float) -> None:
        """Give the retain term another weight from now on."""
        self.computed = replace(self.computed, retain_weight=retain_weight)

    @torch.no_grad()
    def retain_term(self, batch: BatchRows) -> float:
        """The retain term of so many retain rows, unweighed, without gradient; by all processes together."""
        self.scorer.eval()
        common, total = self._retain_denominator(batch), torch.zeros((), dtype=torch.float64)
        cuts = [list(range(len(batch.retain)))[i : i + self.piece] for i in range(0, len(batch.retain), self.piece)]
        for places, spare in self.processes.share(cuts):
            cut = slice(places[0], places[-1] + 1)
            with self.processes.accelerator.autocast():
                found, _ = self._terms(BatchRows(*(kind[cut] for kind in batch)), common, {"retain"})
            if not spare and found.retain is not None:
                total += found.retain.double().cpu()
        return float(self.processes.together(total))

    def _retain_denominator(self, batch: BatchRows) -> dict[str, Tensor]:
        counts = self._counts("retain", batch).to(self.processes.accelerator.device)
        return {"retain_denominator": self.computed.retain_per(counts)}

    def _read_apart(self, terms: Collection[str]) -> list[Collection[str]]:
        """Both terms one after the other where that costs no time, on a CPU: half the activations are held at once."""
        apart = self.objective.retain is not None and set(terms) == BOTH and self.module.plain.device.type == "cpu"
        return [{"forget"}, {"retain"}] if apart else [terms]

    def _refuse_constant(self, found: Terms, terms: Collection[str]) -> None:
        """UserError where nothing would be learned from a term that is asked for."""
        kernels = {"forget": self.objective.forget, "retain": self.objective.retain}
        for name, kernel in kernels.items():
            term = getattr(found, name)
            if name in terms and kernel is not None and term is not None and not term.requires_grad:
                raise UserError(
                    f"{label(kernel)} has no gradient, so nothing would be learned from it: compute its loss with "
                    "torch operations on what it is given."
                )

    def _columns(self, terms: Collection[str]) -> list[str]:
        reads = {asked.kind for asked in self.asked if asked.moving}
        there = {
            "loss": True,
            "forget": "forget" in terms,
            "retain": "retain" in terms and self.objective.retain is not None,
            "drop": "forget" in terms and "forget" in reads and self.reference is not None,
            "weight": "forget" in terms and self._weighed is not None,
        }
        return [name for name, is_there in there.items() if is_there]

    @property
    def _weighed(self) -> str | None:
        """The quantity whose mean weight is logged; None where the forget kernel takes more than log-probabilities."""
        moving = {plain_name(name) for name in needs(self.objective.forget) if moves(name)}
        return next((name for name in _WEIGHED if name in moving), None) if moving <= set(_WEIGHED) else None

    def _common(self, batch: BatchRows) -> dict[str, Tensor]:
        """What all micro-batches of a batch share: denominators, and KTO's z_ref over the whole batch."""
        device = self.processes.accelerator.device
        counted = next(asked.kind for asked in self.asked if asked.moving and asked.term == "forget")
        common = {"forget_denominator": self.objective.forget_per(self._counts(counted, batch).to(device))}
        if batch.retain:
            common |= self._retain_denominator(batch)
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
            made = batch_for(self.module, [self.rows.idk[batch.idk[i]] for i in places], self.pad, device)
            with self.processes.accelerator.autocast():
                (found,) = self.scorer(made, [BatchPart(len(places))])
            if not spare:
                logp[places] = found["logp"].float()
        (asked,) = (asked for asked in self.asked if asked.kind == "win")
        ref_logp = self.reference.quantities(asked, batch.idk, [self.rows.idk[i] for i in batch.idk])["ref_logp"]
        return self.objective.z_ref(self.processes.together(logp), ref_logp.to(device))

    def _terms(
        self, micro_batch: BatchRows, common: Mapping[str, Tensor], terms: Collection[str]
    ) -> tuple[Terms, dict[str, Tensor]]:
        """The micro-batch's share of the loss, from one forward pass of all its rows; the forget set's quantities."""
        z_ref = {name: common[name] for name in ("z_ref", "z_ref_estimate") if name in common}
        given: dict[str, dict[str, Tensor]] = {"forget": z_ref, "retain": {}}
        rows: list[Encoded] = []
        parts: list[BatchPart] = []
        read = []
        for asked in self.asked:
            if asked.term not in terms or not (indices := micro_batch.of(asked.kind)):
                continue
            mine = [self.rows.of(asked.kind)[i] for i in indices]
            fixed, others = self._fixed(asked, indices, mine)
            given[asked.term] |= asked.suffixed(fixed)
            if asked.moving:
                read.append(asked)
                rows += mine
                parts.append(self._part(asked, len(mine), fixed | z_ref, others))
        batch = batch_for(self.module, rows, self.pad, self.processes.accelerator.device)
        for asked, found in zip(read, self.scorer(batch, parts), strict=True):
            given[asked.term] |= asked.suffixed(found)
        return self._of(terms, given, common), given["forget"]

    def _fixed(
        self, asked: Asked, indices: Sequence[int], rows: Sequence[Encoded]
    ) -> tuple[dict[str, Tensor], dict[str, ReferenceBatch]]:
        """What is known of some answers before the model reads them; states of other models, for their logits."""
        device = self.processes.accelerator.device
        found = {name: x.to(device) for name, x in index_quantities(asked, rows).items()}
        if self.reference is None:
            return found, {}
        if asked.reference:
            found |= {name: x.to(device) for name, x in self.reference.quantities(asked, indices, rows).items()}
        others = {name: self.reference.states(name, asked, indices, rows) for name in asked.other_logits}
        if not asked.by_rows:  # all at once, with whatever else the kernel takes
            for name, states in others.items():
                answers = torch.cat([hidden[: row.targets] for hidden, row in zip(states.hidden, rows, strict=True)])
                found[name] = states.head.logits(answers).detach()
        return found, others

    def _part(
        self, asked: Asked, rows: int, fixed: Mapping[str, Tensor], others: Mapping[str, ReferenceBatch]
    ) -> BatchPart:
        """What is asked of the model on some answers."""
        forgets = asked.kind == "forget"
        if asked.by_rows:
            return BatchPart(rows, (), kernel=RowKernel(asked.kernel, fixed, others), logged=forgets)
        early = set(asked.moving) <= {"logp", "token_logp"} and self._promises(asked)
        weight = partial(_weights, asked, fixed) if early else None
        return BatchPart(rows, asked.moving, weight=weight, block=asked.block, logged=forgets)

    def _promises(self, asked: Asked) -> bool:
        """Is the gradient of answers known from them alone? KTO's z_ref and a paired answer speak against it."""
        return asked.alone and (asked.term == "retain" or self.objective.z_ref is None)

    def _record(self, terms: Terms, given: Mapping[str, Tensor], batch: BatchRows) -> dict[str, Tensor]:
        """This micro-batch's share in the record of a batch: both terms, mean drop (nats), mean weight."""
        detached, n = {name: quantity.detach() for name, quantity in given.items()}, len(batch.forget)
        record = {"loss": terms.total, "forget": terms.forget}
        if terms.retain is not None:
            record["retain"] = terms.retain
        if {"logp", "ref_logp"} <= given.keys():
            record["drop"] = (detached["ref_logp"] - detached["logp"]).sum() / n
        if (name := self._weighed) is not None and name in given:
            of = n if name != "token_logp" else int(self._counts("forget", batch).sum())
            record["weight"] = gradient_weights(self.objective.forget, detached)[name].sum() / of
        return {name: value.detach().double().cpu() for name, value in record.items()}

    def _counts(self, kind: str, batch: BatchRows) -> Tensor:
        return lengths([self.rows.of(kind)[i] for i in batch.of(kind)])

    def _of(
        self, terms: Collection[str], given: Mapping[str, Mapping[str, Tensor]], common: Mapping[str, Tensor]
    ) -> Terms:
        """The terms that are asked for, weighed as in the objective; one that is not is 0."""
        objective, forget, retain = self.computed, given["forget"], given["retain"]
        denominators = {name: common[name] for name in ("forget_denominator", "retain_denominator") if name in common}
        if "forget" in terms:
            chosen = objective if "retain" in terms else replace(objective, retain=None)
            return chosen(forget, retain, **denominators)
        assert objective.retain is not None
        alone = Objective(objective.retain, forget_weight=objective.retain_weight, forget_per=objective.retain_per)
        found = alone(retain, forget_denominator=denominators["retain_denominator"])
        return Terms(found.total, torch.zeros_like(found.total), found.forget, None)


def _weights(asked: Asked, fixed: Mapping[str, Tensor], own: Quantities) -> Quantities:
    """d loss / d log-probability of answers and of their tokens, from these alone."""
    found = gradient_weights(asked.kernel, asked.suffixed({**fixed, **own}))
    return {name.removesuffix(SUFFIXES[asked.kind]): weight for name, weight in found.items()}
