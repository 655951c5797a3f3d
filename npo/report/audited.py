"""What `npo audit` leaves: the table, `audit.json`, scores by question, a figure, one self-contained page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from figures import attacks, audit_probes
from figures import audit as figure_of_audit
from npo.report.attack_curves import after_attacks, curve_tables, shown, with_interval
from npo.report.meanings import FAMILIES, meaning
from npo.report.model_plates import ATTACKS
from npo.report.panels import picture
from npo.report.plate import Plate
from npo.report.template import fill
from records.files import write_json, write_text
from records.store import Data, environment, writable

__all__ = ["NO_REFERENCE", "WRITTEN", "head", "judged", "lines", "remarks", "tables", "write_audit"]

WRITTEN = (
    *("audit.html", "audit.json", "audit.npz"),
    *(f"figures/{name}.{kind}" for name in ("audit", "audit_probes", "attacks") for kind in ("png", "svg")),
)
"""What `write_audit` writes."""
NO_REFERENCE = "no reference: not interpretable"
"""What is said of all scores where there is no retrained model; each has a dash in its column."""
TWINS = (
    *("extraction_strength_floored", "truth_ratio_closer_to_1", "truth_ratio_true_better", "leak_bound"),
    *("drawn_rouge_bound", "probability_plain", "extraction_strength_plain"),
)
"""Other forms of a score that is counted already, and the same asked twice."""
_CAPTION = (
    "Every score with its 95 % bootstrap interval over questions. No score has a right value of its own: what has "
    "forgotten stands where the retrained model stands."
)

_SCORES = Plate("audit", "Every score beside the other models'", _CAPTION, ("audit",), figure_of_audit.draw)
_CURVES = Plate(
    "audit_probes",
    "What ever more answers give away, and where it is left",
    "Left: the share of questions of which one of k drawn answers gives the true one away, dotted whether the greedy "
    "answer does. Right: the words of the true answers read off the hidden states after each block by the finetuned "
    "model's norm and head. Bands are 95 % bootstrap intervals over questions.",
    ("audit",),
    audit_probes.draw,
)


def write_audit(
    folder: Path,
    told: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    command: str,
    curves: Mapping[str, Data] | None = None,
) -> None:
    """Write page, JSON, arrays and figures into `folder`; `told` is what audit.json holds.

    `curves` are what attacks left, by `attack/<model>/<attack>`.
    """
    write_json(folder / "audit.json", dict(told))
    with (folder / "audit.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    plates = [_SCORES] if any(told["scores"].values()) else []
    plates += [_CURVES] if audit_probes.has_curves(told) else []
    drawn = {"audit": Data({}, told)}
    pictures = [picture(plate, plate.draw(drawn), writable(folder / "figures")) for plate in plates]
    if curves and attacks.drawable(curves):
        pictures.append(picture(ATTACKS, ATTACKS.draw(curves), writable(folder / "figures")))
    page = fill(
        "audit.html",
        told=told,
        tables=list(tables(told)),
        head=head(told),
        families=FAMILIES,
        meanings=_meanings(told),
        remarks=[*judged(told), *remarks(told)],
        curves=curve_tables(told),
        pictures=pictures,
        command=command,
        environment=environment(),
        no_reference=judged(told),
    )
    write_text(folder / "audit.html", page)


def tables(told: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The families, and what is made of all of them, each with the lines of its table."""
    for family, scores in told["scores"].items():
        yield family, [lines(name, one, references=told["models"]) for name, one in scores.items()]
    if told["derived"]:
        made = [lines(name, one, references=told["models"]) for name, one in told["derived"].items()]
        yield "of all of them", made


def head(told: Mapping[str, Any]) -> tuple[str, ...]:
    """What stands above the columns of `lines`."""
    difference = ("difference",) if "retrained" in told["models"] else ()
    return "score", "this model", "retrained", *difference, "finetuned"


def lines(name: str, one: Mapping[str, Any], references: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of a table: the score, of the model, of the retrained one and the difference, of the finetuned one."""
    known = with_interval(one["difference"]) if "difference" in one else ""
    difference = (known,) if "retrained" in references else ()
    retrained, finetuned = (shown(one[who]) for who in ("retrained", "finetuned"))
    return figure_of_audit.words(name), with_interval(one["model"]), retrained, *difference, finetuned


def _meanings(told: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """By family every score with a line on what it means, points of a curve once."""
    found = {}
    for family, scores in [*told["scores"].items(), ("of all of them", told["derived"])]:
        said = {meaning(name): name for name in reversed(list(scores))}
        found[family] = [(figure_of_audit.words(name), words) for words, name in reversed(said.items()) if words]
    return found


def judged(told: Mapping[str, Any]) -> list[str]:
    """What must be said above the tables: that no score can be judged where there is no retrained model."""
    if "retrained" in told["models"]:
        return []
    return [
        f"{NO_REFERENCE[0].upper()}{NO_REFERENCE[1:]}. No model that was trained without these rows is named "
        "(--retrained), so no score can be judged: each has a dash (—) in its place."
    ]


def remarks(told: Mapping[str, Any]) -> list[str]:
    """What must be said below them."""
    said = _apart(told) if "retrained" in told["models"] else []
    if not told["questions"].get("holdout"):
        said.append("There are no rows that no model has seen (--holdout), so membership was not attacked.")
    return said + after_attacks(told)


def _apart(told: Mapping[str, Any]) -> list[str]:
    """How many scores of the rows to forget are clearly not the retrained model's, in all and by family."""
    found = {}
    for family, scores in told["scores"].items():
        every = [one["difference"] for name, one in scores.items() if _counted(name)]
        known = [one for one in every if one is not None and one["low"] is not None]
        if known:
            found[family] = (sum(one["low"] > 0 or one["high"] < 0 for one in known), len(known))
    apart, of = (sum(counts) for counts in zip(*found.values(), strict=True)) if found else (0, 0)
    if not of:
        return []
    which = "(of rows to forget; of several forms of one score the first)"
    if not apart:
        return [f"None of {of} scores {which} tells this model from the retrained one."]
    by_family = ", ".join(f"{family} {some} of {every}" for family, (some, every) in found.items())
    return [f"{apart} of {of} scores tell this model from the retrained one {which}: {by_family}."]


def _counted(name: str) -> bool:
    """Is it of rows to forget, no point of a curve, and no other form of a score that is counted?"""
    return not (name.startswith("retain_") or name in TWINS or figure_of_audit.is_of_a_curve(name))
