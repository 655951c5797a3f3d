"""The one page builder: claims, figures and facts of a run as a single self-contained HTML file."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from figures import llm_retain_weight
from npo.ledger import Entry, Results
from npo.report.gallery import RUNS, Plate
from npo.report.plates import draw_plates
from npo.runs.run import COLUMNS, UnlearningRun, as_csv, as_json, as_markdown, rows_of, warnings_of
from records.examined import moments_of
from records.plain import markdown, plain
from records.store import environment, write_json, write_text

__all__ = ["WRITTEN", "write_report", "write_runs"]

VERDICTS = ("holds", "fails", "not testable here")


def write_report(
    folder: Path, entries: Sequence[Entry], plates: Sequence[Plate], results: Results, facts: Mapping[str, Any]
) -> Path:
    """Write report.html into the run's folder; figures are read from its figures/."""
    page = _template("report.html").render(
        entries=entries,
        counts=[(verdict, sum(e["verdict"] == verdict for e in entries)) for verdict in VERDICTS],
        drawn={plate.name for plate in plates},
        plates=[(plate, _inline(folder / "figures" / f"{plate.name}.svg")) for plate in plates],
        language_models=language_models(results),
        facts=facts,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _template(name: str) -> Template:
    """A page's template; what it is given is escaped, and nothing may be missing."""
    loader = PackageLoader("npo.report")
    escape = select_autoescape(default=True)
    templates = Environment(loader=loader, autoescape=escape, undefined=StrictUndefined, finalize=_shown)
    templates.filters["number"] = lambda x: "—" if x is None else f"{x:.4g}"
    return templates.get_template(name)


def _shown(value: Any) -> Any:
    """Text without what steers how it is shown; it is escaped after this."""
    return plain(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _inline(svg: Path) -> str:
    """An SVG as a data URI: one file to send, and no clash between the element ids of several figures."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()


def language_models(results: Results) -> dict[str, Any] | None:
    """What the report says of the step llm: data, whether methods can be ranked, ends of runs, sampled answers."""
    every = [data.values for name, data in results.items() if name.startswith("llm/unlearn/")]
    if not every:
        return None
    several = len({values["seed"] for values in every}) > 1
    runs = {f"{v['label']}, seed {v['seed']}" if several else v["label"]: v for v in every}
    first = next(iter(runs.values()))
    rows = [("finetuned (epoch 0)", moments_of(first)[0].scores), ("retrained", first["retrained"])]
    ends = {label: moments_of(values)[-1] for label, values in runs.items()}
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


# --- runs of npo run ----------------------------------------------------------------------------------------------

_PICTURES = [f"figures/{plate.name}.{kind}" for plate in RUNS for kind in ("png", "svg")]
WRITTEN = ("report.html", "runs.csv", "runs.json", "table.md", "answers.md", *_PICTURES)
"""What `write_runs` writes."""


def write_runs(folder: Path, runs: Sequence[UnlearningRun], notes: Sequence[str], command: str) -> None:
    """Write report.html about unlearning runs into `folder`, beside its tables and figures as files.

    `notes` are what must be said beside the table: what was left out, and how the runs differ.
    """
    from npo.report.differences import differences

    data = {run.name: run.data for run in runs}
    varied = llm_retain_weight.weights(data)
    plates = draw_plates([p for p in RUNS if varied or p.name != "llm_retain_weight"], data, folder)
    ends = {f"{run.label}, seed {run.data.values['seed']}": run.data.values for run in runs}
    samples = side_by_side(ends)
    first = runs[0].data.values
    write_text(folder / "runs.csv", as_csv(runs))
    write_json(folder / "runs.json", as_json(runs))
    write_text(folder / "table.md", as_markdown(runs, notes))
    write_text(folder / "answers.md", _answers(samples))
    page = _template("runs.html").render(
        about=first["data"],
        model=first["model"],
        protocol=first["protocol"],
        n=first["n"],
        floor=first["log10_floor"],
        warnings=[*warnings_of(runs), *notes],
        columns=COLUMNS,
        rows=rows_of(runs),
        intervals=[(run.label, *run.interval()) for run in runs],
        plates=[(plate, _inline(folder / "figures" / f"{plate.name}.svg")) for plate in plates],
        samples=samples,
        differences=differences(runs),
        command=command,
        environment=environment(),
    )
    write_text(folder / "report.html", page)


def _answers(samples: Sequence[Mapping[str, Any]]) -> str:
    """Sampled answers side by side, after the paper's Figure 7."""
    lines = []
    for sample in samples:
        lines += [f"**{markdown(sample['set'])}: {markdown(sample['question'])}**", ""]
        lines += [f"- true: {markdown(sample['answer'])}"]
        lines += [f"- {markdown(label)}: {markdown(text) or '(nothing)'}" for label, text in sample["generated"]]
        lines.append("")
    return "\n".join(lines)
