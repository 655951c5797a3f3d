"""One's own rows as sets: what stands in both or twice, and all of them in token ids, each mistake with its line."""

from collections.abc import Mapping, Sequence
from typing import Any

from records.errors import UserError
from records.json_lines import unusable
from scale.data.normal_form import normal_form
from scale.data.prompts import Encoded, Writer, span
from scale.data.user_rows import UserFile

__all__ = ["about", "encoded", "refuse_common", "refuse_equal", "repeated"]

_ADVICE = "Leave each row in one of the two files: what is forgotten can't be kept."


def repeated(file: UserFile) -> int:
    """How many rows say what another one before them says."""
    return len(file.rows) - len({normal_form(*row.words) for row in file.rows})


def refuse_common(forget: UserFile, retain: UserFile) -> None:
    """UserError naming the rows that are to be forgotten and retained at once."""
    if forget.path.exists() and retain.path.exists() and forget.path.samefile(retain.path):
        raise UserError(f"The rows to forget and to retain are one file, {forget.path}. {_ADVICE}")
    lines = {normal_form(*row.words): line for row, line in zip(forget.rows, forget.lines, strict=True)}
    _refuse(forget, retain, lines, [normal_form(*row.words) for row in retain.rows])


def refuse_equal(files: Mapping[str, UserFile], ids: Mapping[str, Sequence[tuple[Encoded, ...]]]) -> None:
    """UserError naming rows of both sets with equal ids: a prompt may be written as the model's format does it."""
    if "retain" in files:
        forget, retain = ([tuple(map(span, pieces)) for pieces in ids[name]] for name in ("forget", "retain"))
        lines = dict(zip(forget, files["forget"].lines, strict=True))
        _refuse(files["forget"], files["retain"], lines, retain)


def _refuse(forget: UserFile, retain: UserFile, lines: Mapping[Any, int], kept: Sequence[Any]) -> None:
    both = [
        (line, f"{row.shown[0][:60]!r} is to be forgotten too, by {forget.place} {lines[key]} of {forget.path.name}")
        for row, line, key in zip(retain.rows, retain.lines, kept, strict=True)
        if key in lines
    ]
    if both:
        raise unusable(retain.path, both, _ADVICE, place=retain.place)


def encoded(file: UserFile, writer: Writer) -> list[tuple[Encoded, ...]]:
    """Each row in token ids, a long document in several pieces; one UserError for all rows that can't be."""
    found: list[tuple[Encoded, ...]] = []
    wrong: list[tuple[int, str]] = []
    for row, line in zip(file.rows, file.lines, strict=True):
        try:
            found.append(row.encode(writer))
        except UserError as error:
            wrong.append((line, str(error)))
        else:
            if not found[-1]:
                wrong.append((line, f"{row.shown[0]!r} is one token, and nothing before it to predict it from"))
    if wrong:
        raise unusable(file.path, wrong, f"Mend these {file.place}s, or take them out.", place=file.place)
    return found


def about(file: UserFile, pieces: Sequence[tuple[Encoded, ...]]) -> dict[str, int]:
    """How much there is: rows, those that repeat one before, pieces after cutting, tokens, those of the longest."""
    lengths = [len(piece.ids) for row in pieces for piece in row]
    return {
        "rows": len(file.rows),
        "repeated": repeated(file),
        "cut": sum(len(row) > 1 for row in pieces),
        "pieces": len(lengths),
        "tokens": sum(lengths),
        "longest": max(lengths),
    }
