"""Log-probabilities and final hidden states of any number of answers, without gradient, by all processes together."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scale.processes import Processes, by_length
from scale.prompts import Encoded, collate
from scale.scorer import Part, Scorer
from theory.logprobs import Summed, answer_rows

__all__ = ["TOKENS_PER_BATCH", "States", "score_all", "states_of"]

TOKENS_PER_BATCH = 2048
"""Padded tokens that one forward pass without gradient may hold."""


class States(NamedTuple):
    """Final hidden states where answer tokens are predicted, row after row (tokens, width), and tokens of each row."""

    hidden: Tensor
    tokens: Tensor


@torch.no_grad()
def score_all(
    scorer: torch.nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes, *, tokens: int = TOKENS_PER_BATCH
) -> Summed:
    """Summed log-probability (nats) and answer tokens of each row, in their order, on the CPU.

    Rows are sorted by length and padded batch by batch, so that little of the work is padding.
    """
    scorer.eval()
    logp = torch.zeros(len(rows))
    for batch, spare in processes.share(by_length([len(row.ids) for row in rows], tokens)):
        made = collate([rows[i] for i in batch], pad).to(processes.accelerator.device)
        with processes.accelerator.autocast():
            (found,) = scorer(made, [Part(len(batch))])
        if not spare:
            logp[batch] = found.logp.float().cpu()
    return Summed(processes.together(logp), torch.tensor([row.targets for row in rows]))


@torch.no_grad()
def states_of(scorer: Scorer, rows: Sequence[Encoded], pad: int, processes: Processes) -> States:
    """Final hidden states of the answer positions of each row, on the CPU; one process's work, before any wrapping.

    A head's width of numbers a token instead of the vocabulary's: the head turns them into the reference's logits.
    """
    scorer.eval()
    count = torch.tensor([row.targets for row in rows])
    starts = torch.cumsum(count, 0) - count
    hidden = torch.zeros(int(count.sum()), scorer.head().weight.shape[1])
    for batch, spare in processes.share(by_length([len(row.ids) for row in rows], TOKENS_PER_BATCH)):
        made = collate([rows[i] for i in batch], pad).to(processes.accelerator.device)
        with processes.accelerator.autocast():
            found = scorer.hidden(made.ids, made.mask)
        where = answer_rows(made.labels, len(scorer.head().weight))
        picked = found.flatten(0, 1).index_select(0, where.rows).float().cpu()
        if not spare:
            places = [torch.arange(int(count[i])) + starts[i] for i in batch]
            hidden[torch.cat(places)] = picked
    return States(processes.together(hidden), count)
