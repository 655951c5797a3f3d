"""Other answers of the same domain, in the reference model's own words: what AltPO prefers to the answers to forget.

A few for each row (`PER_ROW`, as in arXiv:2409.13474), drawn once at temperature 1 from the 50 likeliest tokens, from a
fixed seed, whatever the seed of a run, and kept beside what else is known of the reference: the file is named by a hash
of the model's weights, the rows, and how answers are drawn. An answer that says the same as the true one
(`scale.data.normal_form`), or nothing, is drawn again, `MORE` times at most. A row for which nothing else is found
keeps the true answer: nothing is learned from it. A row that brings alternative answers of its own has these.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from records.errors import UserError
from records.files import write_json
from records.store import content_hash
from scale.data.normal_form import normal_form
from scale.data.prompts import Encoded, Writer
from scale.models.answering.generation import Generation, answers_after
from scale.models.reference.cache import ReferenceModel

__all__ = ["MORE", "PER_ROW", "Replaced", "alternates_of"]

PER_ROW = 5
MORE = 5
NEW_TOKENS = 200
"""Tokens of an answer at most, or twice those of the longest true one where that is less."""


class Replaced(NamedTuple):
    """A row to forget: what comes before its answer in token ids, the answer, its tokens, the row with another answer.

    `own`: the alternative answers that it brings itself.
    """

    opening: tuple[int, ...]
    answer: str
    tokens: int
    encode: Callable[[str], Encoded]
    own: tuple[str, ...] = ()

    def encoded(self, text: str) -> Encoded | None:
        """The row with this answer; None where it says the same as the true one, or can't be read."""
        if normal_form("", text) == normal_form("", self.answer):
            return None
        try:
            return self.encode(text)
        except UserError:  # nothing, or more than the model reads
            return None


def alternates_of(
    folder: Path,
    reference: ReferenceModel,
    writer: Writer,
    rows: Sequence[Replaced],
    *,
    seed: int = 0,
    per_row: int = PER_ROW,
) -> list[list[Encoded]]:
    """The alternative answers of each row, in token ids: its own, else drawn now or read where they were drawn."""
    lacking = [row for row in rows if not row.own]
    drawn = iter(_kept(folder, reference, writer, lacking, seed=seed, per_row=per_row) if lacking else ())
    return [[row.encode(text) for text in row.own] or next(drawn) for row in rows]


def _kept(
    folder: Path, reference: ReferenceModel, writer: Writer, rows: Sequence[Replaced], *, seed: int, per_row: int
) -> list[list[Encoded]]:
    settings = {"per_row": per_row, "more": MORE, "seed": seed, "new_tokens": _new_tokens(rows)}
    asked = [(row.opening, row.answer) for row in rows]
    key = content_hash(["alternates", reference.weights, asked, settings, reference.processes.precision])
    path = folder / f"alternates-{key}.json"
    if not reference.processes.agreed(path.is_file):
        texts = _drawn(reference, writer, rows, seed=seed, per_row=per_row)
        if reference.processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(path, texts)
        reference.processes.wait()
    try:
        kept: list[list[str]] = json.loads(path.read_text("utf8"))
        return [_encoded(row, texts) for row, texts in zip(rows, kept, strict=True)]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it; the answers will be drawn again.") from None


def _encoded(row: Replaced, texts: Sequence[str]) -> list[Encoded]:
    return [found for text in texts if (found := row.encoded(text)) is not None] or [row.encode(row.answer)]


def _new_tokens(rows: Sequence[Replaced]) -> int:
    return min(NEW_TOKENS, 2 * max(row.tokens for row in rows))


def _drawn(
    reference: ReferenceModel, writer: Writer, rows: Sequence[Replaced], *, seed: int, per_row: int
) -> list[list[str]]:
    """Texts of each row, round after round: one for each row that has too few, each round from a seed of its own."""
    found: list[list[str]] = [[] for _ in rows]
    for number in range(per_row + MORE):
        lacking = [i for i, texts in enumerate(found) if len(texts) < per_row]
        if not lacking:
            break
        how = Generation(_new_tokens(rows), prompt_counts=False, sample=True, seed=(seed * 1_000_003 + number) % 2**63)
        openings = [rows[i].opening for i in lacking]
        drawn = answers_after(reference.scorer, openings, writer, reference.processes, how)
        for i, answer in zip(lacking, drawn, strict=True):
            if rows[i].encoded(answer.text) is not None:
                found[i].append(answer.text)
    return found
