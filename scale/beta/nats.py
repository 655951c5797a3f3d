"""What a model says of answers, as the estimators take it: nats and tokens of each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scale.data.prompts import Encoded
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.runtime.processes import Processes

__all__ = ["AnswerNats", "nats_of"]


class AnswerNats(NamedTuple):
    """−log π of each answer in nats, the sum over its tokens, and how many these are; both (n,)."""

    nll: np.ndarray
    tokens: np.ndarray


def nats_of(scorer: Scorer, answers: Sequence[Encoded], pad: int, processes: Processes) -> AnswerNats:
    """Every answer under a model, in float64; all processes call it."""
    found = score_all(scorer, answers, pad, processes)
    return AnswerNats(-found.logp.numpy().astype(np.float64), found.tokens.numpy().astype(np.float64))
