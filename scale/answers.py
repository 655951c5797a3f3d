"""Log-probabilities of answers under a language model: body, then the head on answer positions only."""

from collections.abc import Iterator, Sequence

import torch
from transformers import LlamaForCausalLM

from scale.prompts import Batch, Encoded, collate
from theory.logprobs import Head, Summed, summed

__all__ = ["score", "score_all"]

TOKENS_PER_BATCH = 2048
"""Padded tokens that one forward pass of `score_all` may hold."""


def score(model: LlamaForCausalLM, batch: Batch) -> Summed:
    """Summed log-probability (nats) and number of answer tokens of each row, with gradient.

    log π(y|x) = Σ_t log π(y_t | x, y_<t), the end token included.
    """
    hidden = model.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).last_hidden_state
    return summed(hidden, Head(model.lm_head.weight), batch.labels)


def by_length(rows: Sequence[Encoded], tokens: int) -> Iterator[list[int]]:
    """Indices of rows in batches of similar length, none over `tokens` padded tokens (but at least one row each)."""
    batch: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: len(rows[i].ids)):
        if batch and (len(batch) + 1) * len(rows[index].ids) > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@torch.no_grad()
def score_all(model: LlamaForCausalLM, rows: Sequence[Encoded], pad: int) -> Summed:
    """`score` of any number of rows, in their order and without gradient, on the CPU.

    Rows are sorted by length and padded batch by batch, so that little of the work is padding.
    """
    model.eval()
    logp = torch.zeros(len(rows))
    for batch in by_length(rows, TOKENS_PER_BATCH):
        found = score(model, collate([rows[i] for i in batch], pad).to(model.device))
        logp[batch] = found.logp.cpu()
    return Summed(logp, torch.tensor([row.targets for row in rows]))
