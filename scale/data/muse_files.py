"""The files of MUSE: a folder as the dataset's repository or its authors' script lays it out.

    <config>/<split>.json | .jsonl | .txt | .parquet      (or <split>-00000-of-00001.parquet, …)

    config    split                                                 a row
    raw       forget, retain1, retain2, holdout                     {text}, or a plain string
    train     forget, retain1, retain2                              what the target model was trained on
    scal      forget_1 … forget_4                                   larger and larger sets to forget; News alone
    sust      forget_1 … forget_4                                   sets to forget one after the other; News alone
    privleak  forget, retain, holdout                               {text}, or a plain string
    verbmem   forget                                                {prompt, gt}
    knowmem   forget_qa, forget_qa_icl, retain_qa, retain_qa_icl    {question, answer}

Earlier commits of the dataset say retain2 and retain2_qa for retain and retain_qa. A .txt file is one document.
Source: the datasets muse-bench/MUSE-News and muse-bench/MUSE-Books of the Hugging Face hub.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.json_lines import parse_json, read_json
from records.shown import first_lines, named, shown
from records.text_file import read_text

__all__ = ["muse_file", "read_columns"]

_ADVICE = "Get the files again (huggingface.co/datasets/muse-bench), or name another folder as data.source."
_SUFFIXES = (".json", ".jsonl", ".parquet", ".txt")


def muse_file(folder: Path, config: str, *splits: str) -> list[Path]:
    """The files of the first of these splits that is there, in order; none where no split is."""
    for split in splits:
        for suffix in _SUFFIXES:
            if (path := folder / config / f"{split}{suffix}").is_file():
                return [path]
            if pieces := sorted((folder / config).glob(f"{split}-[0-9]*-of-[0-9]*{suffix}")):
                return pieces
    return []


def read_columns(paths: Sequence[Path], *columns: str) -> list[tuple[str, ...]]:
    """Of every row of some files its texts under `columns`; a row that is a plain string has one.

    UserError for each file with all that is wrong in it.
    """
    found: list[tuple[str, ...]] = []
    for path in paths:
        rows = _rows(path)
        texts = [_texts(row, columns) for row in rows]
        if wrong := [f"row {i}: {text}" for i, text in enumerate(texts, start=1) if isinstance(text, str)]:
            raise UserError("\n".join([f"{path} has {len(wrong)} unusable row(s):", *first_lines(wrong), _ADVICE]))
        found += [text for text in texts if not isinstance(text, str)]
    if paths and not found:
        raise UserError(f"{paths[0]} has no rows. {_ADVICE}")
    return found


def _texts(row: Any, columns: Iterable[str]) -> tuple[str, ...] | str:
    """A row's texts, or what is wrong with it."""
    columns = tuple(columns)
    if isinstance(row, str) and len(columns) == 1:
        row = {columns[0]: row}
    if not isinstance(row, dict):
        return f"not an object with {', '.join(columns)}, but {shown(row)}"
    if missing := [key for key in columns if key not in row]:
        return f"no key {', '.join(missing)}; it has {named(row)}"
    for key in columns:
        if not isinstance(row[key], str) or not row[key].strip():
            return f"{key} is empty or not text: {shown(row[key])}"
    return tuple(row[key] for key in columns)


def _rows(path: Path) -> list[Any]:
    """What a file holds, row by row, unchecked."""
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix == ".txt":
        return [read_text(path, _ADVICE)]
    if path.suffix == ".jsonl":
        return [_line(line) for line in read_text(path, _ADVICE).split("\n") if line.strip()]
    rows = read_json(path, _ADVICE)
    if not isinstance(rows, list):
        raise UserError(f"{path} is not a JSON array of rows, but {shown(rows)}. {_ADVICE}")
    return rows


def _line(line: str) -> Any:
    """A line's value; of a line that is not JSON the reason, as what is no row."""
    try:
        return parse_json(line)
    except (ValueError, json.JSONDecodeError) as error:
        return [f"not JSON ({error})"]


def _parquet(path: Path) -> list[Any]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UserError(
            f"{path} is a Parquet file, and the package pyarrow, which reads those, is not installed. "
            "Install it (pip install pyarrow), or name a folder with the .json files that MUSE's load_data.py writes."
        ) from None
    try:
        return list(parquet.read_table(path).to_pylist())
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} can't be read as Parquet ({str(error).splitlines()[0]}). {_ADVICE}") from None
