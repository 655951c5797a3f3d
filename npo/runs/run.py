"""Finished unlearning runs as `npo report`, `npo run` and `npo ask` see them: read from their folders, tabled."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from npo.runs.finished import settings_of, why_unfinished
from npo.runs.values import LawUnit, RunValues, checked
from records.errors import UserError
from records.examined import Examined, further, kept_of, moments_of
from records.files import write_json
from records.json_lines import read_json
from records.plain import cell, markdown, plain
from records.shown import named
from records.store import Data, environment, load
from theory.theorems.time.paths import COLUMNS as COLUMNS_OF_A_PATH

__all__ = [
    "COLUMNS",
    "TableRow",
    "UnlearningRun",
    "as_csv",
    "as_json",
    "as_markdown",
    "columns_of",
    "rows_of",
    "saved",
    "saved_law",
    "table",
    "told_unexamined",
    "unexamined",
    "warnings_of",
    "write_law",
]

TableRow = tuple[str, Mapping[str, float | None]]
"""What a row of a table is of, and its measures by key."""

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
"""The usual measures of a table, by their keys, with what stands above them."""

SHOWN = 60
"""Recorded steps of a path that law.json keeps: enough to draw and to judge by."""

SHORT = ("forget_probability", "forget_degenerate", "log10_forget_quality", "retain_probability", "model_utility")
MUSE = ("verbmem_f", "knowmem_f", "knowmem_r", "privleak")


@dataclass(frozen=True)
class UnlearningRun:
    """One unlearning run: its folder, what it saved, the settings that made it, and its name among others."""

    folder: Path
    data: Data
    settings: Mapping[str, Any]
    name: str

    @classmethod
    def read(cls, folder: Path) -> "UnlearningRun":
        """From the folder of an `unlearn/…` unit; UserError where it is none or unfinished."""
        none = f"{folder} holds no finished unlearning run"
        if reason := why_unfinished(folder):
            raise UserError(f"{none}: {reason}. Name a folder that `npo run` or `npo unlearn` has written to.")
        data = load(folder)
        if unexamined(data.values):
            raise UserError(f"{none} that can be tabled: {told_unexamined(folder)}")
        checked(RunValues, data.values, none)
        return cls(folder, data, settings_of(folder), f"{_place(folder).name}/{folder.resolve().name}")

    @property
    def label(self) -> str:
        """Method with all that was set for it alone."""
        return str(self.data.values["label"])

    @property
    def moments(self) -> list[Examined]:
        """When it was examined, from before the first step to its end."""
        return moments_of(self.data.values)

    @property
    def kept(self) -> int:
        """Which of the moments is that of its model and answers: the last, or the best where that is kept."""
        return kept_of(self.data.values)

    @property
    def place(self) -> Path:
        """The folder of the whole run that it is of."""
        return _place(self.folder)

    def beside(self, name: str) -> Path | None:
        """The folder of another unit of the same run; None where that is not finished."""
        folder = self.place / name
        return None if why_unfinished(folder) else folder

    def interval(self) -> tuple[float | None, float | None]:
        """A 95 % bootstrap interval of its model's log₁₀ forget quality, over the questions."""
        from scale.evaluation import quality_interval
        from scale.evaluation.protocols import protocol_of
        from scale.evaluation.results import from_arrays
        from scale.evaluation.scores import log_ratio_of

        judge = self.beside("evaluate/retrain")
        if judge is None:
            return None, None
        protocol = protocol_of(str(self.data.values["protocol"]))
        own = {name: array[self.kept] for name, array in self.data.arrays.items()}
        parts = [from_arrays(arrays)["forget"] for arrays in (own, load(judge).arrays)]
        return quality_interval(*(log_ratio_of(part, protocol) for part in parts))


def unexamined(values: Mapping[str, Any]) -> bool:
    """Was nothing examined in this unlearning run (`evaluate: none`)?"""
    return values.get("moments") == []


def told_unexamined(folder: Path) -> str:
    """What to say of it, and what to do."""
    return (
        f"it was run with evaluate: none, so nothing of it was measured. npo evaluate RECIPE --model "
        f"{folder / 'model'} examines it; npo run with evaluate=end examines what it runs."
    )


def _place(folder: Path) -> Path:
    """The folder of a run: two above `unlearn/…`, one above `forget`."""
    above = folder.resolve().parent
    return above.parent if above.name == "unlearn" else above


def as_json(runs: Sequence[UnlearningRun], others: Sequence[TableRow] = ()) -> dict[str, Any]:
    """What was measured in every run, by its name, without the arrays of single questions; and of `others`, if any."""
    found = {"environment": environment(), "runs": {run.name: dict(run.data.values) for run in runs}}
    return {**found, "others": {label: dict(values) for label, values in others}} if others else found


def saved(path: Path) -> dict[str, Data]:
    """The runs in a `runs.json` that `npo report` wrote, by name, as the figures take them; UserError if it is none."""
    none = f"{path} is no runs.json of npo report; write one with npo report"
    content = read_json(path, "Write one with npo report.")
    runs = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(runs, dict) or not runs:
        raise UserError(f"{none} (it has no runs).")
    for name, values in runs.items():
        checked(RunValues, values, f"{none} ({name})")
    return {name: Data({}, values) for name, values in runs.items()}


def write_law(path: Path, results: Mapping[str, Data]) -> None:
    """Keep the ladder small: every path at SHOWN of its steps at most, the last among them, to six digits."""
    write_json(path, {name: {"values": data.values, "arrays": _thinned(data.arrays)} for name, data in results.items()})


def _thinned(arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
    return {
        name: _rounded(column[np.unique(np.linspace(0, len(column) - 1, min(SHOWN, len(column))).round().astype(int))])
        for name, column in arrays.items()
    }


def _rounded(column: np.ndarray) -> Any:
    """To six digits; None where a number is not finite, since JSON has none for that."""
    if column.ndim > 1:
        return [_rounded(row) for row in column]
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in column]


def saved_law(path: Path) -> dict[str, Data]:
    """The ladder in a `law.json` that `npo law` wrote, by unit; UserError if it is none."""
    none = f"{path} is no law.json of npo law; write one with npo law"
    content = read_json(path, "Write one with npo law.")
    if not isinstance(content, dict) or not content:
        raise UserError(f"{none} (it has no units).")
    return {name: _law_unit(unit, f"{none} ({name})") for name, unit in content.items()}


def _law_unit(unit: Any, none: str) -> Data:
    checked(LawUnit, unit, none)
    try:
        arrays = {key: np.array(column, dtype=np.float64) for key, column in unit["arrays"].items()}
    except ValueError:
        raise UserError(f"{none} (the rows of an array are of unequal length).") from None
    paths = ("single", "set") if any(key.startswith("set.") for key in arrays) else ("single",)
    wanted = {f"{path}.{name}" for path in paths for name in COLUMNS_OF_A_PATH}
    lengths = {kind: {len(x) for key, x in arrays.items() if key.startswith(f"{kind}.")} for kind in ("single", "set")}
    odd = any(len(x) > 1 for x in lengths.values()) or any(x.size == 0 for x in arrays.values())
    if odd or not wanted <= set(arrays):
        raise UserError(f"{none} (arrays are missing, empty or of unequal length; there must be {named(wanted)}).")
    return Data(arrays, unit["values"])


def warnings_of(runs: Sequence[UnlearningRun]) -> list[str]:
    """Why methods can't be ranked, which runs ended early, which models are not of the end; none if all is well."""
    reasons = dict.fromkeys(reason for run in runs for reason in run.data.values["not_rankable"])
    ranked = [f"Methods can't be ranked by this run. {' '.join(reasons)}"] if reasons else []
    logs = dict.fromkeys(told for run in runs for told in (run.data.values.get("retain_log") or {}).get("told", ()))
    ranked += logs
    stopped = [f"{run.label} stopped early: {run.data.values['stopped']}" for run in runs if run.data.values["stopped"]]
    return [*ranked, *stopped, *(_kept(run) for run in runs if run.data.values.get("kept"))]


def _kept(run: UnlearningRun) -> str:
    kept = run.data.values["kept"]
    least = [f"{name} at least {share:g} of the finetuned's" for name, share in kept["rule"]["at_least"].items()]
    told = ", ".join([f"most {kept['rule']['maximise']}", *least]) + (f"; {kept['told']}" if kept["told"] else "")
    return f"{run.label}: the model of step {kept['step']} is kept ({told})."


def columns_of(runs: Sequence[UnlearningRun]) -> dict[str, str]:
    """The measures of a table of these runs, by their keys: the usual ones, and whatever else was measured."""
    found = [moment.scores for run in runs for moment in run.moments]
    return COLUMNS | {key: key.replace("_", " ") for key in further(found, COLUMNS)}


def rows_of(runs: Sequence[UnlearningRun]) -> list[tuple[str, dict[str, float | None]]]:
    """Finetuned, retrained if there is one, and the end of each method, its mean over several seeds."""
    first = runs[0].data.values
    rows = [("finetuned", dict(runs[0].moments[0].scores))]
    rows += [("retrained", dict(first["retrained"]))] if first["retrained"] else []
    by_label: dict[str, list[UnlearningRun]] = {}
    columns = columns_of(runs)
    for run in runs:
        by_label.setdefault(run.label, []).append(run)
    for label, several in by_label.items():
        seeds = f" ({len(several)} seeds)" if len(several) > 1 else ""
        ends = [run.moments[run.kept].scores for run in several]
        rows.append((f"{label}{seeds}", {key: _mean([end.get(key) for end in ends]) for key in columns}))
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def table(runs: Sequence[UnlearningRun]) -> Table:
    """The measures that say most, for a terminal."""
    rows, headings = rows_of(runs), columns_of(runs)
    keys = [key for key in (*SHORT, *MUSE) if key in rows[0][1]]
    shown = Table("model", *(headings[key] for key in keys))
    for label, values in rows:
        shown.add_row(Text(plain(label)), *(_number(values.get(key)) for key in keys))
    return shown


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3g}"


def as_csv(runs: Sequence[UnlearningRun], others: Sequence[TableRow] = ()) -> str:
    """Every moment of every run, all measures; then the others, which have no seed, step or epoch."""
    out, columns = io.StringIO(), columns_of(runs)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", "seed", "step", "epoch", "forget_quality", *columns])
    for run in runs:
        for step, epoch, scores in run.moments:
            first = [cell(run.label), run.data.values["seed"], step, epoch, scores.get("forget_quality")]
            writer.writerow([*first, *(scores.get(key) for key in columns)])
    for label, values in others:
        first = [cell(label), None, None, None, values.get("forget_quality")]
        writer.writerow([*first, *(values.get(key) for key in columns)])
    return out.getvalue()


def as_markdown(runs: Sequence[UnlearningRun], notes: Sequence[str] = (), others: Sequence[TableRow] = ()) -> str:
    """The ends of all runs, all measures, then the others, with what must be said above them."""
    lines = [f"> **{markdown(warning)}**\n>" for warning in (*warnings_of(runs), *notes)]
    lines += [""] if lines else []
    columns = columns_of(runs)
    lines += ["| model | " + " | ".join(map(markdown, columns.values())) + " |", "|---" * (1 + len(columns)) + "|"]
    for label, values in (*rows_of(runs), *others):
        lines.append(f"| {markdown(label)} | " + " | ".join(_number(values.get(key)) for key in columns) + " |")
    return "\n".join(lines) + "\n"
