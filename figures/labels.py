"""Names from outside as labels of a figure: as they are written, short enough, in letters that the font has."""

from collections.abc import Sequence
from functools import cache

from matplotlib.font_manager import findfont, get_font

__all__ = ["legend_columns", "literal"]

LONGEST = 32
FONT = "DejaVu Sans"
_LETTER, _KEY, _MOST = 0.085, 0.55, 7  # inches of a letter and of a legend's key; columns of a legend


@cache
def _drawn(character: str) -> bool:
    return character.isprintable() and get_font(findfont(FONT)).get_char_index(ord(character)) != 0


def literal(name: str) -> str:
    r"""The name with nothing in it that matplotlib takes for more than a letter.

    A dollar sign would begin a formula, an underscore in front hides a line from the legend.

    >>> literal("NPO+RT"), literal("a$b$"), literal("_x"), literal("损")
    ('NPO+RT', 'a\\$b\\$', ' _x', '□')
    """
    short = name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"
    seen = "".join(character if _drawn(character) else "□" for character in short)
    return f"{' ' * seen.startswith('_')}{seen}".replace("$", r"\$")


def legend_columns(labels: Sequence[str], width: float) -> int:
    """How many columns of a legend fit into a figure of this width in inches."""
    widest = max(map(len, labels), default=1)
    return max(1, min(len(labels), _MOST, int(width / (_LETTER * widest + _KEY))))
