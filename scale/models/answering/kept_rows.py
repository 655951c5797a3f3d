"""Attention for rows that are read on, a few tokens each at a time: what was read of every row is kept, unpadded.

    step:  tokens of row₁, of row₂, …  one after another    kept:  a line for every row, its tokens from place 0 on

A token attends to what its own row keeps up to its own place, so rows of any lengths stand beside each other, each
takes any number of tokens in a step, and a row goes back by reading a place again. Nothing grows or is copied for it.
The attention asks `Kept` where the tokens of this step belong; a decoder need know of no cache.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

__all__ = ["Kept", "Stretch", "reading_on", "reads_kept"]

NAME = "kept_rows"
"""Of this attention among the library's."""


class Stretch(NamedTuple):
    """What a row reads in a step: so many tokens from a place of it on."""

    start: int
    tokens: int


class _Step(NamedTuple):
    """Where a step's tokens go, and who sees whom: of the lines from `first` on.

    `lines` (tokens,): their places among all lines; `there` (rows · most,): which token stands in each place of rows
    padded to the most tokens; `back` (tokens,): where each is found there; `mask` (rows, 1, most, longest): 0 or -∞.
    """

    first: int
    lines: Tensor
    there: Tensor
    back: Tensor
    mask: Tensor


class Kept:
    """Keys and values of rows, a line of `width` tokens for each of `rows`, in every layer that has asked."""

    def __init__(self, rows: int, width: int, device: torch.device) -> None:
        self.rows, self.width, self.device = rows, width, device
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}
        self.step: _Step | None = None

    def begin(self, parts: Sequence[Stretch], first: int = 0) -> Tensor:
        """A step of the lines from `first` on; the place of every token in its row (tokens,)."""
        start, count = torch.tensor(parts).T
        most, places = int(count.max()), torch.arange(int(count.max()))
        there = (torch.cumsum(count, 0) - count)[:, None] + torch.minimum(places, count[:, None] - 1)
        inside = places < count[:, None]
        at = start[:, None] + torch.minimum(places, count[:, None] - 1)
        hidden = torch.arange(int(at.max()) + 1) > at[:, :, None]
        lines = (torch.arange(first, first + len(parts))[:, None] * self.width + at)[inside]
        mask = torch.zeros(hidden.shape).masked_fill(hidden, -torch.inf)[:, None]
        found = (lines, there.flatten(), inside.flatten().nonzero()[:, 0], mask)
        self.step = _Step(first, *(part.to(self.device) for part in found))
        assert most == mask.shape[2]
        return at[inside].to(self.device)

    def move(self, line: int, to: int) -> None:
        """What one line keeps stands in another as well."""
        for layer in self.layers.values():
            for kept in layer:
                kept[to] = kept[line]

    def repeat(self, count: int, first: int, last: int) -> None:
        """The first tokens of line 0 are those of the lines from `first` to `last` too."""
        for layer in self.layers.values():
            for kept in layer:
                kept[first:last, :count] = kept[:1, :count]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """(1, heads, tokens, width) each, to (1, tokens, heads, width)."""
        assert self.step is not None
        first, lines, there, back, mask = self.step
        kept = self._with(layer, lines, key, value)
        rows, _, most, longest = mask.shape
        keys, values = (one[first : first + rows, :longest].transpose(1, 2) for one in kept)
        heads, groups = key.shape[1], query.shape[1] // key.shape[1]
        asked = query[0].transpose(0, 1)[there].view(rows, most, heads, groups, -1)
        asked = asked.permute(0, 2, 3, 1, 4).reshape(rows, heads, groups * most, -1)
        seen = mask.to(query.dtype).repeat(1, 1, groups, 1)
        found = scaled_dot_product_attention(asked, keys, values, attn_mask=seen, scale=scale)
        found = found.view(rows, heads, groups, most, -1).permute(0, 3, 1, 2, 4)
        return found.reshape(rows * most, heads * groups, -1)[back][None]

    def _with(self, layer: int, lines: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's keys and values (rows, width, heads, …), with those of this step."""
        if layer not in self.layers:
            sizes = [(self.rows, self.width, new.shape[1], new.shape[3]) for new in (key, value)]
            self.layers[layer] = (key.new_zeros(sizes[0]), value.new_zeros(sizes[1]))  # finite where nothing is yet
        for kept, new in zip(self.layers[layer], (key, value), strict=True):
            kept.view(-1, *kept.shape[2:]).index_copy_(0, lines, new[0].transpose(0, 1))
        return self.layers[layer]


_KEPT: ContextVar[Kept] = ContextVar("kept")


def reads_kept(model: PreTrainedModel) -> bool:
    """May this attention be tried in a model's place? Only `sdpa` computes what it does."""
    return str(model.config.get_text_config()._attn_implementation) == "sdpa"


@contextmanager
def reading_on(model: PreTrainedModel, kept: Kept) -> Iterator[None]:
    """Inside, a model that reads by `sdpa` reads on what is kept, as `Kept.begin` has said last."""
    config = model.config.get_text_config()
    was, token = config._attn_implementation, _KEPT.set(kept)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = was
        _KEPT.reset(token)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **given: Any,
) -> tuple[Tensor, None]:
    """What the library asks of an attention; ValueError where it is asked for more than this one does."""
    del attention_mask
    kept = _KEPT.get()
    more = [name for name in ("softcap", "s_aux", "position_bias") if given.get(name) is not None]
    if more or (sliding_window is not None and sliding_window < kept.width):
        raise ValueError(f"no attention here to a window, or with {more}")
    return kept.attend(int(module.layer_idx), query, key, value, scaling), None


AttentionInterface.register(NAME, _attention)
