"""Rows of any lengths without padding: one long row, in which each attends to itself alone.

The last token of a row is predicted and predicts nothing, so it is not read. Not every architecture can be given such
a row (`scale.models.rows_apart`): `unpadded` tries, and padding remains for the others.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule

from records.errors import UserError
from scale.data.prompts import Batch, Encoded, Packed, collate
from scale.models.faster_reading import alike, alone, pads, tried_once
from scale.models.rows_apart import lengths_mask, reads_rows_apart
from scale.models.scorer import Scorer
from scale.runtime.processes import Processes, by_length
from theory.logprobs import IGNORE

__all__ = ["RowBatches", "batch_for", "in_one_row", "read_for_training", "reading_of", "unpadded"]


FULL, LEAST = 8, 16
"""The long row is of so many tokens, or a multiple, and of so many at least: what is over a round number of values is
rounded otherwise by the library, and a product of a few rows is too. So a row's numbers are its own to the last bit."""


def in_one_row(rows: Sequence[Encoded]) -> Packed:
    """The rows one after another, and a row of no one behind them where their tokens are no round number.

    >>> made = in_one_row([Encoded((5, 6, 7, 2), 2), Encoded((8, 2), 1)])
    >>> made.mask.tolist(), made.ids[0, :4].tolist(), made.positions[0, :5].tolist()
    ([[[[3, 1, 12]]]], [5, 6, 7, 8], [0, 1, 2, 0, 0])
    >>> made.predicts.tolist(), made.labels.tolist()
    ([[1, 2, 0], [3, 0, 0]], [[-100, 7, 2], [-100, 2, -100]])
    """
    lengths = [len(row.ids) - 1 for row in rows]
    longest = 1 + max(row.targets for row in rows)
    predicts = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full_like(predicts, IGNORE)
    start = 0
    for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        predicts[i, : row.targets] = torch.arange(start + row.first - 1, start + length)
        labels[i, 1 : row.targets + 1] = torch.tensor(row.ids[row.first :])
        start += length
    if behind := max(-(-start // FULL) * FULL, LEAST) - start:
        lengths.append(behind)
    return Packed(
        torch.tensor([[token for row in rows for token in row.ids[:-1]] + [rows[0].ids[0]] * behind]),
        lengths_mask(lengths),
        torch.cat([torch.arange(length) for length in lengths])[None],
        predicts,
        labels,
    )


def unpadded(scorer: nn.Module, rows: Sequence[Encoded], processes: Processes) -> bool:
    """Does this model read rows one after another as it reads each by itself?

    Tried on the longest, the shortest and one between.
    """
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    if not reads_rows_apart(module.plain) or any(row.unseen for row in rows):  # which takes a mask of its own
        return False
    ordered = sorted(rows, key=lambda row: len(row.ids))
    tried = [ordered[-1], ordered[0], ordered[len(rows) // 2]]
    key = ("unpadded", *(len(row.ids) for row in tried))
    return tried_once(scorer, processes, key, lambda module: _as_by_itself(module, tried))


def _as_by_itself(module: Scorer, rows: Sequence[Encoded]) -> bool:
    made = in_one_row(rows).to(module.plain.device)
    (found,) = module.states(made.ids, made.mask, made.positions)
    own = found.split(made.mask.flatten().tolist())
    return all(alike(states, alone(module, row.ids[:-1]), module) for states, row in zip(own, rows, strict=False))


class RowBatches(NamedTuple):
    """How rows are read without gradient: which of them at once, and how a batch is made of those."""

    batches: list[list[int]]
    made: Callable[[Sequence[int]], Batch | Packed]


def reading_of(scorer: nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes, tokens: int) -> RowBatches:
    """Batches of so many tokens, in the order of their lengths: without padding, else with little, else row by row."""
    lengths, device = [len(row.ids) for row in rows], processes.accelerator.device
    if unpadded(scorer, rows, processes):
        return RowBatches(_filled(lengths, tokens), lambda batch: in_one_row([rows[i] for i in batch]).to(device))
    room = tokens if pads(scorer, rows, pad, processes) else 1
    return RowBatches(by_length(lengths, room), lambda batch: collate([rows[i] for i in batch], pad).to(device))


def _filled(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    batches: list[list[int]] = []
    inside = 0
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not batches or inside + lengths[index] > tokens:
            batches.append([])
            inside = 0
        batches[-1].append(index)
        inside += lengths[index]
    return batches


def batch_for(scorer: Scorer, rows: Sequence[Encoded], pad: int, device: torch.device) -> Batch | Packed:
    """Rows as a model takes them in training (`read_for_training`)."""
    return (in_one_row(rows) if scorer.unpadded else collate(rows, pad)).to(device)


def read_for_training(scorer: nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes) -> None:
    """Let rows stand one after another, or be padded, or be read one by one: the first that leaves their numbers."""
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    module.unpadded = unpadded(scorer, rows, processes)
    module.one_by_one = not module.unpadded and not pads(scorer, rows, pad, processes)
    if module.one_by_one and isinstance(scorer, FSDPModule):
        raise UserError(
            "This model's numbers depend on padding, and rows can't be read one by one where its weights are spread "
            "over several processes. Train it in one process, or choose another model."
        )
