"""Rows of TOFU: reading its files, and its splits.

A TOFU file holds one JSON object a line: {question, answer} and, in the `*_perturbed` files, paraphrased_answer and
perturbed_answer (a list). An author is 20 consecutive rows; forgetXX is the last XX % of the rows of `full.json`.
`forget10_perturbed.json` has the rows of forget10, `retain_perturbed.json` the first 400 of all.
Source: arXiv:2401.06121; the files are those of huggingface.co/datasets/locuslab/TOFU.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError
from records.json_lines import read_json_lines, unusable
from records.shown import named, shown
from scale.data.row import Row

__all__ = ["AUTHOR", "SPLITS", "Row", "Split", "percent_of", "read_rows", "split"]

AUTHOR = 20
"""Rows of one author."""

SPLITS = ("forget01", "forget05", "forget10", "forget20", "forget30", "forget50", "forget90")
"""The splits of arXiv:2404.05868; any other forgetXX is cut as well."""

FULL_FILE = "full.json"
FORGET_FILE, RETAIN_FILE = "forget10_perturbed.json", "retain_perturbed.json"
AUTHORS_FILE, FACTS_FILE = "real_authors_perturbed.json", "world_facts_perturbed.json"
_GET = "Download it from huggingface.co/datasets/locuslab/TOFU into that folder."
_AGAIN = "download the file again from huggingface.co/datasets/locuslab/TOFU"


class Split(NamedTuple):
    """The rows to forget and the rows to retain."""

    forget: tuple[Row, ...]
    retain: tuple[Row, ...]


def percent_of(name: str) -> int:
    """The percentage in a split's name; UserError where there is none.

    >>> percent_of("forget05")
    5
    """
    digits = name.lower().removeprefix("forget")
    if not digits.isdigit() or not 0 < int(digits) < 100:
        raise UserError(f"There is no split {name!r}. Write forgetXX with a percentage, e.g. {', '.join(SPLITS)}.")
    return int(digits)


def split(rows: Sequence[Row], percent: int) -> Split:
    """forgetXX and its retain set: the last `percent` % of the rows, and the rest.

    >>> [len(part) for part in split([Row(str(i), "yes") for i in range(200)], 5)]
    [10, 190]
    """
    forgotten, remainder = divmod(len(rows) * percent, 100)
    if not 0 < percent < 100 or remainder or not forgotten:
        raise UserError(
            f"forget{percent:02d} of {len(rows)} rows is not a whole number of rows between 1 and {len(rows) - 1}. "
            "Choose another percentage, or use all 4000 rows of full.json."
        )
    return Split(tuple(rows[-forgotten:]), tuple(rows[:-forgotten]))


def read_rows(path: Path, *, perturbed: bool, paraphrased: bool = True) -> tuple[Row, ...]:
    """Read one TOFU file; `perturbed` asks for the perturbed answers too, `paraphrased` for a paraphrase with them.

    Where there is no paraphrase (real authors, world facts) the answer serves as one, as in TOFU.

    Raises one UserError for all that is wrong with the file: the first problems with their lines, and how many.
    """
    parsed = read_json_lines(path, lambda value: _row(value, perturbed, paraphrased), _GET)
    counts = Counter(len(found.perturbed_answer) for _, found in parsed if isinstance(found, Row))
    expected = counts.most_common(1)[0][0] if counts else 0
    rows: list[Row] = []
    wrong: list[tuple[int, str]] = []
    for number, found in parsed:
        if isinstance(found, str):
            wrong.append((number, found))
        elif (k := len(found.perturbed_answer)) != expected:
            wrong.append((number, f"{k} perturbed answer(s), in this file {expected} are usual"))
        else:
            rows.append(found)
    if wrong:
        raise unusable(path, wrong, f"Mend these lines, or {_AGAIN}.")
    if not rows:
        raise UserError(f"{path} has no rows. Fill it, or {_AGAIN}.")
    return tuple(rows)


def _row(value: dict[str, Any], perturbed: bool, paraphrased: bool) -> Row | str:
    """The row of a line's object, or what is wrong with it."""
    texts = ["question", "answer", *(["paraphrased_answer"] if perturbed and paraphrased else [])]
    wanted = [*texts, *(["perturbed_answer"] if perturbed else [])]
    if missing := [key for key in wanted if key not in value]:
        return f"no key {', '.join(missing)}; it has {named(value)}"
    for key in texts:
        if not isinstance(value[key], str) or not value[key].strip():
            return f"{key} is empty or not text: {shown(value[key])}"
    if not perturbed:
        return Row(value["question"], value["answer"])
    wrong = value["perturbed_answer"]
    if not isinstance(wrong, list) or not wrong or not all(isinstance(x, str) and x.strip() for x in wrong):
        return f"perturbed_answer is not a list of texts, none empty: {shown(wrong)}"
    paraphrase = value["paraphrased_answer"] if paraphrased else value["answer"]
    return Row(value["question"], value["answer"], paraphrase, tuple(wrong))
