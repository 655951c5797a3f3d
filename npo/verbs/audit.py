"""npo audit: the whole battery on any model, as it is and attacked, each score beside the retrained model's."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.recipes import scale_or_error
from npo.running.units import run_units
from npo.running.waiting import waiting
from npo.verbs.audit_choices import AuditChoices, Chosen, chosen
from npo.verbs.audit_earlier import dropped, with_earlier
from records.outputs import check_outputs, publish
from records.paths import may_write
from records.plain import plain
from records.store import Data

if TYPE_CHECKING:
    from scale.audit.battery import Audit

__all__ = ["audit"]

_LEFT_TO_FILES = ("auc over retrained", "lens block")
"""What begins so is not shown on the terminal: PrivLeak says the same in another form, and the lens is a curve."""


def audit(asked: AuditChoices) -> None:
    """Measure what is missing of every model; print the table, leave JSON, arrays, figure and page."""
    with waiting("loading the libraries"):
        scale_or_error()
    from scale.audit.parts import parts, put_together

    with waiting("looking at models and rows"):
        found = chosen(asked)
        may_write(found.folder)
        found = with_earlier(found)
        units = [*parts(found.plan), *found.attacks.units()]
    from npo.report.audited import WRITTEN, write_audit

    crew = found.plan.processes
    check_outputs(found.place, WRITTEN)
    run_units(units, found.folder, "audit", crew=crew, quiet=not crew.first)
    if crew.first:
        whole = put_together(found.plan, found.folder)
        attacked = found.attacks.found(found.folder)
        told = _told(found, whole, attacked)
        curves = {f"attack/{of}/{label}": data for label, by in attacked.items() for of, data in by.items()}
        write = partial(
            write_audit, told=told, arrays=_arrays(whole), command=f"npo audit {asked.model}", curves=curves
        )
        gone = dropped(found.place, told)
        with waiting("drawing the figures and writing the page"):
            publish(found.place, write, stale=WRITTEN)
        _show(told, found.place, gone)


def _told(found: Chosen, whole: "Audit", attacked: Mapping[str, Mapping[str, Data]]) -> dict[str, Any]:
    """What audit.json holds: which models, how much was asked, how, the scores (`scale.audit.told`), and curves."""
    from npo.report.audited import NO_REFERENCE
    from scale.audit.told import told_of
    from scale.stages.audits.attack_parts import curves_told

    plan = found.plan
    asked = plan.asked.first(plan.settings.questions)
    return {
        "model": plan.name,
        **({} if "retrained" in plan.places else {"judged": NO_REFERENCE}),
        "models": dict(plan.places),
        "questions": {name: len(one.questions) for name, one in asked.sets.items()},
        "known": {name: sum(one is not None for one in getattr(asked, name)) for name in ("entities", "reworded")},
        "settings": plan.settings.model_dump(mode="json"),
        "given": {who: dict(values) for who, values in found.given.items()},
        **told_of(whole, found.given),
        "attacks": curves_told(attacked, whole),
    }


def _arrays(whole: "Audit") -> dict[str, np.ndarray]:
    """Every score by question: `<model>.<score>`."""
    from scale.audit.saved import arrays_of

    return {
        f"{who}.{name}": values
        for who, families in whole.models.items()
        for scores in families.values()
        for name, values in arrays_of(scores).items()
    }


def _show(told: Mapping[str, Any], place: Path, gone: Sequence[str]) -> None:
    from npo.report.attack_curves import curve_tables
    from npo.report.audited import head, judged, remarks, tables

    console = Console()
    for remark in judged(told):
        console.print(plain(remark), markup=False, highlight=False, soft_wrap=True)
    for family, rows in tables(told):
        if not rows:
            continue
        table = Table(*head(told), title=Text(plain(family)))
        for row in rows:
            if row[0].startswith(_LEFT_TO_FILES):
                continue
            table.add_row(*(Text(plain(cell)) for cell in row))
        console.print(table)
    for title, columns, rows in curve_tables(told):
        table = Table(*columns, title=Text(plain(title)))
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        console.print(table)
    for remark in [*remarks(told), *gone]:
        console.print(plain(remark), markup=False, highlight=False, soft_wrap=True)
    console.print(plain(f"{place / 'audit.html'}: the same as a page"), markup=False, highlight=False, soft_wrap=True)
