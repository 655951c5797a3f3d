"""Every loss's own law in a language model, as one small file: `losses.json` of `npo law`.

A line a path, see `scale.law.losses`; to six digits.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.files import write_text
from records.json_lines import read_json
from records.store import Data

__all__ = ["PATH_COLUMNS", "saved_losses", "write_losses"]

PATH_COLUMNS = ("time", "clock", "drop", "remainder", "asked")


def write_losses(path: Path, data: Data) -> None:
    """The unit's values, and its arrays a line each."""
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(_short(column))}" for key, column in data.arrays.items())
    write_text(path, f'{{"values": {json.dumps(dict(data.values))},\n"arrays": {{\n{rows}\n}}}}\n')


def _short(column: np.ndarray) -> Any:
    if column.ndim > 1:
        return [_short(row) for row in column]
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in column]


def saved_losses(path: Path) -> Data:
    """The unit `loss-times/head` that `npo law` wrote; UserError where a path is missing or no table of numbers."""
    none = f"{path} is no losses.json of npo law; write one with npo law"
    content = read_json(path, "Write one with npo law.")
    try:
        arrays = {key: np.array(column, dtype=np.float64) for key, column in content["arrays"].items()}
        values = content["values"]
        labels = [f"{kind}-{name}" for kind, names in _kinds(values).items() for name in values[names]]
    except (TypeError, ValueError, KeyError, AttributeError):
        raise UserError(f"{none} (its values or arrays are none).") from None
    lacking = [f"{label}.{c}" for label in labels for c in PATH_COLUMNS if f"{label}.{c}" not in arrays]
    if lacking:
        raise UserError(f"{none} (it lacks {', '.join(lacking[:3])}).")
    return Data(arrays, values)


def _kinds(values: dict[str, Any]) -> dict[str, str]:
    return {"single": "losses", "tokens": "tokens"} if values["losses"] else {}
