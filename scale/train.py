"""The one training loop: it runs an objective of `theory.objective` on a language model, and owns no loss.

Finetuning and retraining go through it too, as the objective whose only term is the NLL of the training rows per token
(`likelihood`): so there is one loop to trust, and its log has the same columns for every stage. A batch is cut into
pieces that fit the memory; each piece is divided by the denominators of the whole batch, so the gradient does not
depend on the cut. Which row comes when, and which retain row with it, are pure functions of seed, epoch and index.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from transformers import LlamaForCausalLM, get_linear_schedule_with_warmup

from records.errors import UserError
from scale.answers import score
from scale.prompts import Encoded, collate
from theory import losses
from theory.objective import Objective, Terms, gradient_weights, tokens

__all__ = ["Epoch", "Rows", "Schedule", "adamw", "check_supplied", "likelihood", "order", "partner", "train"]

MakeOptimizer = Callable[[Iterable[torch.nn.Parameter], "Schedule"], torch.optim.Optimizer]

_NOT_HERE = {
    "logp_win": "the log-probabilities of positive (“I don't know”) answers",
    "ref_logp_win": "the reference log-probabilities of positive (“I don't know”) answers",
    "logits": "the logits of the retain answers",
    "ref_logits": "the reference logits of the retain answers",
}

likelihood = Objective(losses.nll, forget_per=tokens)
"""−Σ log π(y|x) / number of answer tokens of the batch: what finetuning and retraining minimise."""


@dataclass(frozen=True)
class Schedule:
    """Learning rate, epochs, rows of a batch (a step) and of a piece of it (a forward pass), weight decay.

    The rate climbs linearly from 0 through the first epoch and then falls linearly to 0.
    """

    lr: PositiveFloat
    epochs: PositiveInt
    batch: PositiveInt
    piece: PositiveInt
    weight_decay: NonNegativeFloat = 0.01


class Rows(NamedTuple):
    """What is trained on: `forget` rows (in finetuning: all rows) and their reference, `retain` rows to pair with."""

    forget: Sequence[Encoded]
    retain: Sequence[Encoded] = ()
    ref_logp: Tensor | None = None


Record = dict[str, float | None]
"""A step's log: lr, loss, forget, retain (with a retain term), drop (with a reference), weight; None is not finite."""


class Epoch(NamedTuple):
    """One epoch's log, a record for each step; `stopped` says why it ended early, if it did."""

    number: int
    steps: list[Record]
    stopped: str | None


def adamw(parameters: Iterable[torch.nn.Parameter], schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW with torch's moments, decoupled weight decay on every parameter."""
    return torch.optim.AdamW(parameters, lr=schedule.lr, weight_decay=schedule.weight_decay, fused=True)


def check_supplied(name: str, objective: Objective) -> None:
    """UserError where a method needs a quantity that this pass does not compute."""
    lacking = (objective.forget_needs - {"logp", "ref_logp"}) | (objective.retain_needs - {"logp"})
    if lacking:
        words = "; ".join(_NOT_HERE.get(quantity, quantity) for quantity in sorted(lacking))
        raise UserError(
            f"{name} can't run here: it needs {words}. This pass has the log-probabilities of forget and retain "
            "answers only. Choose GA, GA+RT, NPO or NPO+RT."
        )


# --- which row when -------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _permutation(seed: int, stream: int, number: int, n: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng((seed, stream, number)).permutation(n).tolist())


def order(seed: int, epoch: int, n: int) -> tuple[int, ...]:
    """The order of `n` rows in an epoch."""
    return _permutation(seed, 0, epoch, n)


def partner(seed: int, epoch: int, index: int, *, forget: int, retain: int) -> int:
    """The retain row that goes with forget row `index` in `epoch`, a pure function of its arguments.

    The forget rows of all epochs, laid end to end, walk through one permutation of the `retain` rows after another,
    so that at any time two retain rows have been used equally often, or once more.
    """
    lap, place = divmod(epoch * forget + index, retain)
    return _permutation(seed, 1, lap, retain)[place]


# --- the loop -------------------------------------------------------------------------------------------------


def train(
    model: LlamaForCausalLM,
    objective: Objective,
    rows: Rows,
    schedule: Schedule,
    *,
    seed: int,
    pad: int,
    optimizer: MakeOptimizer = adamw,
) -> Iterator[Epoch]:
    """Train `model` in place; yields after each epoch, so that the caller can evaluate and then go on.

    It stops before a step whose loss is not finite, and says so in the last epoch that it yields.
    """
    accelerator = Accelerator(mixed_precision="no")
    if accelerator.num_processes != 1:
        raise UserError("This pass trains in one process. Start it without a launcher such as torchrun.")
    steps = math.ceil(len(rows.forget) / schedule.batch)
    made = optimizer(model.parameters(), schedule)
    rate = get_linear_schedule_with_warmup(made, num_warmup_steps=steps, num_training_steps=steps * schedule.epochs)
    model, made, rate = accelerator.prepare(model, made, rate)
    for epoch in range(schedule.epochs):
        model.train()
        done: list[Record] = []
        for batch in _batches(rows, objective, schedule.batch, seed=seed, epoch=epoch):
            record = _gradient(accelerator, model, objective, batch, schedule.piece, pad)
            done.append({"lr": rate.get_last_lr()[0], **record})
            if record["loss"] is None:
                yield Epoch(epoch + 1, done, f"The loss of step {len(done)} of epoch {epoch + 1} is not finite.")
                return
            made.step()
            rate.step()
            made.zero_grad()
        yield Epoch(epoch + 1, done, None)


class _Batch(NamedTuple):
    """The rows of one step; as many retain rows as forget rows, or none where the objective has no retain term."""

    forget: Sequence[Encoded]
    retain: Sequence[Encoded]
    ref_logp: Tensor | None


def _batches(rows: Rows, objective: Objective, size: int, *, seed: int, epoch: int) -> Iterator[_Batch]:
    n, m = len(rows.forget), len(rows.retain)
    indices = order(seed, epoch, n)
    for start in range(0, n, size):
        chosen = indices[start : start + size]
        paired = [partner(seed, epoch, i, forget=n, retain=m) for i in chosen] if objective.retain_needs else []
        reference = None if rows.ref_logp is None else rows.ref_logp[list(chosen)]
        yield _Batch([rows.forget[i] for i in chosen], [rows.retain[i] for i in paired], reference)


def _gradient(
    accelerator: Accelerator, model: LlamaForCausalLM, objective: Objective, batch: _Batch, piece: int, pad: int
) -> Record:
    """Add the gradient of the batch's loss to the parameters, piece by piece; what it found, None where not finite."""
    device = accelerator.device
    forget_denominator = objective.forget_per(_counts(batch.forget, device))
    retain_denominator = objective.retain_per(_counts(batch.retain, device)) if batch.retain else None
    total: dict[str, float] = {}
    for start in range(0, len(batch.forget), piece):
        forget, retain = batch.forget[start : start + piece], batch.retain[start : start + piece]
        logp, count = score(model, collate([*forget, *retain], pad).to(device))
        k = len(forget)
        given = {"logp": logp[:k], "count": count[:k]}
        if batch.ref_logp is not None:
            given["ref_logp"] = batch.ref_logp[start : start + piece].to(device)
        terms = objective(
            given,
            {"logp": logp[k:], "count": count[k:]},
            forget_denominator=forget_denominator,
            retain_denominator=retain_denominator,
        )
        accelerator.backward(terms.total)
        for name, value in _record(objective, terms, given, len(batch.forget)).items():
            total[name] = total.get(name, 0.0) + value
    return {name: value if math.isfinite(value) else None for name, value in total.items()}


def _counts(rows: Sequence[Encoded], device: torch.device) -> Tensor:
    return torch.tensor([row.targets for row in rows], device=device)


def _record(objective: Objective, terms: Terms, given: Mapping[str, Tensor], n: int) -> dict[str, float]:
    """This piece's share in the record of its batch of `n` rows: the terms apart, mean drop (nats), mean weight."""
    fixed = {name: quantity.detach() for name, quantity in given.items()}
    record = {"loss": terms.total, "forget": terms.forget}
    if terms.retain is not None:
        record["retain"] = terms.retain
    if "ref_logp" in fixed:
        record["drop"] = (fixed["ref_logp"] - fixed["logp"]).sum() / n
    record["weight"] = gradient_weights(objective.forget, fixed)["logp"].sum() / n
    return {name: float(value.detach()) for name, value in record.items()}
