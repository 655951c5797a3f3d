"""Questions scored whole: every answer's log-probability, and what else is asked of the true ones' tokens.

Packed where the model reads them so (`scale.models.reading.packed`), else every answer after its own prompt; by all
processes together. The first answer of a question is the true one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scale.data.prompts import Batch, Encoded, Packed, collate
from scale.data.questions import EncodedQuestion
from scale.models.reading.faster import pads
from scale.models.reading.packed import pack, packable, question_of
from scale.models.reading.scorer import Wanted
from scale.runtime.processes import Processes, by_length
from theory.looks import Looked

__all__ = ["Seen", "see"]


class Seen(NamedTuple):
    """Of all answers' pieces, in order: log-probability, tokens. Of the true ones' tokens, one after another: by name.

    The names are `token_logp`, and those of `theory.looks.LOOKS` that were asked.
    """

    logp: Tensor
    tokens: Tensor
    looks: dict[str, Tensor]


class _Plan(NamedTuple):
    """What is read at once: batches of rows, which pieces of answers a row has, and how to make a batch."""

    batches: list[list[int]]
    pieces: list[list[int]]
    made: Callable[[Sequence[int]], Batch | Packed]


@torch.no_grad()
def see(
    scorer: torch.nn.Module,
    questions: Sequence[EncodedQuestion],
    pad: int,
    processes: Processes,
    *,
    tokens: int,
    looks: Sequence[str] = (),
) -> Seen:
    """Score every answer to every question, so many tokens in a forward pass; on the CPU."""
    scorer.eval()
    rows = [piece for question in questions for answer in question for piece in answer]
    true = torch.tensor([i == 0 for question in questions for i, answer in enumerate(question) for _ in answer])
    count = torch.tensor([row.targets for row in rows])
    starts = torch.cumsum(count * true, 0) - count * true
    logp, total = torch.zeros(len(rows)), int((count * true).sum())
    found = {
        name: torch.zeros(total, dtype=torch.long if name == "predicted" else torch.float)
        for name in ("token_logp", *looks)
    }
    plan = _plan(scorer, questions, rows, pad, processes, tokens)
    for batch, spare in processes.share(plan.batches):
        pieces = [i for row in batch for i in plan.pieces[row]]
        with processes.accelerator.autocast():
            looked: Looked = scorer(plan.made(batch), (), Wanted(true[pieces], tuple(looks)))
        if not spare:
            logp[pieces] = looked.summed.logp.float().cpu()
            places = [int(starts[i]) + j for i in pieces if true[i] for j in range(int(count[i]))]
            for name, values in (("token_logp", looked.token_logp), *looked.looks.items()):
                found[name][places] = values.to(found[name])
    return Seen(processes.together(logp), count, {name: processes.together(values) for name, values in found.items()})


def _plan(
    scorer: torch.nn.Module,
    questions: Sequence[EncodedQuestion],
    rows: Sequence[Encoded],
    pad: int,
    processes: Processes,
    tokens: int,
) -> _Plan:
    device = processes.accelerator.device
    packed = [made for question in questions for made in question_of([row for answer in question for row in answer])]
    if packable(scorer, packed, pad, processes):
        places = iter(range(len(rows)))
        pieces = [[next(places) for _ in question.answers] for question in packed]
        return _Plan(
            by_length([question.tokens for question in packed], tokens),
            pieces,
            lambda batch: Packed(*(part.to(device) for part in pack([packed[i] for i in batch], pad))),
        )
    masked = any(row.unseen for row in rows)  # that is tried on rows that are seen
    room = tokens if masked or pads(scorer, rows, pad, processes) else 1
    return _Plan(
        by_length([len(row.ids) for row in rows], room),
        [[i] for i in range(len(rows))],
        lambda batch: collate([rows[i] for i in batch], pad).to(device),
    )
