"""`npo try`: all that one wants to know of a new loss first, in two minutes, and the line that runs it on TOFU."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from figures import own_loss
from figures.canvas import save as save_figure
from npo.running.contract import Finding, contract
from npo.running.units import run_units
from npo.running.weight_curve import known_kernels, weight_curves
from npo.verbs.losses.atlas import atlas_table, facts, own_row
from npo.verbs.losses.try_choices import FULL_SIZE, QUICK_SIZE, TriedLoss, room_units, tried_loss
from npo.verbs.losses.try_tables import answers_table, contract_table, fronts_table, shown_answers
from records.errors import UserError
from records.files import write_json
from records.outputs import check_outputs, publish
from records.paths import may_write, user_path
from records.plain import plain
from records.store import Data, environment, load, writable
from theory.atlas.demonstration import TAU
from theory.atlas.table import AtlasRow, atlas_arrays

__all__ = ["tofu_lines", "try_out_loss"]

PAGES = ("try.json", "try.png", "try.svg")


def try_out_loss(name: str, *, beta: float | None, settings: Sequence[str], quick: bool, out: Path) -> int:
    """Look at the loss, run it in both rooms beside known ones, print, draw, save; 1 where its contract is broken."""
    started = time.time()
    loss = tried_loss(name, beta, tuple(settings))
    findings = contract(loss.kernel)
    units, refused = room_units(loss, QUICK_SIZE if quick else FULL_SIZE)
    may_write(out)
    reads = [user_path(name.rpartition(":")[0], name)] if ":" in name else []
    check_outputs(out, PAGES, reads)
    console = Console(markup=False, highlight=False)
    console.print(contract_table(loss, findings))
    run_units(units, writable(out), "try")
    results = {own_loss.WEIGHT: weight_curves(loss.label, loss.kernel)}
    rows = atlas_rows(loss, refused)
    results |= {own_loss.CLASS: Data(atlas_arrays(rows, TAU), {})} if rows else {}
    results |= {unit.name: load(out / unit.name) for unit in units}

    def write(place: Path) -> None:
        atlas = {"atlas": [facts(row) for row in rows]}
        write_json(place / "try.json", _facts(loss, findings, results, refused) | atlas)
        save_figure(own_loss.draw(results), place, "try")

    publish(out, write, reads)
    if rows:
        console.print(atlas_table(rows))
    _print(console, loss, results, refused)
    console.print(plain(f"{out / 'try.png'}; all numbers in try.json beside it; {time.time() - started:.0f} s"))
    return int(any(finding.verdict == "broken" for finding in findings))


def atlas_rows(loss: TriedLoss, refused: dict[str, str]) -> list[AtlasRow]:
    """How fast the loss runs away, and those beside it; none, and why in `refused`, where it has no scalar model."""
    try:
        own = own_row(loss.name, loss.label, loss.kernel)
    except UserError as error:
        refused["atlas"] = str(error)
        return []
    return [own, *(own_row(name, name, kernel) for name, kernel in known_kernels(loss.name).items())]


def _print(console: Console, loss: TriedLoss, results: Mapping[str, Data], refused: Mapping[str, str]) -> None:
    runs = [data for name, data in results.items() if name.startswith("logistic/")]
    answers = [data for name, data in results.items() if name.startswith("transformer/methods-")]
    if runs:
        console.print(fronts_table(runs))
    for data in answers:
        console.print(answers_table(data))
    if answers:
        console.print(shown_answers(loss.label, answers[-1]))
    for room, why in refused.items():
        console.print(plain(f"not in the {room}: {why}"), soft_wrap=True)
    console.print("\nin a language model: in seconds, in minutes, and on the real TOFU (its files in DIR; an hour)")
    for line in tofu_lines(loss):
        console.print(plain(f"  {line}"), soft_wrap=True)


def tofu_lines(loss: TriedLoss) -> list[str]:
    """The commands that run the loss with its hyperparameters, beside NPO, in a language model; the last on TOFU."""
    kept = "+rt" if ":" in loss.name else "+RT"
    given = {"hyperparameters": dict(loss.hyperparameters)} if loss.hyperparameters else {}
    told = json.dumps({"name": f"{loss.name}{kept}"} | given, ensure_ascii=False)
    beside = "" if loss.name == "NPO" else ", NPO+RT"
    methods = shlex.quote(f"unlearn.methods=[{told}{beside}]")
    return [
        f"npo run quick {methods}",
        f"npo run fictional-tiny {methods}",
        f"npo run tofu-scratch/forget05 --data DIR {methods}",
    ]


def _facts(
    loss: TriedLoss, findings: Sequence[Finding], results: Mapping[str, Data], refused: Mapping[str, str]
) -> dict[str, Any]:
    """All that was found, for try.json."""
    weights = results[own_loss.WEIGHT].arrays
    return {
        "loss": {"name": loss.name, "hyperparameters": dict(loss.hyperparameters), "source": loss.source},
        "contract": [asdict(finding) for finding in findings],
        "weight": {name: np.asarray(x).tolist() for name, x in weights.items()},
        "logistic": {name: data.values for name, data in results.items() if name.startswith("logistic/")},
        "not_run": dict(refused),
        "language_model": tofu_lines(loss),
        "environment": environment(),
    }
