"""Log-probabilities of answers under a language model: body, then the output head on answer positions only.

All of it happens inside one module's forward pass, so that whatever wraps the module (DistributedDataParallel, FSDP,
DeepSpeed) has gathered the head's weights by the time they are used. It works for every causal language model whose
logits are its output head on its decoder's last hidden states, scaled or soft-capped where its configuration says so;
`scale.models.scorable` refuses the others.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel

from scale.data.prompts import Batch, Packed
from theory.chunks import BUDGET
from theory.logprobs import Head, Summed, answer_positions, summed
from theory.looks import Looked, looked_at
from theory.retain import KLSums, kl_from_hidden

__all__ = ["BatchPart", "Key", "ReferenceBatch", "Scorer", "Wanted"]


LOOKING = 32 * 2**20
"""Bytes of logits at a time where no gradient is wanted: more is no faster (`benchmarks/unlearning.py`)."""


Key = tuple[Hashable, ...]
"""A way of reading, and the lengths for which it was tried."""


def _budget() -> int:
    return BUDGET if torch.is_grad_enabled() else LOOKING


SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
MULTIPLIES, DIVIDES = ("logit_scale", "lm_head_multiplier"), "logits_scaling"
"""Names in configurations of what is done to logits after the head: Gemma 2 and others, Cohere, Falcon-H1, Granite."""


class ReferenceBatch(NamedTuple):
    """π_ref on rows of a batch: final hidden states where answers are predicted (batch, time, width), and the head."""

    hidden: Tensor
    head: Head


class BatchPart(NamedTuple):
    """So many rows of a batch, in their order, and what is wanted of them: answers' log-probabilities or a KL.

    `weight` is that of `theory.logprobs.summed`: d loss / d log-probability from the rows' own sums.
    """

    rows: int
    weight: Callable[[Tensor], Tensor] | None = None
    reference: ReferenceBatch | None = None


class Wanted(NamedTuple):
    """What else is to be known of the tokens of some answers of a batch (`theory.looks.LOOKS`); (answers,), true."""

    answers: Tensor
    looks: tuple[str, ...]


class Scorer(nn.Module):
    """A language model whose forward pass gives log-probabilities of answers instead of logits."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.ways: dict[
            Key, bool
        ] = {}  # which ways of reading are those of the plain one (`scale.models.faster_reading`)
        self.one_by_one = False  # is each row of a batch read by itself, because padding would change it?

    @property
    def plain(self) -> PreTrainedModel:
        """The causal language model below any adapter."""
        below = getattr(self.model, "get_base_model", None)
        return below() if below is not None else self.model

    def head(self) -> Head:
        """The output head."""
        config = self.plain.config.get_text_config()
        softcap = next((cap for key in SOFTCAPS if (cap := getattr(config, key, None)) is not None), None)
        return Head.of(self.plain.get_output_embeddings(), softcap=softcap)

    @property
    def scale(self) -> float:
        """What a model's logits are multiplied by after the head; so are its hidden states here, before it."""
        config = self.plain.config.get_text_config()
        times = next((float(found) for key in MULTIPLIES if (found := getattr(config, key, None))), 1.0)
        return times / float(getattr(config, DIVIDES, None) or 1.0)

    def hidden(self, ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """The final hidden states (batch, time, width); a mask of four dimensions says who sees whom."""
        body = self.plain.get_decoder()
        body = getattr(body, "model", body) if body is self.plain else body  # Llama 4's text part names itself
        placed = {} if positions is None else {"position_ids": positions}  # recurrent models take none
        found = body(input_ids=ids, attention_mask=mask, use_cache=False, **placed).last_hidden_state
        return found if self.scale == 1.0 else found * self.scale

    def forward(
        self, batch: Batch | Packed, parts: Sequence[BatchPart] = (), wanted: Wanted | None = None
    ) -> list[Summed | KLSums] | Summed | Looked:
        """Log-probabilities of answers: of each part of a batch, or of every answer of packed questions.

        With `wanted` those of every answer of either, and of some what else is to be known.
        """
        if wanted is not None:
            return looked_at(*self._answers(batch), *wanted, budget=_budget())
        return self._packed(batch) if isinstance(batch, Packed) else self._parts(batch, parts)

    def _parts(self, batch: Batch, parts: Sequence[BatchPart]) -> list[Summed | KLSums]:
        """For each part its rows' summed log-probabilities (nats), or KL to the reference, and their answer tokens.

        log π(y|x) = Σ_t log π(y_t | x, y_<t), the end token included.
        """
        hidden, head = self._rows(batch), self.head()
        found: list[Summed | KLSums] = []
        start = 0
        for part in parts:
            rows = slice(start, start + part.rows)
            start += part.rows
            if part.reference is None:
                found.append(summed(hidden[rows], head, batch.labels[rows], part.weight, budget=_budget()))
            else:
                where = answer_positions(batch.labels[rows], head.weight.shape[0])
                # the part's rows may be shorter than the batch: cut to their states, which know their length
                time = part.reference.hidden.shape[1]
                own, where = hidden[rows][:, :time], where[:, :time]
                found.append(kl_from_hidden(*part.reference, own, head, where, once=True))
        return found

    def _rows(self, batch: Batch) -> Tensor:
        """The final hidden states of padded rows (batch, time, width)."""
        read = self._rows_apart if self.one_by_one else self.hidden
        return read(batch.ids, batch.mask)

    def _rows_apart(self, ids: Tensor, mask: Tensor) -> Tensor:
        """`hidden` of rows that never saw their padding; zeros where it is."""
        lengths = mask.sum(dim=1).tolist()
        rows = [self.hidden(ids[i : i + 1, :n], mask[i : i + 1, :n])[0] for i, n in enumerate(lengths)]
        return nn.functional.pad(pad_sequence(rows, batch_first=True), (0, 0, 0, ids.shape[1] - max(lengths)))

    def _packed(self, batch: Packed) -> Summed:
        """Summed log-probabilities (nats) of every answer of every question, in their order."""
        return summed(*self._answers(batch), budget=_budget())

    def _answers(self, batch: Batch | Packed) -> tuple[Tensor, Head, Tensor]:
        """Hidden states, head and labels of every answer in its order."""
        if isinstance(batch, Batch):
            return self._rows(batch), self.head(), batch.labels
        hidden = self.hidden(batch.ids, batch.mask, batch.positions).flatten(0, 1)
        return hidden[batch.predicts], self.head(), batch.labels

    @torch.no_grad()
    def states(self, ids: Tensor, mask: Tensor, positions: Tensor | None = None, *, last: int | None = None) -> Tensor:
        """`hidden` without gradient, or the logits of so many last positions; as `generate`, a method of its own."""
        hidden = self.hidden(ids, mask, positions)
        return hidden if last is None else self.head().logits(hidden[:, -last:])

    @torch.no_grad()
    def generate(self, ids: Tensor, mask: Tensor, settings: GenerationConfig, **options: Any) -> Any:
        """The library's generation with these settings alone: what the model came with fills no gap in them."""
        plain = cast(GenerationMixin, self.plain)
        inherited = plain.generation_config
        plain.generation_config = type(inherited)()
        try:
            return plain.generate(input_ids=ids, attention_mask=mask, generation_config=settings, **options)
        finally:
            plain.generation_config = inherited
