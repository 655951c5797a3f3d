"""JSON of a user's: one document, or one object a line; strict, and every way to be wrong in words.

Strict means what the standard leaves open or the library takes all the same is refused: the same key twice, NaN and
Infinity, numbers that no float holds, halves of surrogate pairs, nesting without end.
"""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from records.errors import UserError
from records.shown import first_lines, shown
from records.text_file import read_text

__all__ = ["parse_json", "read_json", "read_json_lines", "unusable"]

T = TypeVar("T")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {shown(key)} is there twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {shown(digits)} is too large")
    return value


def parse_json(text: str) -> Any:
    """The value of a JSON text; ValueError with the reason where it is none.

    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' is there twice
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_float)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf8")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half of a surrogate pair, which is no character") from None
    return value


def read_json(path: Path, advice: str) -> Any:
    """The value in a JSON file; UserError where there is none. `advice` ends the message."""
    text = read_text(path, advice)
    try:
        return parse_json(text)
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}). {advice}") from None


def read_json_lines(path: Path, row_of: Callable[[dict[str, Any]], T | str], advice: str) -> list[tuple[int, T | str]]:
    """Of each line that is not blank its number and row, or what is wrong with it; UserError for another file format.

    `row_of` makes a row of an object, or says what is wrong with that. `advice` ends messages.
    """
    text = read_text(path, advice)
    # Not str.splitlines: a text may hold a character such as U+2028 that it would take for the end of a line.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if lines and isinstance(_object_of(lines[0][1]), str) and (kind := _kind(path, text, lines[0][1])):
        raise UserError(f"{path} is {kind}, not one JSON object a line. {advice}")
    found: list[tuple[int, T | str]] = []
    for number, line in lines:
        value = _object_of(line)
        found.append((number, value if isinstance(value, str) else row_of(value)))
    return found


def unusable(path: Path, wrong: Sequence[tuple[int, str]], advice: str, *, place: str = "line") -> UserError:
    """One error for all mistakes of a file: the first few with their lines (or rows), and how many there are."""
    listed = first_lines([f"{place} {number}: {what}" for number, what in wrong])
    return UserError("\n".join([f"{path} has {len(wrong)} unusable {place}(s):", *listed, advice]))


def _object_of(line: str) -> dict[str, Any] | str:
    try:
        value = parse_json(line)
    except ValueError as error:
        return f"not JSON ({error})"
    return value if isinstance(value, dict) else f"not a JSON object but {type(value).__name__}"


def _kind(path: Path, text: str, first: str) -> str:
    """What else the file may be whose first line, `first`, is no object; empty where there is no telling."""
    begins = text.lstrip()[:100].lower()
    if begins.startswith(("<!doctype", "<html")):
        return "a page of the web (HTML)"
    if begins.startswith("<"):
        return "XML"
    if begins.startswith(("[", "{")):
        return _one_document(text, begins)
    if path.suffix.lower() in (".csv", ".tsv") or _is_table(text):
        return "a table (CSV or TSV)"
    if begins.startswith("---") or re.match(r"(- )?[\"']?\w+[\"']?:(\s|$)", first.strip()):
        return "YAML"
    return ""


def _one_document(text: str, begins: str) -> str:
    """A JSON array, or an object over several lines; empty where it is neither."""
    try:
        value = parse_json(text)
    except ValueError:
        if re.match(r"[\[{]\s*\n", begins) and text.rstrip().endswith(("]", "}")):
            return "JSON that is written over several lines"
        return "one JSON array" if re.match(r"\[\s*\{", begins) else ""
    return "one JSON array" if isinstance(value, list) else "one JSON object over several lines"


def _is_table(text: str) -> bool:
    """Do the first lines have as many fields each, two at least, and a header of plain words?"""
    head = text[:10_000].split("\n")[:5]
    for delimiter in ",\t;|":
        try:
            fields = [row for row in csv.reader(head, delimiter=delimiter) if row]
        except csv.Error:
            continue
        header = [name.strip() for name in fields[0]] if fields else []
        if len(fields) > 1 and len(header) > 1 and len(fields[1]) == len(header):
            return all(re.fullmatch(r"[\w .-]{1,40}", name) for name in header)
    return False
