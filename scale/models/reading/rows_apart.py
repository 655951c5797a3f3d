"""Attention for rows that stand one after another in one long row: each sees itself alone.

    row₁ row₂ row₃ …             no padding between them; positions restart with every row
    beginning row₁ row₂ …        what all begin with, read once: each sees it and itself

The mask is the lengths of the rows, a tensor of four dimensions (1, 1, 1, rows), and before them that of the beginning
(0: none): decoders hand on a mask of four dimensions as it is, to every layer and again where activations are
recomputed, so nothing has to be told aside. Every row goes through the library's `sdpa` by itself: its numbers depend
on itself, never on who stands beside it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

__all__ = ["are_lengths", "lengths_mask", "reads_rows_apart", "rows_apart"]

NAME = "rows_apart"
"""Of this attention among the library's."""


def lengths_mask(lengths: Sequence[int], beginning: int = 0) -> Tensor:
    """The mask that says where rows end, (1, 1, 1, 1 + rows), on the CPU; `beginning` is the length of theirs.

    >>> are_lengths(lengths_mask([3, 2])), are_lengths(torch.ones(1, 1, 2, 2, dtype=torch.bool))
    (True, False)
    """
    return torch.tensor([beginning, *lengths])[None, None, None]


def are_lengths(mask: Tensor | None) -> bool:
    """Is a mask one of lengths? Any other of four dimensions is of truth values or numbers to add."""
    return mask is not None and mask.dim() == 4 and mask.dtype == torch.long


def reads_rows_apart(model: PreTrainedModel) -> bool:
    """May this attention be tried in a model's place? Only `sdpa` computes what it does."""
    return str(model.config.get_text_config()._attn_implementation) in ("sdpa", NAME)


@contextmanager
def rows_apart(model: PreTrainedModel) -> Iterator[None]:
    """Inside, a model that reads by `sdpa` reads rows one after another; to recompute activations be inside still."""
    config = model.config.get_text_config()
    was = config._attn_implementation
    config._attn_implementation = NAME if was == "sdpa" else was
    try:
        yield
    finally:
        config._attn_implementation = was


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    sliding_window: int | None = None,
    **given: Any,
) -> tuple[Tensor, None]:
    """What the library asks of an attention: (1, heads, time, width) each, to (1, time, heads, width)."""
    if attention_mask is None or not are_lengths(attention_mask):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **given)
    beginning, *lengths = attention_mask.flatten().tolist()
    way = _one_by_one if query.device.type == "cpu" else _side_by_side
    if not beginning:
        return way(module, (query, key, value), None, lengths, sliding_window, **given), None
    (q, *first), rest = zip(*(x.tensor_split([beginning], dim=2) for x in (query, key, value)), strict=True)
    begun = way(module, (q, *first), None, [beginning], sliding_window, **given)
    return torch.cat([begun, way(module, rest, first, lengths, sliding_window, **given)], dim=1), None


Begun = Sequence[Tensor] | None
"""Keys and values of what all rows begin with."""


def _one_by_one(
    module: nn.Module, qkv: Sequence[Tensor], begun: Begun, lengths: Sequence[int], window: int | None, **given: Any
) -> Tensor:
    """A call for each row: no padding at all, where calls cost little."""
    found = []
    for q, k, v in zip(*(x.split(lengths, dim=2) for x in qkv), strict=True):
        keys, values = _after(begun, k, v)
        mask = _within(window, q.shape[2], keys.shape[2] - k.shape[2], q.device)
        found.append(sdpa_attention_forward(module, q, keys, values, mask, **given)[0])
    return torch.cat(found, dim=1)


def _side_by_side(
    module: nn.Module, qkv: Sequence[Tensor], begun: Begun, lengths: Sequence[int], window: int | None, **given: Any
) -> Tensor:
    """One call for all rows, padded behind for this alone, where calls cost much: what is behind no token sees."""
    there, back = _places(tuple(lengths), qkv[0].device)
    q, k, v = (x[0].index_select(1, there).unflatten(1, (len(lengths), -1)).transpose(0, 1) for x in qkv)
    keys, values = _after(begun, k, v)
    mask = _within(window, q.shape[2], keys.shape[2] - k.shape[2], there.device)
    found = sdpa_attention_forward(module, q, keys, values, mask, **given)[0]
    return found.flatten(0, 1).index_select(0, back)[None]


def _after(begun: Begun, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The keys and values that rows see: of their beginning, and their own."""
    if begun is None:
        return keys, values
    first, second = (x.expand(len(keys), -1, -1, -1) for x in begun)
    return torch.cat([first, keys], dim=2), torch.cat([second, values], dim=2)


def _within(window: int | None, time: int, before: int, device: torch.device) -> Tensor | None:
    """Who sees whom, (1, 1, time, before + time), where so many tokens stand before a row, or it exceeds a window.

    None where causal attention says it all.
    """
    whole = before + time
    if not before and (window is None or whole <= window):
        return None
    seen = torch.ones(1, 1, time, whole, dtype=torch.bool, device=device).tril(before)
    return seen if window is None else seen.triu(before + 1 - window)


@lru_cache(maxsize=8)
def _places(lengths: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Which token of the long row goes to each place of padded rows, and from which place each comes back."""
    sizes = torch.tensor(lengths)
    steps = torch.arange(max(lengths))
    there = (torch.cumsum(sizes, 0) - sizes)[:, None] + torch.minimum(steps, sizes[:, None] - 1)
    back = torch.nonzero((steps < sizes[:, None]).flatten())[:, 0]
    return there.flatten().to(device), back.to(device)


AttentionInterface.register(NAME, _attention)
