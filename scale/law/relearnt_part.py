"""Relearning a part of a model's forget rows: what comes back of the rest, and what the tangent kernel said before.

The first rows T are trained on, the others V looked at. The kernel K of all of these answers is taken once, before the
first step: P = K_VT K_TT⁺ turns the rises of T into those that the law of `theory.theorems.recovery.relearnt_part`
expects of V. An answer's gradient is of all weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from records.work import Progress, silent
from scale.data.prompts import Batch, Encoded, collate
from scale.models.folders.language_model import LanguageModel
from scale.models.reading.scorer import BatchPart, Scorer, Wanted
from theory.logprobs import IGNORE
from theory.theorems.recovery.relearnt_part import regression

__all__ = ["AnswersAt", "RelearningPart", "answers_at", "ascend", "gradients", "relearnt_part"]

Array = np.ndarray


@dataclass(frozen=True)
class RelearningPart:
    """AdamW at a constant rate, or plain descent whose steps raise T by `nats` a token at most (to first order)."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    nats: float = 0.5
    looks: tuple[int, ...] = (0, 1, 2, 5, 10, 20)  # steps after which T and V are looked at; the last ends it


class AnswersAt(NamedTuple):
    """What a model says of answers: log π of each in nats, and the share of their tokens that it would say itself."""

    logp: Array
    right: Array


def answers_at(scorer: Scorer, batch: Batch) -> AnswersAt:
    """log π and greedy token accuracy of every row of a batch."""
    rows = torch.ones(len(batch.labels), dtype=torch.bool)
    found = scorer(batch, wanted=Wanted(rows, ("predicted",)))
    targets = [row[row != IGNORE] for row in batch.labels]
    said = found.looks["predicted"].split([len(row) for row in targets])
    right = [float((a == b).double().mean()) for a, b in zip(said, targets, strict=True)]
    return AnswersAt(found.summed.logp.double().cpu().numpy(), np.array(right))


def gradients(scorer: Scorer, rows: Sequence[Encoded], pad: int) -> Tensor:
    """∇log π of each row's answer (rows, weights), a row at a time."""
    weights, found = trained(scorer), []
    for row in rows:
        batch = collate([row], pad).to(weights[0].device)
        (of_row,) = scorer(batch, [BatchPart(1)])
        found.append(flat(torch.autograd.grad(of_row["logp"][0], weights)))
    return torch.stack(found)


def trained(scorer: Scorer) -> list[nn.Parameter]:
    """The weights that training would move."""
    return [p for p in scorer.parameters() if p.requires_grad]


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers in a row."""
    return torch.cat([x.detach().flatten() for x in tensors])


def relearnt_part(
    language_model: LanguageModel,
    rows: Sequence[Encoded],
    pad: int,
    part: int,
    how: RelearningPart,
    progress: Progress = silent,
) -> dict[str, Array]:
    """Relearn the first `part` of the rows, in place; arrays over looks and rows, and what was known before.

    logp, right   (looks, rows)   of every answer, see `AnswersAt`
    kernel        (rows, rows)    K before the first step
    law           (looks, rest)   P r_T, nats
    """
    scorer = Scorer(language_model.model.eval())
    J = gradients(scorer, rows, pad)
    kernel = (J @ J.T).double().cpu().numpy()
    del J
    device = trained(scorer)[0].device
    every, some = (collate(which, pad).to(device) for which in (rows, rows[:part]))
    seen = list[AnswersAt]()
    step = _steps(scorer, some, sum(row.targets for row in rows[:part]), how)
    for k in range(how.looks[-1] + 1):
        progress(k, how.looks[-1])
        if k in how.looks:
            seen.append(answers_at(scorer, every))
        if k < how.looks[-1]:
            step()
    logp, right = (np.stack(column) for column in zip(*seen, strict=True))
    rise = logp - logp[0]
    law = rise[:, :part] @ regression(kernel, np.arange(part)).T
    return {"logp": logp, "right": right, "kernel": kernel, "law": law}


def _steps(scorer: Scorer, batch: Batch, tokens: int, how: RelearningPart) -> Callable[[], None]:
    """One step of training on the mean NLL of a batch's answer tokens."""
    weights, parts = trained(scorer), [BatchPart(len(batch.labels))]
    adamw = how.optimizer == "adamw"
    optimizer = (
        torch.optim.AdamW(weights, lr=how.lr, weight_decay=0.0) if adamw else torch.optim.SGD(weights, lr=how.lr)
    )

    def step() -> None:
        optimizer.zero_grad()
        (found,) = scorer(batch, parts)
        (-found["logp"].sum() / tokens).backward()
        if not adamw:
            speed = sum(float((p.grad * p.grad).sum()) for p in weights if p.grad is not None)
            optimizer.param_groups[0]["lr"] = min(how.lr, how.nats / speed)
        optimizer.step()

    return step


def ascend(
    language_model: LanguageModel,
    forget: Sequence[Encoded],
    retain: Sequence[Encoded],
    pad: int,
    *,
    nats: float,
    lr: float = 1e-3,
    steps: int = 40,
    batch: int = 16,
) -> None:
    """GA+RT in place, by AdamW on random rows, until a batch's forget answers are below −`nats` a token."""
    scorer = Scorer(language_model.model.eval())
    weights, generator = trained(scorer), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=0.01)
    for _ in range(steps):
        sides = [[rows[i] for i in torch.randperm(len(rows), generator=generator)[:batch]] for rows in (forget, retain)]
        batch_of = collate([*sides[0], *sides[1]], pad).to(weights[0].device)
        (found,) = scorer(batch_of, [BatchPart(len(batch_of.labels))])
        away, kept = (
            logp.sum() / sum(row.targets for row in rows)
            for logp, rows in zip(found["logp"].split([len(side) for side in sides]), sides, strict=True)
        )
        optimizer.zero_grad()
        (away - kept).backward()
        optimizer.step()
        if float(away.detach()) < -nats:
            return
