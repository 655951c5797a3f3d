"""Evaluation protocols by name: what else would have to be told beside every number.

| protocol | truth ratio, mean over perturbed answers | questions a set | generation | what counts as answer |
|---|---|---|---|---|
| `tofu-paper` | arithmetic mean | first 300 | greedy, 200 tokens with the prompt | with the tag and one end token |
| `tofu` (the leaderboard; default) | geometric mean | first 300 | the same | the same |
| `open-unlearning` | geometric mean | all | greedy, 200 new tokens | without the tag |

Source: arXiv:2401.06121 and the code of the three projects.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from records.errors import UserError
from scale.evaluation.metrics import Losses, log_truth_ratio_arithmetic, log_truth_ratio_geometric
from scale.models.generation import Generation

__all__ = ["PROTOCOLS", "Protocol", "protocol_of"]


@dataclass(frozen=True)
class Protocol:
    """How a model is examined and its truth ratio is taken; `questions` is the most of a set, None for all."""

    name: str
    log_truth_ratio: Callable[[Losses], np.ndarray]
    questions: int | None
    generation: Generation
    tag_counts: bool


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("tofu-paper", log_truth_ratio_arithmetic, 300, Generation(200, prompt_counts=True), tag_counts=True),
        Protocol("tofu", log_truth_ratio_geometric, 300, Generation(200, prompt_counts=True), tag_counts=True),
        Protocol(
            "open-unlearning", log_truth_ratio_geometric, None, Generation(200, prompt_counts=False), tag_counts=False
        ),
    )
}


def protocol_of(name: str) -> Protocol:
    """A protocol by name; UserError with the nearest one where there is none.

    >>> protocol_of("tofu").questions
    300
    """
    if name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"There is no protocol {name!r}.{hint} Protocols: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
