"""What a block of a decoder hands on, taken from elsewhere: the model goes on from there as if it were its own.

    as it is:   block 1 → … → block k → block k+1 → … → norm → head
    instead:                  states  → block k+1 → … → norm → head

With the last block's number only the final norm is left: states after any block read with it are the logit lens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scale.data.prompts import Encoded
from scale.models.reading.blocks import blocks_of, states_after
from scale.models.reading.faster import alike, alone, tried_once
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

__all__ = ["instead", "may_rest"]


@contextmanager
def instead(body: nn.Module, count: int, number: int, states: Tensor, *, rest: bool = False) -> Iterator[None]:
    """Inside, block `number` of `count` (1 is the first) hands on `states` whatever it would itself.

    `states` are (batch, time, width), as the block's own. With `rest` it and those below are not run, since nothing of
    them would be seen; `may_rest` says of which models that is true. UserError where there is no such list of blocks.
    """

    def put(_: nn.Module, __: Any, output: Any) -> Any:
        return (states, *output[1:]) if isinstance(output, tuple) else states

    blocks = blocks_of(body, count)
    resting = list(blocks[:number]) if rest else []
    own = [vars(block).get("forward") for block in resting]
    for block in resting:
        vars(block)["forward"] = _nothing
    handle = blocks[number - 1].register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()
        for block, forward in zip(resting, own, strict=True):
            del vars(block)["forward"]
            if forward is not None:
                vars(block)["forward"] = forward


def may_rest(scorer: Scorer, rows: Sequence[Encoded], processes: Processes) -> bool:
    """Is a model's own state after a block all that the blocks above need? Tried on the longest row.

    Not where a block hands on more than one tensor, or blocks above ask those below.
    """
    longest = max(rows, key=lambda row: len(row.ids)).ids
    number = (scorer.blocks + 1) // 2

    def ask(module: Scorer) -> bool:
        with torch.no_grad(), states_after(module.body, module.blocks, [number]) as seen:
            whole = alone(module, longest)
        with instead(module.body, module.blocks, number, seen[number], rest=True):
            return alike(alone(module, longest), whole, module)

    return tried_once(scorer, processes, ("blocks rest", len(longest)), ask)


def _nothing(hidden: Tensor, *_: Any, **__: Any) -> Tensor:
    """What goes in comes out."""
    return hidden
