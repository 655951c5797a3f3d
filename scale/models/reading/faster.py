"""Does a faster way of reading rows give what the plain way gives? Tried before it is used, on the rows themselves.

Packed questions need attention that takes a mask of four dimensions as it is and knows of no distance but that of the
positions given: a recurrence or a convolution reads on from one answer into the next, a sliding window is not in the
mask, ALiBi counts columns. Prompts padded on the left need a model that skips padding, a cache one whose steps are
those of the whole row, padding on the right one that nothing behind a token changes. No list of architectures knows all
that, so a few rows are read both ways, the longest and the shortest among them; the plain way is a row by itself,
unpadded and without a cache. What differs by more than `TOLERANCE` is not used, and that is said once.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

from scale.data.prompts import Encoded, collate
from scale.models.reading.scorer import Key, Scorer
from scale.runtime.processes import Processes

__all__ = ["TOLERANCE", "alike", "alone", "pads", "tried_once"]

TOLERANCE = {torch.float32: 2e-4, torch.float16: 2e-2}
"""How far final states or logits may be apart, relative to their length, by the type of the weights; of all others
(bfloat16, quantised ones) 0.1. Rounding stays far below; the edge of a window and a leak are far above."""

BY_LENGTH = ("padded", "unpadded", "reads on")
"""Questions whose keys are the lengths of the rows that were tried: what holds for these holds for lengths between."""

REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What a model makes of a mask, of positions or a cache that it does not expect: shapes that don't fit, arguments and
parts that it lacks. Nothing else says how it reads: no error of a user, of a disk, of memory."""


def alike(found: Tensor, plain: Tensor, scorer: Scorer) -> bool:
    """Are these vectors (…, width) those of the plain way? Where that one is not finite there is nothing to compare."""
    most = max(TOLERANCE.get(weight.dtype, 0.1) for weight in scorer.parameters())
    found, plain = found.float(), plain.float()
    close = (found - plain).norm(dim=-1) <= most * plain.norm(dim=-1)
    return bool((close | ~plain.isfinite().all(dim=-1)).all())


def alone(scorer: Scorer, ids: Sequence[int], *, last: int | None = None) -> Tensor:
    """Final states (time, width) of a row by itself; or the logits of its last tokens."""
    row = torch.tensor([list(ids)], device=scorer.plain.device)
    return scorer.states(row, torch.ones_like(row), last=last)[0]


def tried_once(
    scorer: nn.Module, processes: Processes, key: Key, ask: Callable[[Scorer], bool], else_: str = ""
) -> bool:
    """The answer to a question about a model, by all processes alike.

    It is asked once for each key; a no is said, with what follows from it, once for all keys that begin alike.
    """
    module: Scorer = processes.accelerator.unwrap_model(scorer)
    if isinstance(scorer, FSDPModule) and "states" not in vars(scorer):
        register_fsdp_forward_method(scorer, "states")
        register_fsdp_forward_method(scorer, "generate")
    if key not in module.ways:
        module.ways[key] = _follows(module.ways, key) or _asked(module, processes, key, ask, else_)
    return module.ways[key]


def _follows(ways: Mapping[Key, bool], key: Key) -> bool:
    """Was the same found of rows as short and as long, and these lie between?"""
    if key[0] not in BY_LENGTH or not (asked := _lengths(key)):
        return False
    alike = [_lengths(other) for other, right in ways.items() if right and other[0] == key[0]]
    return any(tried and min(tried) <= min(asked) <= max(asked) <= max(tried) for tried in alike)


def _lengths(key: Key) -> list[int]:
    return [length for length in key if isinstance(length, int)]


def _asked(module: Scorer, processes: Processes, key: Key, ask: Callable[[Scorer], bool], else_: str) -> bool:
    was = module.training
    module.eval()
    try:
        found = ask(module)
    except torch.OutOfMemoryError:
        raise  # that says nothing of the model
    except REFUSALS:
        found = False
    module.train(was)
    said = any(other[0] == key[0] and not right for other, right in module.ways.items())
    found = processes.told(found)
    if else_ and not (found or said) and processes.first:
        warnings.warn(f"{module.plain.config.model_type}: {else_}", stacklevel=4)
    return found


def pads(scorer: nn.Module, rows: Sequence[Encoded], pad: int, processes: Processes) -> bool:
    """May rows be padded on the right to the longest of a batch? Tried on the shortest, the middle and the longest."""
    if len({len(row.ids) for row in rows}) < 2:
        return True
    ordered = sorted(rows, key=lambda row: len(row.ids))
    tried = [ordered[0], ordered[len(rows) // 2], ordered[-1]]

    def ask(module: Scorer) -> bool:
        batch = collate(tried, pad).to(module.plain.device)
        found = module.states(batch.ids, batch.mask)
        return all(
            alike(states[: len(row.ids)], alone(module, row.ids), module)
            for states, row in zip(found, tried, strict=True)
        )

    key = ("padded", *(len(row.ids) for row in tried))
    said = "a row's numbers depend on padding behind it, so rows are read one by one, which is slower."
    return tried_once(scorer, processes, key, ask, said)
