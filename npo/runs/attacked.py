"""What a run left of audits and attacks: read from its folder, kept as one small file, tabled.

    python -m npo.runs.attacked figures/data/tofu-mini-audit.json out/tofu-mini-audit --command "npo run …"

keeps of every `audit/…` and `attack/…` unit all values, to four digits, and no scores by question.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npo.program.ending import asking, ends_in_words
from npo.runs.finished import pieces_in
from records.errors import UserError
from records.files import write_text
from records.json_lines import read_json
from records.paths import may_write, user_path
from records.store import Data, environment, load

__all__ = ["AttackRow", "attacks_in", "audited_in", "keep_audits", "rows_of_attacks", "saved_audits"]

LEFT = ("audit", "asked", "model")
SCORE = "probability"
"""That which a table has: of the answers to forget, a token."""


class AttackRow(NamedTuple):
    """A line of the table: a model and an attack, its last level, the score there, before, and of the retrained one."""

    model: str
    attack: str
    level: str
    before: float | None
    after: float | None
    retrained: float | None
    robustness: str


def audited_in(folder: Path) -> dict[str, Data]:
    """The finished audits and attacks of a run, by unit name."""
    places = [folder / "audit", *sorted(path for path in (folder / "attack").glob("*") if path.is_dir())]
    units = [unit for place in places for unit in pieces_in(place).finished]
    return {unit.relative_to(folder).as_posix(): load(unit) for unit in units}


def attacks_in(results: Mapping[str, Data]) -> dict[str, Data]:
    """The attacks alone."""
    return {name: data for name, data in results.items() if name.startswith("attack/")}


def keep_audits(file: Path, results: Mapping[str, Data], *, command: str, machine: str) -> None:
    """Write them as one file, a line a unit, with what made them."""
    made = {"command": command, "machine": machine}
    head = [f'"made": {json.dumps(made)}', f'"environment": {json.dumps(environment())}']
    rows = [f"{json.dumps(name)}: {json.dumps(_short(data.values), allow_nan=False)}" for name, data in results.items()]
    write_text(file, "{" + ",\n".join([*head, '"units": {\n' + ",\n".join(rows) + "\n}"]) + "}\n")


def saved_audits(file: Path) -> dict[str, Data]:
    """What `keep_audits` has written, by unit name."""
    units = read_json(file, "It is kept with the project.")["units"]
    return {name: Data({}, values) for name, values in units.items()}


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _rounded(value) for key, value in values.items() if key not in LEFT}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(x) for key, x in value.items()}
    if isinstance(value, list):
        return [_rounded(x) for x in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    return value


def rows_of_attacks(results: Mapping[str, Data]) -> Iterator[AttackRow]:
    """A line for each attack on each model, at its last level."""
    for name, data in attacks_in(results).items():
        values, (_, model, attack) = data.values, name.split("/", 2)
        if SCORE not in values["scores"]:
            continue
        score = values["scores"][SCORE]["value"]
        beside = results.get(f"attack/retrain/{attack}")
        alike = beside is not None and beside.values["levels"] == values["levels"]  # mixtures need not be
        last = beside.values["scores"][SCORE]["value"][-1] if beside and alike else None
        robust = [f"{form.partition('_')[0].upper()} {x[SCORE][-1]:.2f}" for form, x in _forms(values)]
        level = f"{values['levels'][-1]:g} {values['axis']}"
        yield AttackRow(model, attack, level, score[0], score[-1], last, ", ".join(robust[:1]))


def _forms(values: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Robustness by form, where the score has it."""
    return [(form, x) for form, x in values["robustness"].items() if x.get(SCORE) and x[SCORE][-1] is not None]


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = asking("npo.runs.attacked", __doc__)
    parser.add_argument("file", type=Path, help="to write, instead of one that is there")
    parser.add_argument("folder", type=Path, help="of a run: its audits and attacks are kept")
    parser.add_argument("--command", default="", help="what made the run, to be kept in the file")
    parser.add_argument("--machine", default="", help="where it was made, likewise")
    return parser.parse_args(words)


def _main() -> None:
    told = _told()
    may_write(user_path(told.file, "The file").parent)
    results = audited_in(told.folder)
    if not results:
        advice = "Name the folder of a run whose recipe has `audit` or `attacks` (npo run tofu-mini-audit)."
        raise UserError(f"There is no finished audit or attack in {told.folder}. {advice}")
    keep_audits(told.file, results, command=told.command, machine=told.machine)


if __name__ == "__main__":
    ends_in_words(_main)
