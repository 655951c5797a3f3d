"""The unlearning runs that folders hold, as a report takes them: finished, comparable, each with a name of its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from npo.runs.comparable import differing, in_one_table, judged_otherwise
from npo.runs.finished import distinct_names, pieces_in, settings_of, why_unfinished
from npo.runs.run import UnlearningRun, told_unexamined, unexamined
from records.errors import UserError
from records.ownership import MANIFEST
from records.store import load

__all__ = ["Collected", "collect"]


class Collected(NamedTuple):
    """Runs for one table, and what must be said beside it: what was left out, and how runs differ."""

    runs: list[UnlearningRun]
    notes: list[str]


def collect(folders: Sequence[Path]) -> Collected:
    """The runs in these folders, each of which is a run or holds `unlearn/…`; UserError where there are none."""
    found: list[Path] = []
    notes: list[str] = []
    for folder in folders:
        paths, told = _inside(folder)
        found += paths
        notes += told
    runs = []
    for path in {path.resolve(): path for path in found}.values():
        if unexamined(load(path).values):
            notes.append(f"{path} is left out: {told_unexamined(path)}")
            continue
        run = UnlearningRun.read(path)
        if reason := judged_otherwise(run):
            notes.append(f"{path} is left out: {reason}. Run it again, or report it from a folder of its own.")
        else:
            runs.append(run)
    if not runs:
        raise UserError("\n".join([f"{folders[0]} holds no finished unlearning run that can be reported.", *notes]))
    runs = in_one_table(_named(runs))
    return Collected(runs, notes + differing(runs))


def _inside(folder: Path) -> tuple[list[Path], list[str]]:
    """The runs in a folder, or the one that it is; and what else lies there."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}. Name one that `npo run` has written to.")
    if (folder / MANIFEST).exists():
        return [folder], []
    pieces = pieces_in(folder / "unlearn")
    single = folder / "forget"  # of `npo forget` with one method
    found = pieces.finished + ([] if why_unfinished(single) or _again(single, pieces.finished) else [single])
    if not found:
        raise UserError(
            "\n".join(
                [
                    f"{folder} holds no finished unlearning run. Name a folder that `npo run` or `npo unlearn` has "
                    "written to.",
                    *pieces.told,
                ]
            )
        )
    return found, pieces.told + pieces_in(folder / "evaluate").told


def _again(single: Path, others: Sequence[Path]) -> bool:
    """Is a run among others that were made with the very same settings?"""
    return any(settings_of(single) == settings_of(other) for other in others)


def _named(runs: Sequence[UnlearningRun]) -> list[UnlearningRun]:
    """With names that tell apart runs of folders that are called alike."""
    places = [run.place for run in runs]
    names = distinct_names(places)
    return [replace(run, name=f"{name}/{run.folder.resolve().name}") for run, name in zip(runs, names, strict=True)]
