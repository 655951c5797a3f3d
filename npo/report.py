"""The one page builder: claims, figures and facts of a run as a single self-contained HTML file."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from npo.claims import Entry, Results
from npo.gallery import Plate
from records.store import write_text

__all__ = ["write_report"]

VERDICTS = ("holds", "fails", "not testable here")


def write_report(
    folder: Path, entries: Sequence[Entry], plates: Sequence[Plate], results: Results, facts: Mapping[str, Any]
) -> Path:
    """Write report.html into the run's folder; figures are read from its figures/."""
    environment = Environment(
        loader=PackageLoader("npo"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    environment.filters["number"] = lambda x: "—" if x is None else f"{x:.4g}"
    page = environment.get_template("report.html").render(
        entries=entries,
        counts=[(verdict, sum(e["verdict"] == verdict for e in entries)) for verdict in VERDICTS],
        drawn={plate.name for plate in plates},
        plates=[(plate, _inline(folder / "figures" / f"{plate.name}.svg")) for plate in plates],
        language_models=language_models(results),
        facts=facts,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _inline(svg: Path) -> str:
    """An SVG as a data URI: one file to send, and no clash between the element ids of several figures."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()


def language_models(results: Results) -> dict[str, Any] | None:
    """What the report says of the step llm: data, whether methods can be ranked, ends of runs, sampled answers."""
    runs = {d.values["label"]: d.values for n, d in results.items() if n.startswith("llm/unlearn/")}
    if not runs:
        return None
    first = next(iter(runs.values()))
    rows = [("finetuned (epoch 0)", first["moments"][0]), ("retrained", first["retrained"])]
    rows += [(f"{m}, epoch {v['moments'][-1]['epoch']}", v["moments"][-1]) for m, v in runs.items()]
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


def side_by_side(runs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The questions whose answers were kept, with each run's answer."""
    told = {label: {(t["set"], t["question"]): t for t in run["texts"]} for label, run in runs.items()}
    keys = dict.fromkeys(key for texts in told.values() for key in texts)
    return [
        {
            "set": key[0],
            "question": key[1],
            "answer": next(texts[key]["answer"] for texts in told.values() if key in texts),
            "generated": [(label, texts[key]["generated"]) for label, texts in told.items() if key in texts],
        }
        for key in keys
    ]
