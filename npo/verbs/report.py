"""npo report: the page, tables and figures about finished unlearning runs."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from npo.report.runs import WRITTEN, write_runs
from npo.runs.collect import collect
from npo.runs.finished import check_outside
from npo.runs.others import others_in
from records.errors import UserError
from records.outputs import check_outputs, publish
from records.ownership import is_piece
from records.plain import plain

__all__ = ["report"]


def report(folders: Sequence[Path], out: Path | None) -> None:
    """Write the page, tables and figures about the runs in these folders; files are evaluations to stand beside."""
    files, folders = [path for path in folders if path.is_file()], [path for path in folders if not path.is_file()]
    if not folders:
        raise UserError(f"{files[0]} can stand beside runs: name a folder of npo run too. npo score shows it alone.")
    runs, notes = collect(folders)
    others = others_in(files, str(runs[0].data.values["protocol"]))
    notes = [*notes, *others.notes]
    place = out or (_beside(folders[0]) if is_piece(folders[0]) else folders[0] / "report")
    check_outside(place)
    command = " ".join(["npo report", *(path.name for path in (*folders, *files))])
    check_outputs(place, WRITTEN)  # before anything is drawn
    publish(place, lambda draft: write_runs(draft, runs, notes, command, others.rows))
    for note in notes:
        Console(stderr=True).print(plain(note), markup=False, highlight=False, soft_wrap=True)
    Console().print(plain(str(place / "report.html")), markup=False, highlight=False, soft_wrap=True)


def _beside(run: Path) -> Path:
    """The report about a single run, which itself stays as it is: beside `unlearn/`."""
    whole = run.resolve()
    return (whole.parent.parent if whole.parent.name == "unlearn" else whole.parent) / f"report-{whole.name}"
