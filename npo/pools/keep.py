"""The readings of the pools as one small file of `figures/data/`, with what they come to.

    python -m npo.pools.keep figures/data/pools-tofu-mini.json OUT [OUT …] --command "…" --machine "…"

`models` has every model with its scores, to five digits; `metrics` what `npo.pools.results` makes of them. With
`--intervals` it is an audit: the models have their scores' intervals over questions, and there are no `metrics`.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npo.pools.results import results
from npo.program.ending import asking, ends_in_words
from records.errors import UserError
from records.files import write_text
from records.ownership import manifest
from records.paths import may_write, user_path
from records.store import load

__all__ = ["keep_pools"]

DIGITS = 5


def keep_pools(file: Path, outs: Sequence[Path], *, command: str, machine: str, intervals: bool = False) -> None:
    """Write what was read, a line a model and a line a metric; UserError where nothing was.

    Several readings of the same models, of other families or in fewer states, become one.
    """
    may_write(user_path(file, "The file").parent)
    readings = [sorted(path.parent for path in (out / "read").glob("*/*/manifest.json")) for out in outs]
    for out, folders in zip(outs, readings, strict=True):
        if not folders:
            raise UserError(f"There is nothing in {out / 'read'}. Run python -m npo.pools.read {out} first.")
    models = joined([dict(load(folder).values) for folders in readings for folder in folders])
    shown = models if intervals else [{k: x for k, x in model.items() if k != "intervals"} for model in models]
    seconds = sum(manifest(folder)["seconds"] for folders in readings for folder in folders)
    first = [manifest(folders[0]) for folders in readings]
    head: dict[str, Any] = {"made": {"command": command, "machine": machine, "seconds": round(seconds)}}
    head |= {"environment": first[0]["environment"], "settings": [one["settings"] for one in first]}
    lines = [f"{json.dumps(name)}: {_compact(value)}" for name, value in head.items()]
    groups = {"models": {f"{model['pool']}/{model['name']}": model for model in shown}}
    groups |= {} if intervals else {"metrics": results(models)}
    for name, group in groups.items():
        rows = ",\n".join(f"{json.dumps(key, ensure_ascii=False)}: {_compact(value)}" for key, value in group.items())
        lines.append(f"{json.dumps(name)}: {{\n{rows}\n}}")
    write_text(file, "{" + ",\n".join(lines) + "}\n")


def joined(models: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each model once, with all scores that it has in a state.

    >>> one, two = ({"pool": "know", "name": "a", "states": {"as it is": {x: 1.0}}} for x in ("rouge", "probability"))
    >>> joined([one, two])[0]["states"]
    {'as it is': {'rouge': 1.0, 'probability': 1.0}}
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for model in models:
        known = found.setdefault((model["pool"], model["name"]), {"pool": model["pool"], "name": model["name"]})
        for part in ("states", "intervals"):
            for state, scores in model.get(part, {}).items():
                known.setdefault(part, {}).setdefault(state, {}).update(scores)
    return list(found.values())


def _compact(value: Any) -> str:
    return json.dumps(_rounded(value), ensure_ascii=False, allow_nan=False)


def _rounded(value: Any) -> Any:
    """Numbers to so many digits; None where one is not finite."""
    if isinstance(value, Mapping):
        return {key: _rounded(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(x) for x in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
    return value


def _told() -> argparse.Namespace:
    parser = asking("npo.pools.keep", __doc__)
    parser.add_argument("file", type=Path, help="to write, instead of one that is there")
    parser.add_argument("out", type=Path, nargs="+", help="folders of python -m npo.pools.read, of the same models")
    parser.add_argument("--command", default="", help="what made the readings, to be kept in the file")
    parser.add_argument("--machine", default="", help="where they were made, likewise")
    parser.add_argument("--intervals", action="store_true", help="an audit: with intervals over questions")
    return parser.parse_intermixed_args()


def _main() -> None:
    told = _told()
    keep_pools(told.file, told.out, command=told.command, machine=told.machine, intervals=told.intervals)


if __name__ == "__main__":
    ends_in_words(_main)
