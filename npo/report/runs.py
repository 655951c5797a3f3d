"""The page about unlearning runs of language models, with its tables and pictures as files beside it."""

from collections.abc import Sequence
from pathlib import Path

from figures import llm_retain_weight
from npo.report.answers import answers_markdown, side_by_side
from npo.report.differences import differences
from npo.report.gallery import RUNS
from npo.report.model_plates import ATTACKS
from npo.report.plates import draw_plates
from npo.report.template import fill
from npo.runs.attacked import attacks_in, audited_in, rows_of_attacks
from npo.runs.findings import findings
from npo.runs.run import TableRow, UnlearningRun, as_csv, as_json, as_markdown, columns_of, rows_of, warnings_of
from records.files import write_json, write_text
from records.store import environment

__all__ = ["WRITTEN", "write_runs"]

_PICTURES = [f"figures/{plate.name}.{kind}" for plate in (*RUNS, ATTACKS) for kind in ("png", "svg")]
WRITTEN = ("report.html", "runs.csv", "runs.json", "table.md", "answers.md", *_PICTURES)
"""What `write_runs` writes."""


def write_runs(
    folder: Path, runs: Sequence[UnlearningRun], notes: Sequence[str], command: str, others: Sequence[TableRow] = ()
) -> None:
    """Write report.html about unlearning runs into `folder`, beside its tables and figures as files.

    `notes` are what must be said beside the table: what was left out, and how the runs differ. `others` are rows of
    models that were not run here.
    """
    data = {run.name: run.data for run in runs}
    varied = llm_retain_weight.weights(data)
    pictures = draw_plates([p for p in RUNS if varied or p.name != "llm_retain_weight"], data, folder)
    audited = audited_in(runs[0].place)
    pictures += draw_plates([ATTACKS], attacks_in(audited), folder)
    ends = {f"{run.label}, seed {run.data.values['seed']}": run.data.values for run in runs}
    samples = side_by_side(ends)
    first = runs[0].data.values
    write_text(folder / "runs.csv", as_csv(runs, others))
    write_json(folder / "runs.json", as_json(runs, others))
    write_text(folder / "table.md", as_markdown(runs, notes, others))
    write_text(folder / "answers.md", answers_markdown(samples))
    page = fill(
        "runs.html",
        about=first["data"],
        model=first["model"],
        protocol=first["protocol"],
        n=first["n"],
        floor=first["log10_floor"],
        findings=findings(runs),
        warnings=[*warnings_of(runs), *notes],
        columns=columns_of(runs),
        rows=[*rows_of(runs), *others],
        intervals=[(run.label, *run.interval()) for run in runs],
        pictures=pictures,
        attacked=list(rows_of_attacks(audited)),
        samples=samples,
        differences=differences(runs),
        command=command,
        environment=environment(),
    )
    write_text(folder / "report.html", page)
