"""What an examination has found: by question, as arrays that are saved, and as words."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from scale.evaluation.metrics.losses import Losses

__all__ = ["NOTHING", "SetResult", "arrays", "finite", "from_arrays", "of_one_shape"]

NOTHING = Losses(np.array([]), np.array([]), np.empty((0, 0)))
"""Of answers that were not scored."""
_SAVED_AS = {"rouge": "rougeL"}
"""Under what name a metric's values are kept, where it is another."""
_METRIC_OF = {saved: name for name, saved in _SAVED_AS.items()}


class SetResult(NamedTuple):
    """One set of n questions: losses of their answers and their tokens, and the values (n,) of metrics by name.

    A question without a paraphrase has its answer there; where some have fewer wrong answers than others, what they
    lack has no tokens. Values that were not measured, and losses of answers that were not scored, are empty. What is
    computed from the losses alone is not among the values (`scale.evaluation.scores`).
    """

    losses: Losses
    tokens: Losses
    values: Mapping[str, np.ndarray]
    answers: tuple[str, ...] = ()


def of_one_shape(part: SetResult) -> Iterator[tuple[np.ndarray, Losses]]:
    """The losses of questions with as many wrong answers as each other, and which questions these are."""
    losses, n = part.losses, len(part.losses.answer)
    lengths = part.tokens.perturbed
    there = lengths > 0 if lengths.shape == losses.perturbed.shape else np.ones(losses.perturbed.shape, dtype=bool)
    counts = there.sum(axis=1)
    for count in np.unique(counts):
        if (counts == count).all():
            yield np.arange(n), losses._replace(perturbed=losses.perturbed[:, :count])
            return
        where = np.flatnonzero(counts == count)
        yield where, Losses(losses.answer[where], losses.paraphrase[where], losses.perturbed[where, :count])


def finite(value: float) -> float | None:
    """A number that JSON can hold: None for NaN and the infinities."""
    return float(value) if math.isfinite(value) else None


def arrays(found: Mapping[str, SetResult]) -> dict[str, np.ndarray]:
    """Every number by question: `<set>.<loss>_nll` (nats per token), `<set>.<loss>_tokens`, `<set>.<metric>`."""
    flat: dict[str, np.ndarray] = {}
    for name, part in found.items():
        for column in Losses._fields:
            flat[f"{name}.{column}_nll"] = getattr(part.losses, column)
            flat[f"{name}.{column}_tokens"] = getattr(part.tokens, column)
        flat |= {f"{name}.{_SAVED_AS.get(metric, metric)}": values for metric, values in part.values.items()}
    return flat


def from_arrays(flat: Mapping[str, np.ndarray]) -> dict[str, SetResult]:
    """What `arrays` took apart; the answers' words are not in it."""
    found = {}
    losses = {f"{column}_{kind}" for column in Losses._fields for kind in ("nll", "tokens")}
    for name in dict.fromkeys(key.partition(".")[0] for key in flat):
        mine = {key.partition(".")[2]: array for key, array in flat.items() if key.partition(".")[0] == name}
        found[name] = SetResult(
            Losses(*(mine[f"{column}_nll"] for column in Losses._fields)),
            Losses(*(mine[f"{column}_tokens"] for column in Losses._fields)),
            {_METRIC_OF.get(key, key): array for key, array in mine.items() if key not in losses},
        )
    return found
