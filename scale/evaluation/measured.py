"""What can be known of a model on one's own rows: probabilities, perplexities, drops, and how far it has moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from scale.data.prompts import Encoded
from scale.evaluation.drift import drift, within
from scale.evaluation.results import finite
from scale.models.reference_cache import ReferenceCache, ReferenceModel, ReferenceStates
from scale.models.scoring import score_all
from scale.runtime.processes import Processes

__all__ = ["Measured", "ended", "losses", "summary"]

EncodedSets = Mapping[str, Sequence[Encoded]]


def losses(scorer: torch.nn.Module, sets: EncodedSets, pad: int, processes: Processes) -> dict[str, np.ndarray]:
    """NLL a token of every row of every set, in nats."""
    found = {}
    for name, rows in sets.items():
        logp, tokens = score_all(scorer, rows, pad, processes)
        found[name] = (-logp.double() / tokens).numpy()
    return found


def summary(nlls: Mapping[str, np.ndarray], sets: EncodedSets) -> dict[str, float | None]:
    """Probability, NLL and perplexity of each set."""
    values: dict[str, float | None] = {}
    for name, nll in nlls.items():
        tokens = np.array([row.targets for row in sets[name]])
        mean = float((nll * tokens).sum() / tokens.sum())
        values[f"{name}_probability"] = finite(float(np.exp(-nll).mean()))
        values[f"{name}_nll"] = finite(mean)
        values[f"{name}_perplexity"] = finite(float(np.exp(min(mean, 700.0))))
    return values


def ended(
    before: Mapping[str, np.ndarray], later: Mapping[str, np.ndarray], sets: EncodedSets
) -> dict[str, float | None]:
    """The summary at the end, and the mean drop of the rows to forget (log π_ref − log π_θ, nats an answer)."""
    drop = [
        float((now - old) * row.targets)
        for now, old, row in zip(later["forget"], before["forget"], sets["forget"], strict=True)
    ]
    return {**summary(later, sets), "forget_drop": finite(float(np.mean(drop)))}


@dataclass(frozen=True)
class Measured:
    """The rows that the KL to the reference is measured on, the first of each set, with its states there (on disk)."""

    sets: EncodedSets
    states: Mapping[str, ReferenceStates]

    @classmethod
    def of(cls, cache: ReferenceCache, reference_model: ReferenceModel, sets: EncodedSets) -> "Measured":
        """As many rows of each set as there is room for on disk (`scale.evaluation.drift.MOST`)."""
        width = reference_model.scorer.head().weight.shape[1]
        first = {name: rows[: within(rows, width)] for name, rows in sets.items()}
        return cls(first, {name: cache.states(reference_model, rows) for name, rows in first.items()})

    @property
    def counts(self) -> dict[str, int]:
        """How many rows those are."""
        return {name: len(rows) for name, rows in self.sets.items()}

    def moved(self, scorer: torch.nn.Module, pad: int, processes: Processes) -> dict[str, float | None]:
        """KL(π_ref ‖ π_θ) of each set, nats a token."""
        return {
            f"{name}_kl": finite(drift(scorer, rows, self.states[name], pad, processes))
            for name, rows in self.sets.items()
        }
