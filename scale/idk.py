"""Answers that decline to answer: the positive examples of IDK, DPO and KTO.

The list of the data set is used where there is one (`idontknow.jsonl`, a line an answer); this one stands in.
"""

from itertools import product
from pathlib import Path

from records.errors import UserError

__all__ = ["IDK_ANSWERS", "IDK_FILE", "read_idk"]

IDK_FILE = "idontknow.jsonl"

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
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as UTF-8 text ({error}). Save it as UTF-8, one answer a line.") from None
    answers = tuple(line.strip('"') for line in lines if line)
    if not answers:
        raise UserError(f"{path} has no answers. Write one “I don't know” answer a line.")
    return answers
