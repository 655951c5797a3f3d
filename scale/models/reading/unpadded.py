"""Rows of any lengths without padding: one long row, in which each attends to itself alone.

What a chat template writes before every question, a system message above all, is the same in all rows: it stands before
them, is read once, and each attends to it too. The last token of a row is predicted and predicts nothing, so it is not
read. Not every architecture can be given such a row (`scale.models.reading.rows_apart`): `unpadded` tries, and padding
remains for the others.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule

from records.errors import UserError
from scale.data.prompts import Batch, Encoded, Packed, collate
from scale.models.reading.faster import alike, alone, pads, tried_once
from scale.models.reading.rows_apart import lengths_mask, reads_rows_apart
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes, by_length
from theory.logprobs import IGNORE

__all__ = ["RowBatches", "batch_for", "in_one_row", "read_for_training", "reading_of", "unpadded"]


FULL, LEAST = 8, 16
"""The long row is of so many tokens, or a multiple, and of so many at least: what is over a round number of values is
rounded otherwise by the library, and a product of a few rows is too. So a row's numbers are its own to the last bit."""


SHORT = 8
"""A beginning of fewer tokens is read with every row: that costs less than to attend to it from elsewhere."""


def beginning(rows: Sequence[Encoded]) -> int:
    """How many tokens all rows begin with, as their format says; 0 where it is not worth while, or one differs.

    >>> beginning([Encoded((*range(9), 7, 2), 10, preamble=9), Encoded((*range(9), 6, 4), 10, preamble=9)])
    9
    """
    n = rows[0].preamble
    same = all(row.preamble == n < row.first and row.ids[:n] == rows[0].ids[:n] for row in rows)
    return n if same and n >= SHORT else 0


def in_one_row(rows: Sequence[Encoded], *, shared: int = 0) -> Packed:
    """The rows one after another, behind the first `shared` tokens of all.

    Behind them is a row of no one where their tokens are no round number.

    >>> made = in_one_row([Encoded((5, 6, 7, 2), 2), Encoded((8, 2), 1)])
    >>> made.mask.tolist(), made.ids[0, :4].tolist(), made.positions[0, :5].tolist()
    ([[[[0, 3, 1, 12]]]], [5, 6, 7, 8], [0, 1, 2, 0, 0])
    >>> made.predicts.tolist(), made.labels.tolist()
    ([[1, 2, 0], [3, 0, 0]], [[-100, 7, 2], [-100, 2, -100]])
    """
    lengths = [len(row.ids) - 1 - shared for row in rows]
    longest = 1 + max(row.targets for row in rows)
    predicts = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full_like(predicts, IGNORE)
    start = shared
    for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        predicts[i, : row.targets] = torch.arange(start + row.first - shared - 1, start + length)
        labels[i, 1 : row.targets + 1] = torch.tensor(row.ids[row.first :])
        start += length
    if behind := max(-(-start // FULL) * FULL, LEAST) - start:
        lengths.append(behind)
    own = [token for row in rows for token in row.ids[shared:-1]]
    return Packed(
        torch.tensor([[*rows[0].ids[:shared], *own, *[rows[0].ids[0]] * behind]]),
        lengths_mask(lengths, shared),
        torch.cat([torch.arange(shared), *(torch.arange(shared, shared + length) for length in lengths)])[None],
        predicts,
        labels,
    )


def unpadded(scorer: nn.Module, rows: Sequence[Encoded], processes: Processes) -> bool:
    """Does this model read rows one after another as it reads each by itself?

    Tried on the longest, the shortest and one between; if these have no beginning apart, on one that has.
    """
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    if not reads_rows_apart(module.plain) or any(row.unseen for row in rows):  # which takes a mask of its own
        return False
    ordered = sorted(rows, key=lambda row: len(row.ids))
    tried = [ordered[-1], ordered[0], ordered[len(rows) // 2]]
    begins = max(rows, key=lambda row: (shared(module, [row]), len(row.ids)))
    again = [begins, begins] if shared(module, [begins]) > shared(module, tried) else []
    key = ("unpadded", *(len(row.ids) for row in (*tried, *again)), shared(module, [begins]))
    every = [tried, again] if again else [tried]
    return tried_once(scorer, processes, key, lambda module: all(_as_by_itself(module, rows) for rows in every))


def shared(module: Scorer, rows: Sequence[Encoded]) -> int:
    """How many tokens of these rows are read once: none in training with dropout, which every row has of its own."""
    return 0 if module.drops_out else beginning(rows)


def _as_by_itself(module: Scorer, rows: Sequence[Encoded]) -> bool:
    made = in_one_row(rows, shared=shared(module, rows)).to(module.plain.device)
    (found,) = module.states(made.ids, made.mask, made.positions)
    begun, *own = found.split(made.mask.flatten().tolist())
    return all(
        alike(torch.cat([begun, states]), alone(module, row.ids[:-1]), module)
        for states, row in zip(own, rows, strict=False)
    )


class RowBatches(NamedTuple):
    """How rows are read without gradient: which of them at once, and how a batch is made of those."""

    batches: list[list[int]]
    made: Callable[[Sequence[int]], Batch | Packed]


def reading_of(scorer: nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes, tokens: int) -> RowBatches:
    """Batches of so many tokens, in the order of their lengths: without padding, else with little, else row by row."""
    lengths, device = [len(row.ids) for row in rows], processes.accelerator.device
    if unpadded(scorer, rows, processes):
        module: Scorer = processes.accelerator.unwrap_model(scorer)
        return RowBatches(_filled(lengths, tokens), lambda batch: _long(module, [rows[i] for i in batch]).to(device))
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
    return (_long(scorer, rows) if scorer.unpadded else collate(rows, pad)).to(device)


def _long(module: Scorer, rows: Sequence[Encoded]) -> Packed:
    return in_one_row(rows, shared=shared(module, rows))


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
