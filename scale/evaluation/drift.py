"""How far a model has moved from its reference: KL(π_ref ‖ π_θ) a token on the answers of a set."""

import itertools
from collections.abc import Sequence

import torch

from scale.data.prompts import Encoded
from scale.models.reading.scorer import BatchPart, RowKernel
from scale.models.reading.scoring import TOKENS_PER_BATCH
from scale.models.reading.unpadded import reading_of
from scale.models.reference.cache import ReferenceStates
from scale.runtime.processes import Processes
from theory.retain import kl

__all__ = ["drift", "within"]

MOST = 2**30
"""Bytes of the reference's states that are kept, on disk, to measure a KL with: of the first rows of a set."""


def within(rows: Sequence[Encoded], width: int, most: int | None = None) -> int:
    """How many rows, from the first, have states of `most` bytes at most; one at least.

    >>> within([Encoded((1, 2, 3), 1)] * 10, width=100, most=2000)
    2
    """
    tokens = itertools.accumulate(row.targets for row in rows)
    return max(1, sum(4 * width * reached <= (most or MOST) for reached in tokens))


@torch.no_grad()
def drift(
    scorer: torch.nn.Module, rows: Sequence[Encoded], reference: ReferenceStates, pad: int, processes: Processes
) -> float:
    """Mean KL(π_ref ‖ π_θ) over the answer tokens of `rows`, in nats; exact, over the whole vocabulary."""
    scorer.eval()
    head = reference.head()
    total = torch.zeros((), dtype=torch.float64)
    reading = reading_of(scorer, rows, pad, processes, TOKENS_PER_BATCH)
    for batch, spare in processes.share(reading.batches):
        chosen = [rows[i] for i in batch]
        part = BatchPart(len(batch), (), kernel=RowKernel(kl, {}, {"ref_logits": reference.of(batch, chosen, head)}))
        with processes.accelerator.autocast():
            (found,) = scorer(reading.made(batch), [part])
        if not spare:
            total += found["value"].double().sum().cpu()
    return float(processes.together(total)) / sum(row.targets for row in rows)
