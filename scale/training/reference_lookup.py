"""π_ref as a training step asks for it: from what was computed once, or from a second model that is kept in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scale.data.prompts import Encoded, collate
from scale.models.reference_cache import ReferenceCache, ReferenceModel, ReferenceStates
from scale.models.scorer import BatchPart, ReferenceBatch, Scorer
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from theory.objective import Objective

__all__ = ["CachedReference", "LiveReference", "cached_reference"]


@dataclass(frozen=True)
class CachedReference:
    """π_ref from what was computed once, looked up by index."""

    forget_logp: Tensor | None
    idk_logp: Tensor | None
    retain_states: ReferenceStates | None
    device: torch.device

    def forget(self, indices: Sequence[int], rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities of forget answers."""
        assert self.forget_logp is not None
        return self.forget_logp[list(indices)]

    def idk(self, places: Sequence[int], rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities of "I don't know" answers."""
        assert self.idk_logp is not None
        return self.idk_logp[list(places)]

    def retain(self, indices: Sequence[int], rows: Sequence[Encoded]) -> ReferenceBatch:
        """Final hidden states on retain answers."""
        assert self.retain_states is not None
        return self.retain_states.of(indices, rows, self.device)


def cached_reference(
    cache: ReferenceCache, reference_model: ReferenceModel, objective: Objective, rows: TrainingRows
) -> CachedReference:
    """What an objective needs of the reference, computed or read now.

    The forget answers' log-probabilities are had for every method: the drop u = log π_ref − log π_θ is logged for all.
    """
    needs = objective.forget_needs
    return CachedReference(
        cache.logp(reference_model, rows.forget) if "logp" in needs else None,
        cache.logp(reference_model, rows.idk) if "ref_logp_win" in needs else None,
        cache.states(reference_model, rows.retain) if "ref_logits" in objective.retain_needs else None,
        reference_model.processes.accelerator.device,
    )


@dataclass(frozen=True)
class LiveReference:
    """π_ref computed anew at every step by a frozen second model: what `CachedReference` is compared with."""

    scorer: Scorer
    pad: int
    processes: Processes

    def _logp(self, rows: Sequence[Encoded]) -> Tensor:
        with torch.no_grad(), self.processes.accelerator.autocast():
            batch = collate(rows, self.pad).to(self.processes.accelerator.device)
            (found,) = self.scorer(batch, [BatchPart(len(rows))])
        return found.logp.float()

    def forget(self, indices: Sequence[int], rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities of forget answers."""
        return self._logp(rows)

    def idk(self, places: Sequence[int], rows: Sequence[Encoded]) -> Tensor:
        """Summed log-probabilities of "I don't know" answers."""
        return self._logp(rows)

    def retain(self, indices: Sequence[int], rows: Sequence[Encoded]) -> ReferenceBatch:
        """Final hidden states on retain answers."""
        batch = collate(rows, self.pad).to(self.processes.accelerator.device)
        with torch.no_grad(), self.processes.accelerator.autocast():
            return ReferenceBatch(self.scorer.hidden(batch.ids, batch.mask).float(), self.scorer.head())
