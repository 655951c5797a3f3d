"""What `npo try` found, as tables for the terminal."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from npo.running.contract import Finding
from npo.verbs.losses.try_choices import TriedLoss
from records.plain import plain
from records.store import Data
from synthetic.logistic.fronts import areas
from synthetic.transformer.language import KINDS
from synthetic.transformer.slowdown import of_run

__all__ = ["answers_table", "contract_table", "fronts_table", "shown_answers"]

STYLES = {"kept": "green", "note": "yellow", "broken": "red"}


def contract_table(loss: TriedLoss, findings: Sequence[Finding]) -> Table:
    """What was looked at, and what was seen."""
    table = Table("", "", "what was seen", title=plain(f"{loss.name}: the contract"), title_justify="left")
    for finding in findings:
        table.add_row(finding.about, Text(finding.verdict, STYLES[finding.verdict]), Text(plain(finding.said)))
    return table


def fronts_table(runs: Sequence[Data]) -> Table:
    """The logistic room: the ends of all runs, and how much of the plane of distances each leaves undone."""
    title = f"Logistic model, α = 1, {len(runs)} seed(s); E KL in nats, and the front: least missed first"
    table = Table("method", "forget, end", "retain, end", "front missed", title=title, title_justify="left")
    labels: list[str] = runs[0].values["labels"]
    missed = {name: 1 - areas([data.arrays for data in runs], name).mean() for name in labels}
    for name in sorted(labels, key=lambda name: float(missed[name])):
        ends = [np.mean([d.arrays[f"{name}.{side}_distance"][-1] for d in runs]) for side in ("forget", "retain")]
        broken = [str(d.values["diverged_at"][name]) for d in runs if name in d.values["diverged_at"]]
        said = f"{missed[name]:.3g}" + (f", diverged by step {', '.join(broken)}" if broken else "")
        table.add_row(Text(plain(name)), f"{ends[0]:.3g}", f"{ends[1]:.3g}", said)
    return table


def answers_table(data: Data) -> Table:
    """The small transformer: drop, distances and answers at the end of each run."""
    how = "full-batch descent" if data.values["optimizer"] == "GD" else "AdamW on minibatches"
    columns = ("drop", "forget distance", "retain distance", "forgot: right", "gibberish", "kept: right")
    title = f"Small transformer, {how}; drop in nats an answer, distances in nats a token, shares of greedy answers"
    table = Table("method", *columns, title=title, title_justify="left")
    for row in data.values["table"]:
        run = of_run(data.arrays, row["method"])
        asked, kept = (dict(zip(KINDS, run[f"{side}_kinds"][-1], strict=True)) for side in ("forget", "retain"))
        ends = [f"{run[name][-1]:.3g}" for name in ("forget_distance", "retain_distance")]
        shares = [f"{x:.0%}" for x in (asked["right"], asked["gibberish"], kept["right"])]
        table.add_row(Text(plain(row["method"])), f"{run['drop'][-1].mean():.3g}", *ends, *shares)
    return table


def shown_answers(label: str, data: Data) -> Table:
    """A question to forget and one to keep, with what is right and what the loss makes of it, alone and with +RT."""
    table = Table("question", "right", "before", label, f"{label}+RT", title="Answers", title_justify="left")
    alone, kept = (data.values["shown"][name] for name in (label, f"{label}+RT"))
    for side in ("forget", "retain"):
        before, *after = (list(shown.values())[at][side] for shown, at in ((alone, 0), (alone, -1), (kept, -1)))
        for k, row in enumerate(before[:2]):
            table.add_row(row["question"], row["right"], row["greedy"], *(rows[k]["greedy"] for rows in after))
    return table
