"""Log-probabilities of answers under a language model: body, then the output head on answer positions only.

All of it happens inside one module's forward pass, so that whatever wraps the module (DistributedDataParallel, FSDP,
DeepSpeed) has gathered the head's weights by the time they are used. It works for every causal language model whose
logits are its output head on its decoder's last hidden states, scaled or soft-capped where its configuration says so;
`scale.models.reading.scorable` refuses the others.
"""

from collections.abc import Collection, Hashable, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel

from scale.data.prompts import Batch, Packed
from scale.models.reading.batch_parts import BatchPart, BodyStates, ReferenceBatch, RowKernel, budget, wanted_of
from scale.models.reading.blocks import states_after
from scale.models.reading.rows_apart import are_lengths, rows_apart
from theory.logprobs import IGNORE, Head
from theory.looks import Looked, looked_at

__all__ = ["BatchPart", "Key", "ReferenceBatch", "RowKernel", "Scorer", "Wanted"]


Key = tuple[Hashable, ...]
"""A way of reading, and the lengths for which it was tried."""


SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
MULTIPLIES, DIVIDES = ("logit_scale", "lm_head_multiplier"), "logits_scaling"
"""Names in configurations of what is done to logits after the head: Gemma 2 and others, Cohere, Falcon-H1, Granite."""


class Wanted(NamedTuple):
    """What else is to be known of the tokens of some answers of a batch (`theory.looks.LOOKS`); (answers,), true."""

    answers: Tensor
    looks: tuple[str, ...]


class Scorer(nn.Module):
    """A language model whose forward pass gives log-probabilities of answers instead of logits."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.ways: dict[Key, bool] = {}  # which ways of reading are those of the plain one (`…reading.faster`)
        self.unpadded = False  # are rows of a batch read one after another, in training (`…reading.unpadded`)?
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

    @property
    def body(self) -> nn.Module:
        """The decoder below the output head."""
        body = self.plain.get_decoder()
        return getattr(body, "model", body) if body is self.plain else body  # Llama 4's text part names itself

    @cached_property
    def drops_out(self) -> bool:
        """Does it drop activations or attention at random in training?"""
        rates = (getattr(self.plain.config.get_text_config(), key, 0.0) for key in ("attention_dropout", "attn_pdrop"))
        return any(rates) or any(isinstance(part, nn.Dropout) and part.p > 0 for part in self.modules())

    @property
    def blocks(self) -> int:
        """How many blocks the decoder has."""
        return int(self.plain.config.get_text_config().num_hidden_layers)

    @property
    def width(self) -> int:
        """Of the hidden states between blocks; the final ones are as wide as the head."""
        return int(self.plain.config.get_text_config().hidden_size)

    def hidden(self, ids: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """The final hidden states (batch, time, width); a mask of four dimensions says who sees whom."""
        placed = {} if positions is None else {"position_ids": positions}  # recurrent models take none
        apart = are_lengths(mask)
        mask = mask.cpu() if apart else mask  # lengths are numbers that every layer asks for
        with rows_apart(self.plain) if apart else nullcontext():
            found = self.body(input_ids=ids, attention_mask=mask, use_cache=False, **placed).last_hidden_state
        return found if self.scale == 1.0 else found * self.scale

    def read(self, ids: Tensor, mask: Tensor, after: Collection[int] = ()) -> BodyStates:
        """The hidden states of rows padded on the right, each read by itself where padding would change it."""
        with states_after(self.body, self.blocks, after) as seen:
            if not self.one_by_one:
                final = self.hidden(ids, mask)
                return BodyStates(final, dict(seen))
            apart = []
            for row, shown in zip(ids, mask, strict=True):
                length = int(shown.nonzero()[-1]) + 1  # some before may be unseen
                final = self.hidden(row[None, :length], shown[None, :length])
                apart.append(BodyStates(final, dict(seen)))
        time = ids.shape[1]
        middle = {number: _stacked([states.after[number] for states in apart], time) for number in after}
        return BodyStates(_stacked([states.final for states in apart], time), middle)

    def forward(
        self, batch: Batch | Packed, parts: Sequence[BatchPart] = (), wanted: Wanted | None = None
    ) -> list[dict[str, Tensor]] | Looked:
        """What is wanted of each part of a batch of rows.

        With `wanted` the log-probabilities of every answer, packed or not, and of some what else is to be known.
        """
        if wanted is not None:
            states, labels = self.answers(batch)
            return looked_at(states.final, self.head(), labels, *wanted, budget=budget())
        return self._parts(batch, parts)

    def _parts(self, batch: Batch | Packed, parts: Sequence[BatchPart]) -> list[dict[str, Tensor]]:
        """For each part what is wanted of its rows, by name; `value` of a kernel, one an answer.

        log π(y|x) = Σ_t log π(y_t | x, y_<t), the end token included.
        """
        states, labels = self.answers(batch, {part.block for part in parts if part.block is not None})
        head, found, start = self.head(), [], 0
        for part in parts:
            rows = slice(start, start + part.rows)
            start += part.rows
            of_rows = BodyStates(states.final[rows], {n: hidden[rows] for n, hidden in states.after.items()})
            found.append(wanted_of(part, of_rows, head, labels[rows]))
        return found

    def answers(self, batch: Batch | Packed, after: Collection[int] = ()) -> tuple[BodyStates, Tensor]:
        """The states where answers are predicted (answers, longest + 1, width), and labels of that shape."""
        if isinstance(batch, Batch):
            states, (predicts, labels) = self.read(batch.ids, batch.mask, after), predicted(batch.labels)
        else:
            predicts, labels = batch.predicts, batch.labels
            with states_after(self.body, self.blocks, after) as seen:
                states = BodyStates(self.hidden(batch.ids, batch.mask, batch.positions), seen)

        def there(hidden: Tensor) -> Tensor:
            return hidden.flatten(0, 1).index_select(0, predicts.flatten()).unflatten(0, predicts.shape)

        return BodyStates(there(states.final), {n: there(hidden) for n, hidden in states.after.items()}), labels

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


def predicted(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the flattened positions predict each answer (answers, longest + 1), and the labels of that shape.

    An answer is the end of its row.

    >>> predicted(torch.tensor([[-100, 6, 2], [-100, 2, -100]]))
    (tensor([[0, 1, 2],
            [3, 4, 5]]), tensor([[-100,    6,    2],
            [-100,    2, -100]]))
    """
    given = labels[:, 1:] != IGNORE
    first, count = given.int().argmax(dim=1, keepdim=True), given.sum(dim=1, keepdim=True)
    steps = torch.arange(1 + int(count.max()), device=labels.device)
    columns = (first + steps).clamp(max=labels.shape[1] - 1)
    found = labels.gather(1, columns).masked_fill((steps == 0) | (steps > count), IGNORE)
    starts = torch.arange(len(labels), device=labels.device) * labels.shape[1]
    return columns + starts[:, None], found


def _stacked(rows: Sequence[Tensor], time: int) -> Tensor:
    """Rows (1, own time, width) of a batch; zeros where padding is."""
    padded = pad_sequence([row[0] for row in rows], batch_first=True)
    return nn.functional.pad(padded, (0, 0, 0, time - padded.shape[1]))
