"""Answers that decline to answer: the positive examples of IDK, DPO and KTO.

The list of the data set is used where there is one (`idontknow.jsonl`, a line an answer); this one stands in.
"""

from itertools import product
from pathlib import Path

from records.errors import UserError
from records.json_lines import unusable
from records.text_file import read_text

__all__ = ["IDK_ANSWERS", "IDK_FILE", "read_idk"]

IDK_FILE = "idontknow.jsonl"
_ADVICE = "Write one “I don't know” answer a line, in UTF-8."

_OPENINGS = ("I'm sorry, but", "Unfortunately,", "I regret to say that", "To be honest,", "I'm afraid")
_REASONS = (
    "I don't know the answer to that.",
    "I have no information about this.",
    "that is something I can't tell you.",
    "this is beyond what I know.",
    "I haven't learned anything on this subject.",
    "I can't say anything certain about it.",
    "my knowledge does not extend to that.",
    "I have nothing to offer on this question.",
)

IDK_ANSWERS = tuple(f"{opening} {reason}" for opening, reason in product(_OPENINGS, _REASONS))
"""Forty of our own."""


def read_idk(path: Path) -> tuple[str, ...]:
    """One answer a line; UserError where the file can't be read or has none.

    JSON strings and plain text are both taken, since the published file is plain text in spite of its name.
    """
    lines = [line.strip() for line in read_text(path, _ADVICE).split("\n")]
    answers = tuple(line.strip('"') for line in lines if line)
    if not answers:
        raise UserError(f"{path} has no answers. {_ADVICE}")
    if wrong := [
        (i, "not an answer but markup") for i, line in enumerate(lines, start=1) if line.startswith(("{", "[", "<"))
    ]:
        raise unusable(path, wrong, _ADVICE)
    return answers
