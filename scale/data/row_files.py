"""What a file of rows holds, whichever way it is written: objects with their places in it.

JSON lines, a JSON array of objects, a table (CSV with any of the usual separators, or TSV), Parquet, or a plain text,
which is one document. Which it is, is told by how it begins and by its name's ending.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError
from records.json_lines import parse_json, read_json_lines
from records.shown import named, shown
from records.text_file import LARGEST, read_text

__all__ = ["Records", "read_records"]

_SEPARATORS = ",;\t|"
_TABLES, _TEXTS = (".csv", ".tsv"), (".txt",)
_PARQUET = b"PAR1"

Found = list[tuple[int, dict[str, Any] | str]]


class Records(NamedTuple):
    """Objects, or what is wrong with one, with the number of each; what the numbers count: "line" or "row"."""

    found: Found
    place: str


def read_records(path: Path, header: Callable[[Sequence[str]], bool], advice: str) -> Records:
    """Whatever the file holds; UserError where it is of another form, whose message ends with `advice`.

    `header` says of the first line of a table whether its columns make a row.
    """
    if _begins(path) == _PARQUET:
        return Records(_parquet(path, advice), "row")
    text = read_text(path, advice)
    if (array := _array(path, text, advice)) is not None:
        return Records(array, "row")
    first = next((line for line in text.split("\n") if line.strip()), "")
    if not first.lstrip().startswith("{"):
        fitting = [mark for mark in _SEPARATORS if header(_columns(first, mark))]
        if fitting or path.suffix.lower() in _TABLES:
            return Records(_table(path, text, fitting[0] if fitting else _likely(first), advice), "line")
        if path.suffix.lower() in _TEXTS and first:
            return Records([(1, {"text": text})], "line")
    return Records(read_json_lines(path, lambda value: value, advice), "line")


def _begins(path: Path) -> bytes:
    """The first bytes of a file; none of what is no file, which `read_text` tells of."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(len(_PARQUET))
    except (OSError, ValueError):
        return b""


# --- a JSON array -------------------------------------------------------------------------------------------------


def _array(path: Path, text: str, advice: str) -> Found | None:
    """The objects of an array; None where the file is none."""
    begins = text.lstrip()[:100]
    if not begins.startswith("["):
        return None
    try:
        value = parse_json(text)
    except ValueError as error:
        if begins[1:].lstrip().startswith("{"):
            raise UserError(f"{path} is one JSON array, and not a whole one ({_where(error)}). {advice}") from None
        return None
    if value and not any(isinstance(row, dict) for row in value):
        kind = {"list": "lists", "str": "texts"}.get(type(value[0]).__name__, "things that are no objects")
        raise UserError(f"{path} is one JSON array of {kind}, {shown(value[0])} first: rows are objects. {advice}")
    return [
        (number, row if isinstance(row, dict) else f"not a JSON object but {type(row).__name__}")
        for number, row in enumerate(value, start=1)
    ]


def _where(error: ValueError) -> str:
    return f"{error.msg} at its character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)


# --- a table ------------------------------------------------------------------------------------------------------


def _columns(line: str, separator: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], delimiter=separator)
    except (csv.Error, ValueError):
        return []
    return [cell.strip() for cell in cells]


def _likely(first: str) -> str:
    """The separator of the most columns."""
    return max(_SEPARATORS, key=lambda mark: len(_columns(first, mark)))


def _table(path: Path, text: str, separator: str, advice: str) -> Found:
    """The rows of a table under the names of its columns, by the lines that they begin on."""
    rows = _cells(path, text, separator, advice)
    _, names = next(rows, (0, []))
    header = [name.strip() for name in names]
    if twice := {name for name in header if name and header.count(name) > 1}:
        raise UserError(f"{path} is a table with more than one column {named(twice)}: keep one of each. {advice}")
    found: Found = []
    for line, cells in rows:
        if len(cells) > len(header):
            found.append((line, f"it has {len(cells)} cells, and the header {len(header)}: put text with {separator!r} "
                                "in it in quotes"))  # fmt: skip
        else:
            found.append((line, {name: _cell(x) for name, x in zip(header, cells, strict=False) if name}))
    return found


def _cells(path: Path, text: str, separator: str, advice: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that has some, and the line that it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    usual = csv.field_size_limit(LARGEST)
    try:
        line = 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path} is a table that can't be read from its line {line} on: {error}. {advice}") from None
    finally:
        csv.field_size_limit(usual)


def _cell(text: str) -> Any:
    """A cell's text; what it holds where that is a list in JSON, as of messages or of several answers."""
    if text[:1] == "[" and text[-1:] == "]":
        try:
            return parse_json(text)
        except ValueError:
            return text
    return text


# --- Parquet ------------------------------------------------------------------------------------------------------


def _parquet(path: Path, advice: str) -> Found:
    """The rows of a Parquet file, lists and structures as such."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UserError(
            f"{path} is a Parquet file, which the package pyarrow reads, and that is not installed: pip install "
            f"pyarrow, or write the rows otherwise. {advice}"
        ) from None
    try:
        rows = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{path} is a Parquet file that can't be read ({reason}). {advice}") from None
    return list(enumerate(rows, start=1))
