"""The blocks of a decoder, and the hidden states after some of them, of any architecture.

A decoder keeps its blocks in one list as long as its configuration says, whatever the list is called (`layers`, `h`,
`blocks`). The states are those that the block hands on, before any final norm.
"""

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from records.errors import UserError

__all__ = ["block_after", "blocks_of", "states_after"]


def block_after(layer: float, blocks: int) -> int:
    """After how many of `blocks` blocks the states are that `layer` names: so many, or that share of them, rounded up.

    UserError where a model has fewer.

    >>> block_after(7, 32), block_after(0.25, 30)
    (7, 8)
    """
    found = math.ceil(layer * blocks - 1e-9) if 0 < layer < 1 else int(layer)
    if not 1 <= found <= blocks:
        raise UserError(
            f"layer={layer:g}: the model has {blocks} blocks. Name one of 1 to {blocks}, or a share of them below 1."
        )
    return found


def blocks_of(body: nn.Module, count: int) -> nn.ModuleList:
    """The list of a decoder's blocks, the outermost of that length; UserError where there is none."""
    for module in body.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise UserError(
        f"No list of {count} blocks was found in this {type(body).__name__}, so the hidden states after one of them "
        "can't be read. Choose a loss that takes none, or another model."
    )


@contextmanager
def states_after(body: nn.Module, count: int, chosen: Collection[int]) -> Iterator[dict[int, Tensor]]:
    """What the chosen ones of `count` blocks (1 is the first) hand on when the decoder runs inside, by number."""
    seen: dict[int, Tensor] = {}

    def look(number: int) -> Any:
        def keep(_: nn.Module, __: Any, output: Any) -> None:
            seen[number] = output[0] if isinstance(output, tuple) else output

        return keep

    blocks = blocks_of(body, count) if chosen else ()
    handles = [blocks[number - 1].register_forward_hook(look(number)) for number in chosen]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
