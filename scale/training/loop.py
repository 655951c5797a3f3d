"""The one training loop: it runs an objective of `theory.objective` on a language model, and owns no loss.

Pretraining, finetuning and retraining go through it too, as the objective whose only term is the NLL of the training
rows per token (`likelihood`): so there is one loop to trust, and its log has the same columns for every stage. A batch
is shared out to the processes and cut into micro-batches that fit the memory; each is divided by the denominators of
the whole batch, so the gradient depends neither on the cut nor on the number of processes.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from scale.data.prompts import Encoded, collate
from scale.models.faster_reading import read_for_training
from scale.models.scorer import BatchPart, ReferenceBatch
from scale.models.scoring import score_all
from scale.runtime.bits import bits
from scale.runtime.processes import Processes
from scale.training.batches import BatchRows, TrainingRows, batches
from scale.training.optimizers import MakeOptimizer, optimizer_of
from scale.training.schedule import Schedule, learning_rate, steps_of
from theory import losses
from theory.logprobs import Summed
from theory.objective import Objective, Terms, gradient_weights, tokens
from theory.retain import KLSums

__all__ = ["Moment", "Reference", "Training", "likelihood"]

likelihood = Objective(losses.nll, forget_per=tokens)
"""−Σ log π(y|x) / number of answer tokens of the batch: what finetuning and retraining minimise."""


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


class Moment(NamedTuple):
    """When one may evaluate: after which step and epoch, the steps since the last moment, why it stopped early."""

    step: int
    epoch: int
    ended: bool
    steps: list[Record]
    stopped: str | None


def already_kl(kl: Tensor) -> Tensor:
    """The retain kernel of a KL that is computed where the hidden states are (`theory.retain.kl_from_hidden`)."""
    return kl


def _scalable(objective: Objective) -> Objective:
    """An objective whose KL takes sums over answers instead of logits; one without a KL as it is."""
    if objective.retain_needs != {"logits", "ref_logits"}:
        return objective
    return replace(objective, retain=already_kl, retain_per=tokens)  # over answer tokens, whatever the others are


@dataclass
class Training:
    """A model, an objective and rows, ready for training; `scorer` and `optimizer` are what a checkpoint holds.

    `pooled` divides both terms by the tokens of both sets together: the authors' cross-entropy of IDK and retain rows.
    """

    scorer: torch.nn.Module
    objective: Objective
    rows: TrainingRows
    schedule: Schedule
    _: KW_ONLY
    seed: int
    pad: int
    processes: Processes
    reference: Reference | None = None
    every_step: bool = False
    pooled: bool = False
    make_optimizer: MakeOptimizer = optimizer_of

    def __post_init__(self) -> None:
        self.objective = _scalable(self.objective)
        self.steps = steps_of(self.schedule, len(self.rows.forget))
        made = self.make_optimizer(self.scorer.parameters(), self.schedule)
        self.scorer, self.optimizer = self.processes.accelerator.prepare(self.scorer, made)
        every = [*self.rows.forget, *self.rows.retain, *self.rows.idk]
        read_for_training(self.scorer, every, self.pad, self.processes)
        self._start = self._bits()

    def _bits(self) -> list[int]:
        return bits(p for p in self.scorer.parameters() if p.requires_grad)

    def changed(self) -> bool:
        """Is any trained weight another than the one that training began with?"""
        now = self._bits()
        elsewhere = not any(now)  # weights that a library keeps in a place of its own: no telling
        return bool(self.processes.together(torch.tensor(float(elsewhere or now != self._start))) > 0)

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self, *, after: int = 0) -> Iterator[Moment]:
        """Train in place from the end of epoch `after` on; yields at each moment to evaluate, then goes on.

        It stops before a step whose loss is not finite, and after an epoch that leaves a model without finite
        log-probabilities; the last moment that it yields says so, and is not the end of its epoch.
        """
        done: list[Record] = []
        for epoch in range(after, self.schedule.epochs):
            for i, batch in enumerate(self._batches(epoch)):
                step = epoch * self.steps + i
                lr = learning_rate(self.schedule, step, self.steps)
                record = self._step(batch, lr, step)
                done.append({"lr": lr, **record})
                last = i == self.steps - 1
                if record["loss"] is None:
                    said = f"The loss of step {i + 1} of epoch {epoch + 1} is not finite."
                    yield Moment(step + 1, epoch + 1, False, done, said)
                    return
                if last and not self._finite():
                    said = f"After epoch {epoch + 1} the log-probabilities of answers are not finite."
                    yield Moment(step + 1, epoch + 1, False, done, said)
                    return
                if last or self.every_step:
                    yield Moment(step + 1, epoch + 1, last, done, None)
                    done = []

    def _batches(self, epoch: int) -> Iterator[BatchRows]:
        return batches(self.rows, self.objective, size=self.schedule.batch, seed=self.seed, epoch=epoch)

    def _finite(self) -> bool:
        """Are the log-probabilities of the first rows numbers?"""
        first = self.rows.forget[: self.schedule.piece]
        return bool(score_all(self.scorer, first, self.pad, self.processes).logp.isfinite().all())

    # --- a step -------------------------------------------------------------------------------------------------

    def _step(self, batch: BatchRows, lr: float, step: int) -> Record:
        """One step of the optimizer on one batch; where the loss is not finite the weights stay as they are."""
        self.scorer.train()
        accelerator = self.processes.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        devices = [accelerator.device] if accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed((self.seed * 1_000_003 + step) % 2**63)  # dropout, where there is any
            record = self._gradient(batch)
        if record["loss"] is not None:
            self.optimizer.step()
        self.optimizer.zero_grad()
        return record

    def _gradient(self, batch: BatchRows) -> Record:
        """Put the gradient of the batch's loss into the parameters, by micro-batches; what was found on the way."""
        accelerator, world = self.processes.accelerator, self.processes.count
        share = BatchRows(*(part[self.processes.number :: world] for part in batch))
        largest = -(-len(batch.forget) // world)  # rows of a process
        micro_batches = -(-largest // self.schedule.piece)
        common = self._common(batch)
        total: dict[str, Tensor] = {}
        accelerator.step, accelerator.gradient_accumulation_steps = 0, micro_batches
        for i in range(micro_batches):
            cut = slice(i * self.schedule.piece, (i + 1) * self.schedule.piece)
            micro_batch = BatchRows(*(part[cut] for part in share))
            spare = not micro_batch.forget  # fewer rows than processes: a row of no weight keeps step with the others
            with accelerator.accumulate(self.scorer), accelerator.autocast():
                terms, given = self._terms(BatchRows(*(part[:1] for part in batch)) if spare else micro_batch, common)
                accelerator.backward(terms.total * (0 if spare else micro_batches * world))
            if not spare:
                for name, value in self._record(terms, given, len(batch.forget)).items():
                    total[name] = total.get(name, torch.zeros((), dtype=torch.float64)) + value
        none = torch.zeros((), dtype=torch.float64)
        found = self.processes.together(torch.stack([total.get(name, none) for name in self._columns()]))
        record: dict[str, float] = dict(zip(self._columns(), found.tolist(), strict=True))
        if "z_ref" in common:
            record["z_ref"] = float(common["z_ref_estimate"])
        return {name: value if math.isfinite(value) else None for name, value in record.items()}

    def _columns(self) -> list[str]:
        needs = self.objective.forget_needs
        names = ["loss", "forget"]
        names += ["retain"] if self.objective.retain_needs else []
        names += ["drop"] if "logp" in needs and self.reference is not None else []
        return [*names, "weight"]

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
        device, size = self.processes.accelerator.device, self.schedule.piece
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

    def _terms(self, micro_batch: BatchRows, common: Mapping[str, Tensor]) -> tuple[Terms, dict[str, Tensor]]:
        """The micro-batch's share of the loss, from one forward pass of all its rows."""
        needs, device = self.objective.forget_needs, self.processes.accelerator.device
        forget, idk = [self.rows.forget[i] for i in micro_batch.forget], [self.rows.idk[i] for i in micro_batch.idk]
        retain = [self.rows.retain[i] for i in micro_batch.retain]
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
        denominators = {name: common[name] for name in ("forget_denominator", "retain_denominator") if name in common}
        return self.objective(given, retained, **denominators), given

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
        if "drop" in self._columns():
            record["drop"] = (detached["ref_logp"] - detached["logp"]).sum() / n
        weights = gradient_weights(self.objective.forget, detached)
        record["weight"] = (weights["logp"] if "logp" in weights else weights["logp_win"]).sum() / n
        return {name: value.detach().double().cpu() for name, value in record.items()}


def _named(found: Mapping[str, Summed | KLSums], name: str, count: str) -> dict[str, Tensor]:
    return {name: found[name][0], count: found[name][1]} if name in found else {}


def _counts(rows: Sequence[Encoded], indices: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor([rows[i].targets for i in indices], device=device)
