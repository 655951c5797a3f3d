"""Final hidden states on disk: written batch by batch, read through a memory map, so that no memory need hold them.

The file is safetensors with one tensor, `hidden` (tokens, width), row after row; its metadata holds a hash of it all.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from records.files import draft_of
from scale.runtime.tensor_files import hash_of

__all__ = ["write_states"]

_NUMBER = 4  # bytes of a float32


def write_states(path: Path, tokens: Sequence[int], width: int, parts: Iterable[tuple[Sequence[int], Tensor]]) -> None:
    """Write the states of rows of so many `tokens` each; a part names rows and has their states one after another."""
    starts = [0, *accumulate(tokens)]
    with draft_of(path) as draft:  # jobs side by side may write the same
        header = _header(starts[-1], width, "0" * 64)
        with draft.open("wb") as file:
            file.write(header)
            for rows, hidden in parts:
                place = 0
                for row in rows:
                    file.seek(len(header) + _NUMBER * width * starts[row])
                    file.write(hidden[place : place + tokens[row]].contiguous().numpy().data)
                    place += tokens[row]
        with draft.open("r+b") as file:
            file.write(_header(starts[-1], width, hash_of(load_file(draft))))


def _header(tokens: int, width: int, sha256: str) -> bytes:
    """What stands before the numbers in safetensors: the header's length, and it, in JSON, ended by spaces."""
    shape = {"dtype": "F32", "shape": [tokens, width], "data_offsets": [0, _NUMBER * tokens * width]}
    text = json.dumps({"__metadata__": {"sha256": sha256}, "hidden": shape}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
