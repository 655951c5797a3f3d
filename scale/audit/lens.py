"""The logit lens: what the finetuned model's norm and head make of a model's states after each of its blocks.

One decoder for all models, so that a curve by block shows where knowledge is, not how a model reads it out. The curve
of the finetuned model itself ends in its own log-probabilities.  Source: arXiv:2303.08112 (Sec. 2) describes the lens;
as a score of unlearning beside a retrained model arXiv:2605.24614.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from scale.audit.words import WordPlaces, logp_of_words
from scale.data.prompts import Batch, Packed
from scale.models.reading.blocks import states_after
from scale.models.reading.handed_on import instead
from scale.models.reading.scorer import Scorer

__all__ = ["block_states", "lens"]


def block_states(scorer: Scorer, batch: Batch | Packed) -> dict[int, Tensor]:
    """The states after every block (1 is the first) when a batch is read, each (rows, time, width)."""
    with states_after(scorer.body, scorer.blocks, range(1, scorer.blocks + 1)) as seen:
        scorer.answers(batch)
    return dict(seen)


def lens(
    decoder: Scorer, batch: Batch | Packed, places: WordPlaces, states: Mapping[int, Tensor], *, rest: bool
) -> Tensor:
    """Log-probability (nats) of every word token by the decoder's norm and head, (blocks, tokens).

    `states` are any model's after each block, read in the same batch; `rest` as in
    `scale.models.reading.handed_on.instead`.
    """
    found = []
    for number in sorted(states):
        with instead(decoder.body, decoder.blocks, decoder.blocks, states[number], rest=rest):
            found.append(logp_of_words(decoder, batch, places))
    return torch.stack(found)
