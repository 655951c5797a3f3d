"""The one page builder: claims, figures and facts of a run as a single self-contained HTML file."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from npo.claims import Entry, Results
from npo.gallery import Plate
from records.store import write_text

__all__ = ["write_report"]


def _inline(svg: Path) -> str:
    """An SVG as a data URI: one file to send, and no clash of the element ids of several figures."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()


def write_report(
    folder: Path, entries: Sequence[Entry], plates: Sequence[Plate], results: Results, facts: Mapping[str, Any]
) -> Path:
    """Write report.html into the run's folder; figures are read from its figures/."""
    environment = Environment(
        loader=PackageLoader("npo"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    counts = {v: sum(e["verdict"] == v for e in entries) for v in ("holds", "fails", "not testable here")}
    page = environment.get_template("report.html.j2").render(
        entries=entries,
        counts=counts,
        plates=[(plate, _inline(folder / "figures" / f"{plate.name}.svg")) for plate in plates],
        language_model=_language_model(results),
        facts=facts,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"
