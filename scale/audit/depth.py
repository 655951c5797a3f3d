"""Patching: a model's states after a block, put into the finetuned model where it predicts an answer's words.

What is before and behind these places stays the finetuned model's own; the blocks above go on from both. So the log-
probability that is lost tells what of the words the other model no longer has by that block.

    D_k = log p(words; finetuned) − log p(words; finetuned with the other model's states after block k), nats a token

Source: arXiv:2605.24614, whose code takes the last block's states after the final norm, which is then applied to them
twice: there the finetuned model's own D is not 0 in the last layer. Here it is, in every one.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from scale.audit.words import WordPlaces, logp_of_words
from scale.data.prompts import Batch, Packed
from scale.models.reading.handed_on import instead
from scale.models.reading.scorer import Scorer

__all__ = ["patched"]


def patched(
    finetuned: Scorer,
    batch: Batch | Packed,
    places: WordPlaces,
    own: Mapping[int, Tensor],
    other: Mapping[int, Tensor],
    *,
    rest: bool,
) -> Tensor:
    """Log-probability (nats) of every word token with the other's states after each block, (blocks, tokens).

    `own` and `other` are both models' states in this batch (`scale.audit.lens.block_states`), `rest` as in
    `scale.models.reading.handed_on.instead`.
    """
    found = []
    for number in sorted(own):
        states = own[number].clone(memory_format=torch.contiguous_format)
        states.flatten(0, 1)[places.place] = other[number].flatten(0, 1)[places.place].to(states)
        with instead(finetuned.body, finetuned.blocks, number, states, rest=rest):
            found.append(logp_of_words(finetuned, batch, places))
    return torch.stack(found)
