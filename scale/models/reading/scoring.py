"""Log-probabilities and final hidden states of any number of answers, without gradient, by all processes together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scale.data.prompts import Encoded
from scale.models.reading.scorer import BatchPart, Scorer
from scale.models.reading.unpadded import reading_of
from scale.runtime.processes import Processes
from theory.logprobs import Summed, answer_rows

__all__ = ["TOKENS_PER_BATCH", "States", "score_all", "states_of", "token_logps"]

TOKENS_PER_BATCH = 2048
"""Tokens that one forward pass without gradient may hold."""


class States(NamedTuple):
    """Hidden states where answer tokens are predicted, row after row (tokens, width), and tokens of each row."""

    hidden: Tensor
    tokens: Tensor


@torch.no_grad()
def score_all(
    scorer: torch.nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes, *, tokens: int = TOKENS_PER_BATCH
) -> Summed:
    """Summed log-probability (nats) and answer tokens of each row, in their order, on the CPU.

    Rows of a batch stand one after another, or are padded where the model reads none so: then they are sorted by
    length, so that little of the work is padding.
    """
    scorer.eval()
    logp = torch.zeros(len(rows))
    reading = reading_of(scorer, rows, pad, processes, tokens)
    for batch, spare in processes.share(reading.batches):
        with processes.accelerator.autocast():
            (found,) = scorer(reading.made(batch), [BatchPart(len(batch))])
        if not spare:
            logp[batch] = found["logp"].float().cpu()
    return Summed(processes.together(logp), torch.tensor([row.targets for row in rows]))


@torch.no_grad()
def token_logps(scorer: torch.nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes) -> Tensor:
    """Log-probability (nats) of each answer token, one row's after another's, on the CPU."""
    scorer.eval()
    tokens = torch.tensor([row.targets for row in rows])
    starts = (torch.cumsum(tokens, 0) - tokens).tolist()
    logp = torch.zeros(int(tokens.sum()))
    reading = reading_of(scorer, rows, pad, processes, TOKENS_PER_BATCH)
    for batch, spare in processes.share(reading.batches):
        with processes.accelerator.autocast():
            (found,) = scorer(reading.made(batch), [BatchPart(len(batch), ("token_logp",))])
        if not spare:
            places = torch.cat([torch.arange(starts[i], starts[i] + rows[i].targets) for i in batch])
            logp[places] = found["token_logp"].float().cpu()
    return processes.together(logp)


@torch.no_grad()
def states_of(
    scorer: Scorer, rows: Sequence[Encoded], pad: int, processes: Processes, *, block: int | None = None
) -> Iterator[tuple[list[int], Tensor]]:
    """Batch by batch, rows and the hidden states of their answer positions, one row's after another's.

    The final ones, or those after a block (1 is the first). All processes go through it, before any wrapping, and each
    is given what all have done; on the CPU. A head's width of numbers a token instead of the vocabulary's: the head
    turns the final ones into the reference's logits.
    """
    scorer.eval()
    reading = reading_of(scorer, rows, pad, processes, TOKENS_PER_BATCH)
    for number, (batch, spare) in enumerate(processes.share(reading.batches)):
        with processes.accelerator.autocast():
            states, labels = scorer.answers(reading.made(batch), () if block is None else (block,))
        found = states.final if block is None else states.after[block]
        where = answer_rows(labels, len(scorer.head().weight))
        picked = found.flatten(0, 1).index_select(0, where.rows).float().cpu()
        now = reading.batches[number * processes.count :][: processes.count]
        sizes = [sum(rows[i].targets for i in chosen) for chosen in now]
        whole = torch.zeros(sum(sizes), picked.shape[1])
        if not spare:
            start = sum(sizes[: processes.number])
            whole[start : start + len(picked)] = picked
        yield [i for chosen in now for i in chosen], processes.together(whole)
