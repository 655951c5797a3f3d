"""From a question and an answer to token ids, and from those to batches.

The text is "Question: {q}\\nAnswer: {a}", tokenised once as a whole. What is predicted begins with the first token that
reaches past the prompt "Question: {q}\\nAnswer: ", even where that token starts on the prompt's last space (" The" is
one token of a byte-level tokenizer; counting the tokens of the prompt alone would lose it). One end token closes it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from records.errors import UserError
from theory.logprobs import IGNORE

__all__ = ["Batch", "Encoded", "collate", "encode", "prompt"]


class Encoded(NamedTuple):
    """The ids of a whole text, its one end token last; `ids[first:]` is what the model has to predict."""

    ids: tuple[int, ...]
    first: int

    @property
    def targets(self) -> int:
        """Answer tokens, the end token included."""
        return len(self.ids) - self.first


class Batch(NamedTuple):
    """Token ids, attention mask (1 on tokens, 0 on padding) and labels, each (batch, time)."""

    ids: Tensor
    mask: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(*(part.to(device) for part in self))


def prompt(question: str) -> str:
    """The part of the text that is given, up to where the answer starts.

    >>> prompt("Who wrote it?")
    'Question: Who wrote it?\\nAnswer: '
    """
    return f"Question: {question}\nAnswer: "


def encode(tokenizer: PreTrainedTokenizerFast, question: str, answer: str) -> Encoded:
    """Tokenise question and answer as one text, find the first answer token, close with one end token.

    Raises UserError where the answer is empty, or contains the text of the end token and so would end early.
    """
    if not answer:
        raise UserError(f"The answer to {question!r} is empty. Write one, or take the row out of the data.")
    given = prompt(question)
    coded = tokenizer(given + answer, return_offsets_mapping=True)
    ids, end_token = list(coded["input_ids"]), tokenizer.eos_token_id
    first = next(i for i, (_, end) in enumerate(coded["offset_mapping"]) if end > len(given))
    if ids[-1] != end_token:
        ids.append(end_token)
    if ids[first:].count(end_token) != 1:
        raise UserError(
            f"The answer {answer!r} contains the end token {tokenizer.eos_token!r}. Take it out of the data: "
            "it is added once, after the answer."
        )
    return Encoded(tuple(ids), first)


def collate(rows: Sequence[Encoded], pad: int) -> Batch:
    """Pad on the right to the longest row; the mask follows from the lengths, never from the ids.

    >>> batch = collate([Encoded((5, 6, 2), 1), Encoded((5, 2), 1)], pad=2)
    >>> batch.mask.tolist(), batch.labels.tolist()
    ([[1, 1, 1], [1, 1, 0]], [[-100, 6, 2], [-100, 2, -100]])
    """
    time = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), time), pad)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORE)
    for i, row in enumerate(rows):
        length = len(row.ids)
        ids[i, :length] = torch.tensor(row.ids)
        mask[i, :length] = 1
        labels[i, row.first : length] = ids[i, row.first : length]
    return Batch(ids, mask, labels)
