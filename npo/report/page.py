"""The page of the main job: findings, pictures, the ledger and the facts of a run in one self-contained file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npo.ledger import Entry, Results
from npo.ledger.findings import counts, findings, rooms_of
from npo.ledger.judging.claim import ROOMS
from npo.report.answers import side_by_side
from npo.report.panels import Picture
from npo.report.template import fill
from records.examined import kept_of, moments_of
from records.files import write_text

__all__ = ["language_models", "write_report"]


def write_report(
    folder: Path, entries: Sequence[Entry], pictures: Sequence[Picture], results: Results, facts: Mapping[str, Any]
) -> Path:
    """Write report.html into the run's folder."""
    page = fill(
        "report.html",
        findings=findings(entries),
        entries=entries,
        verdicts=counts(entries),
        rooms={room: (ROOMS[room], sum(e["room"] == room for e in entries)) for room in rooms_of(entries)},
        pictures=pictures,
        drawn={picture.plate.name for picture in pictures},
        language_models=language_models(results),
        facts=facts,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def language_models(results: Results) -> dict[str, Any] | None:
    """What the report says of the step llm: data, whether methods can be ranked, ends of runs, sampled answers."""
    every = [data.values for name, data in results.items() if name.startswith("llm/unlearn/")]
    if not every:
        return None
    several = len({values["seed"] for values in every}) > 1
    runs = {f"{v['label']}, seed {v['seed']}" if several else v["label"]: v for v in every}
    first = next(iter(runs.values()))
    rows = [("finetuned (epoch 0)", moments_of(first)[0].scores), ("retrained", first["retrained"])]
    ends = {label: moments_of(values)[kept_of(values)] for label, values in runs.items()}
    rows += [(f"{label}, epoch {end.epoch}", end.scores) for label, end in ends.items()]
    return {
        "data": first["data"],
        "model": first["model"],
        "protocol": first["protocol"],
        "n": first["n"],
        "log10_floor": first["log10_floor"],
        "reasons": first["not_rankable"],
        "stopped": {m: v["stopped"] for m, v in runs.items() if v["stopped"]},
        "rows": rows,
        "samples": side_by_side(runs),
    }
