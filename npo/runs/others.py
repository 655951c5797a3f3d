"""Models of other people beside ours: evaluations that open-unlearning has written, as rows of a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from npo.runs.finished import distinct_names
from records.errors import UserError

__all__ = ["Others", "others_in"]

_IDLE = ("eval", "evals", "evaluation")
"""Folders of an evaluation that are not named after the model."""


class Others(NamedTuple):
    """Rows by name, each its measures, and what must be said beside the table."""

    rows: list[tuple[str, dict[str, float | None]]]
    notes: list[str]


def others_in(files: Sequence[Path], protocol: str) -> Others:
    """What TOFU_EVAL.json and TOFU_SUMMARY.json tell, for a table of runs of this protocol; UserError for other files.

    Forget quality is as it is told, against the retrained model that it was given there.
    """
    from scale.evaluation.open_unlearning import PROTOCOL, differing, means, read_evaluation

    rows, notes = [], []
    files = list({path.resolve(): path for path in files}.values())
    for path, name in zip(files, distinct_names([_model(path) for path in files]), strict=True):
        found = read_evaluation(path)
        if found is None:
            raise UserError(
                f"{path} is no evaluation of open-unlearning (TOFU_EVAL.json, TOFU_SUMMARY.json). Name such files, and "
                "folders that `npo run` has written to."
            )
        rows.append((f"{name} (open-unlearning)", means(found)))
        notes += differing(found)
    if rows:
        apart = "" if protocol == PROTOCOL.name else f" The others were examined under the protocol {protocol}."
        notes.append(
            f"{', '.join(label for label, _ in rows)}: examined by open-unlearning, under its own protocol; forget "
            f"quality is as told there, against the retrained model that it was given.{apart}"
        )
    return Others(rows, notes)


def _model(path: Path) -> Path:
    """The folder that is named after the model, or the file itself where it lies in none."""
    place = path.resolve().parent
    while place.name in _IDLE:
        place = place.parent
    return place if place.name else path
