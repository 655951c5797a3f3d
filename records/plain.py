"""Text from data as a terminal or a page may show it: nothing in it can steer what shows it."""

import re

__all__ = ["cell", "markdown", "plain"]

# Control characters but tab and newline, the line ends of Unicode, marks that turn the direction of writing, halves of
# surrogate pairs.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MARKS = re.compile(r"([\\`*_\[\]|~$])")
_START = re.compile(r"^(\s*\d*)([#+=.)-])")


def plain(text: str) -> str:
    r"""The text with its control characters written out: an answer can't colour, clear or retitle a terminal.

    >>> plain("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def markdown(text: str) -> str:
    r"""The text so that Markdown shows it as it is: no HTML, links, pictures, emphasis or cells; one line.

    >>> markdown("<b> [a](b) |")
    '&lt;b&gt; \\[a\\](b) \\|'
    """
    safe = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = _START.sub(r"\1\\\2", _MARKS.sub(r"\\\1", safe))
    return safe.replace("\n", "<br>").replace("\t", " ")


def cell(text: str) -> str:
    """A text of a CSV file that no spreadsheet takes for a formula.

    >>> cell("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
