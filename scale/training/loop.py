"""The one training loop: it runs an objective of `theory.objective` on a language model, and owns no loss.

Pretraining, finetuning and retraining go through it too, as the objective whose only term is the NLL of the training
rows per token (`likelihood`): so there is one loop to trust, and its log has the same columns for every stage. The
gradient of a batch is `scale.training.batch_loss`'s.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import torch

from records.doing import doing
from scale.models.reading.scoring import score_all
from scale.models.reading.unpadded import read_for_training
from scale.runtime.bits import bits
from scale.runtime.processes import Processes
from scale.training.asked import ANSWERS
from scale.training.batch_loss import BatchLoss, Record
from scale.training.batches import BatchRows, TrainingRows, batches
from scale.training.clipping import clipped, not_finite, refuse_clipping
from scale.training.multiplier import Multiplier, retained_first
from scale.training.nearby import gradient_of_a_step, nearby
from scale.training.optimizers import MakeOptimizer, optimizer_of
from scale.training.pace import at_a_pace
from scale.training.reference_lookup import Reference
from scale.training.schedule import Schedule, all_steps, epochs_of, learning_rate, steps_of
from theory import losses
from theory.kernel import label
from theory.objective import Objective, tokens

__all__ = ["Moment", "Training", "likelihood"]

likelihood = Objective(losses.nll, forget_per=tokens)
"""−Σ log π(y|x) / number of answer tokens of the batch: what finetuning and retraining minimise."""


class Moment(NamedTuple):
    """When one may evaluate: after which step and epoch, the steps since the last moment, why it stopped early."""

    step: int
    epoch: int
    ended: bool
    steps: list[Record]
    stopped: str | None


@dataclass
class Training:
    """A model, an objective and rows, ready for training; `scorer` and `optimizer` are what a checkpoint holds.

    `pooled` is that of `scale.training.batch_loss.BatchLoss`.
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
    at: Collection[int] = ()
    pooled: bool = False
    make_optimizer: MakeOptimizer = optimizer_of

    def __post_init__(self) -> None:
        rows = len(self.rows.forget)
        self.steps, self.all_steps = steps_of(self.schedule, rows), all_steps(self.schedule, rows)
        self.epochs = epochs_of(self.schedule, rows)
        refuse_clipping(self.schedule.clip, self.processes)
        made = self.make_optimizer(self.scorer.parameters(), self.schedule)
        self._nearby = nearby(made, self.processes)
        self.processes.train(all_of_it="hidden" not in self.objective.forget_needs)  # nothing behind that block learns
        self.scorer, self.optimizer = self.processes.accelerator.prepare(self.scorer, made)
        every = [row for kind in ANSWERS for row in self.rows.of(kind)]
        read_for_training(self.scorer, every, self.pad, self.processes)
        self.loss = BatchLoss(
            self.scorer,
            self.objective,
            self.rows,
            piece=self.schedule.piece,
            pad=self.pad,
            processes=self.processes,
            reference=self.reference,
            pooled=self.pooled,
        )
        dual = self.objective.dual
        self.multiplier = None if dual is None else Multiplier(dual, self.objective.retain_weight)
        self._start = self._bits()

    def _bits(self) -> list[int]:
        return bits(p for p in self.scorer.parameters() if p.requires_grad)

    def changed(self) -> bool:
        """Is any trained weight another than the one that training began with?"""
        now = self._bits()
        elsewhere = not any(now)  # weights that a library keeps in a place of its own: no telling
        return bool(self.processes.together(torch.tensor(float(elsewhere or now != self._start))) > 0)

    def kept(self) -> dict[str, Any]:
        """What a checkpoint holds beside weights and moments: the dual variable, where there is one."""
        return {} if self.multiplier is None else {"multiplier": self.multiplier.kept()}

    def recall(self, values: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        if self.multiplier is not None:
            self.multiplier.recall(values["multiplier"])

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self, *, after: int = 0) -> Iterator[Moment]:
        """Train in place from the end of epoch `after` on; yields at each moment to evaluate, then goes on.

        It stops before a step whose loss, or gradient where it is clipped, is not finite, and after an epoch that
        leaves a model without finite log-probabilities; the last moment that it yields says so, and is not the end of
        its epoch.
        """
        self._find_bound()
        done: list[Record] = []
        for epoch in range(after, self.epochs):
            left = self.all_steps - epoch * self.steps
            for i, batch in enumerate(islice(self._batches(epoch), left)):
                step = epoch * self.steps + i
                lr = learning_rate(self.schedule, step, self.steps)
                began = time.monotonic()
                record = self._step(batch, lr, step)
                if self.multiplier is not None:
                    record["multiplier"] = self.multiplier.value
                    self.multiplier.step(record["retain"], epoch)
                doing(at_a_pace(step + 1, self.all_steps, time.monotonic() - began), often=True)
                done.append({"lr": lr, **record})
                last = i == min(self.steps, left) - 1
                if wrong := not_finite(record):
                    said = f"The {wrong} of step {i + 1} of epoch {epoch + 1} is not finite.{self._whose(record)}"
                    yield Moment(step + 1, epoch + 1, False, done, said)
                    return
                if last and not self._finite():
                    said = f"After epoch {epoch + 1} the log-probabilities of answers are not finite."
                    yield Moment(step + 1, epoch + 1, False, done, said)
                    return
                if last or self.every_step or step + 1 in self.at:
                    yield Moment(step + 1, epoch + 1, last, done, None)
                    done = []

    def _find_bound(self) -> None:
        """Where the retain weight is a dual variable, its bound, from the model to begin with; a checkpoint has it."""
        if self.multiplier is not None and self.multiplier.bound is None:
            doing("the retain loss to begin with")
            first = retained_first(self.rows, self.objective, epochs=self.epochs, seed=self.seed)
            self.multiplier.bound = self.multiplier.ascent.bound(self.loss.retain_term(first))

    def _whose(self, record: Record) -> str:
        """Which loss it is that makes of finite log-probabilities what is not finite, in a sentence; "" for none."""
        finite = record.get("drop") is not None and record.get("forget", 0.0) is None
        return f" {label(self.objective.forget)} is not, where the log-probabilities are." if finite else ""

    def _batches(self, epoch: int) -> Iterator[BatchRows]:
        return batches(self.rows, self.objective, size=self.schedule.batch, seed=self.seed, epoch=epoch)

    def _finite(self) -> bool:
        """Are the log-probabilities of the first rows numbers?"""
        first = self.rows.forget[: self.schedule.piece]
        return bool(score_all(self.scorer, first, self.pad, self.processes).logp.isfinite().all())

    # --- a step -------------------------------------------------------------------------------------------------

    def _step(self, batch: BatchRows, lr: float, step: int) -> Record:
        """One step of the optimizer on one batch; where anything is not finite the weights stay as they are."""
        self.scorer.train()
        if self.multiplier is not None:
            self.loss.weigh(self.multiplier.value)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        add = partial(self._add, batch, step)
        record = gradient_of_a_step(add, self._nearby, retains=bool(self.objective.retain_needs))
        if self.schedule.clip is not None and record["loss"] is not None:
            record |= clipped(self.scorer, self.schedule.clip, self.processes)
        if not not_finite(record):
            self.optimizer.step()
        self.optimizer.zero_grad()
        return record

    def _add(self, batch: BatchRows, step: int, terms: Collection[str]) -> Record:
        """Add the gradient of these terms of the batch's loss to that there is; dropout is that of the step."""
        device = self.processes.accelerator.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed((self.seed * 1_000_003 + step) % 2**63)
            return self.loss.gradient(batch, terms)
