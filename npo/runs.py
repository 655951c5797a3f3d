"""Finished unlearning runs as `npo report`, `npo run` and `npo ask` see them: read from their folders, tabled."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from records.errors import UserError
from records.store import Data, environment, load, write_json

__all__ = [
    "COLUMNS",
    "Run",
    "as_csv",
    "as_json",
    "as_markdown",
    "find_runs",
    "rows_of",
    "saved",
    "saved_law",
    "table",
    "warnings_of",
    "write_law",
]

COLUMNS = {
    "model_utility": "model utility",
    "log10_forget_quality": "log₁₀ forget quality",
    "ks_statistic": "KS D",
    "forget_probability": "forget: probability",
    "forget_rouge": "ROUGE-L",
    "forget_truth_ratio": "truth ratio",
    "forget_degenerate": "degenerate",
    "forget_kl": "KL",
    "retain_probability": "retain: probability",
    "retain_rouge": "ROUGE-L",
    "retain_truth_ratio": "truth ratio",
    "real_authors_probability": "authors: probability",
    "real_authors_rouge": "ROUGE-L",
    "real_authors_truth_ratio": "truth ratio",
    "world_facts_probability": "facts: probability",
    "world_facts_rouge": "ROUGE-L",
    "world_facts_truth_ratio": "truth ratio",
}
"""The measures of a table, by their keys, with what stands above them."""

SHOWN = 60
"""Recorded steps of a path that law.json keeps: enough to draw and to judge by."""

SHORT = ("forget_probability", "forget_degenerate", "log10_forget_quality", "retain_probability", "model_utility")


@dataclass(frozen=True)
class Run:
    """One unlearning run: its folder and what it saved."""

    folder: Path
    data: Data

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """From the folder of an `unlearn/…` unit; UserError where it is none or unfinished."""
        try:
            found = load(folder)
            found.values["moments"], found.values["label"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{folder} holds no finished unlearning run ({error}). Name a folder that `npo run` or "
                "`npo unlearn` has written to."
            ) from None
        return cls(folder, found)

    @property
    def name(self) -> str:
        """Recipe's folder and unit."""
        return f"{self.folder.parent.parent.name}/{self.folder.name}"

    @property
    def label(self) -> str:
        """Method with all that was set for it alone."""
        return str(self.data.values["label"])

    @property
    def end(self) -> dict[str, Any]:
        """Its last moment."""
        return dict(self.data.values["moments"][-1])

    def interval(self) -> tuple[float | None, float | None]:
        """A 95 % bootstrap interval of its last log₁₀ forget quality, over the questions."""
        from scale.evaluate import from_arrays
        from scale.metrics import quality_interval
        from scale.protocols import protocol_of

        judge = self.folder.parent.parent / "evaluate" / "retrain"
        if not (judge / "data.npz").is_file():
            return None, None
        ratio = protocol_of(str(self.data.values["protocol"])).log_truth_ratio
        own = {name: array[-1] for name, array in self.data.arrays.items()}
        losses = [from_arrays(arrays)["forget"].losses for arrays in (own, load(judge).arrays)]
        return quality_interval(ratio(losses[0]), ratio(losses[1]))


def find_runs(folders: Iterable[Path]) -> list[Run]:
    """The unlearning runs in these folders: each is a run, or holds `unlearn/…`; UserError where one has none."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Name one that `npo run` has written to.")
        inside = sorted(path.parent for path in folder.glob("unlearn/*/data.json"))
        found += [Run.read(path) for path in inside or [folder]]
    return found


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    """What was measured in every run, by its name, without the arrays of single questions."""
    return {"environment": environment(), "runs": {run.name: dict(run.data.values) for run in runs}}


def saved(path: Path) -> dict[str, Data]:
    """The runs in a `runs.json` that `npo report` wrote, by name, as the figures take them; UserError if it is none."""
    try:
        runs = json.loads(path.read_text(encoding="utf8"))["runs"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is no runs.json of npo report ({error}). Write one with npo report.") from None
    return {name: Data({}, values) for name, values in runs.items()}


def write_law(path: Path, results: Mapping[str, Data]) -> None:
    """Keep the ladder small: every path at SHOWN of its steps at most, the last among them, to six digits."""
    write_json(path, {name: {"values": data.values, "arrays": _thinned(data.arrays)} for name, data in results.items()})


def _thinned(arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
    found = {}
    for name, column in arrays.items():
        at = np.unique(np.linspace(0, len(column) - 1, min(SHOWN, len(column))).round().astype(int))
        found[name] = np.vectorize(lambda x: float(f"{x:.6g}"), otypes=[np.float64])(column[at]).tolist()
    return found


def saved_law(path: Path) -> dict[str, Data]:
    """The ladder in a `law.json` that `npo law` wrote, by unit; UserError if it is none."""
    try:
        units = json.loads(path.read_text(encoding="utf8"))
        return {
            name: Data({key: np.array(column) for key, column in unit["arrays"].items()}, unit["values"])
            for name, unit in units.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no law.json of npo law ({error}). Write one with npo law.") from None


def warnings_of(runs: Sequence[Run]) -> list[str]:
    """Why methods can't be ranked, which runs ended early or changed nothing; none if all is well."""
    reasons = dict.fromkeys(reason for run in runs for reason in run.data.values["not_rankable"])
    stopped = [f"{run.label} stopped early: {run.data.values['stopped']}" for run in runs if run.data.values["stopped"]]
    same = [f"{run.label} changed no weight at all." for run in runs if not run.data.values.get("changed", True)]
    return [*reasons, *stopped, *same]


def rows_of(runs: Sequence[Run]) -> list[tuple[str, dict[str, float | None]]]:
    """Finetuned, retrained, and the end of each method: its mean over seeds where there are several."""
    first = runs[0].data.values
    rows: list[tuple[str, dict[str, float | None]]] = [
        ("finetuned", first["moments"][0]),
        ("retrained", first["retrained"]),
    ]
    by_label: dict[str, list[Run]] = {}
    for run in runs:
        by_label.setdefault(run.label, []).append(run)
    for label, several in by_label.items():
        seeds = f" ({len(several)} seeds)" if len(several) > 1 else ""
        rows.append((f"{label}{seeds}", {key: _mean([run.end.get(key) for run in several]) for key in COLUMNS}))
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def table(runs: Sequence[Run]) -> Table:
    """The measures that say most, for a terminal."""
    shown = Table("model", *(COLUMNS[key] for key in SHORT))
    for label, values in rows_of(runs):
        shown.add_row(label, *(_number(values.get(key)) for key in SHORT))
    return shown


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3g}"


def as_csv(runs: Sequence[Run]) -> str:
    """Every moment of every run, all measures."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", "seed", "step", "epoch", "forget_quality", *COLUMNS])
    for run in runs:
        for m in run.data.values["moments"]:
            first = [run.label, run.data.values["seed"], m["step"], m["epoch"], m.get("forget_quality")]
            writer.writerow([*first, *(m.get(key) for key in COLUMNS)])
    return out.getvalue()


def as_markdown(runs: Sequence[Run]) -> str:
    """The ends of all runs, all measures, with what must be said above them."""
    lines = [f"> **{warning}**" for warning in warnings_of(runs)]
    lines += [""] if lines else []
    lines += ["| model | " + " | ".join(COLUMNS.values()) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    lines += [f"| {label} | " + " | ".join(_number(v.get(key)) for key in COLUMNS) + " |" for label, v in rows_of(runs)]
    return "\n".join(lines) + "\n"
