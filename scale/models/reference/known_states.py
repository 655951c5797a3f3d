"""Final hidden states of answers that were read already: no answer is read a second time for what they tell.

Log-probabilities are the output head's on these states, so of an answer whose states are known only the head is run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scale.data.prompts import Encoded, span
from scale.models.reading.batch_parts import BatchPart, BodyStates, wanted_of
from scale.models.reading.scoring import TOKENS_PER_BATCH, States
from theory.head import Head
from theory.logprobs import IGNORE

__all__ = ["KnownStates"]


@dataclass
class KnownStates:
    """States by answer; where they lie on disk they stay there."""

    _of: dict[tuple[object, ...], Tensor] = field(default_factory=dict)

    def add(self, rows: Sequence[Encoded], states: States) -> None:
        """The states of these rows are these."""
        for row, hidden in zip(rows, states.hidden.split(states.tokens.tolist()), strict=True):
            self._of.setdefault(span(row), hidden)

    def parts(self, rows: Sequence[Encoded]) -> tuple[list[int], list[int]]:
        """Which of the rows are known, and which are not."""
        known = [i for i, row in enumerate(rows) if span(row) in self._of]
        return known, [i for i, row in enumerate(rows) if span(row) not in self._of]

    def each(self, rows: Sequence[Encoded], known: Sequence[int]) -> Iterator[tuple[list[int], Tensor]]:
        """The states of the rows that are known, one after another."""
        return (([i], self._of[span(rows[i])]) for i in known)

    @torch.no_grad()
    def logp(self, rows: Sequence[Encoded], head: Head) -> Tensor:
        """Summed log-probabilities (nats) of the answers of known rows, (rows,), on the CPU."""
        found = [torch.zeros(0)]
        longest = max((row.targets for row in rows), default=1) + 1
        size = max(1, TOKENS_PER_BATCH // longest)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            hidden = torch.zeros(len(batch), longest, head.weight.shape[1], device=head.weight.device)
            labels = torch.full((len(batch), longest), IGNORE, device=head.weight.device)
            for place, row in enumerate(batch):
                hidden[place, : row.targets] = self._of[span(row)].to(hidden)
                labels[place, 1 : row.targets + 1] = torch.tensor(row.ids[row.first :])
            part = BatchPart(len(batch), ("logp",))
            found.append(wanted_of(part, BodyStates(hidden, {}), head, labels)["logp"].float().cpu())
        return torch.cat(found)
