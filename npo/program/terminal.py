"""What a command finds around it: a terminal that lacks characters, a width of nothing, a folder that is gone."""

import io
import os
import sys
import warnings

from records.errors import UserError
from records.plain import plain

__all__ = ["settle"]


def settle() -> None:
    r"""Make standard output and error take any text, and Python's warnings one line each that begins as our words do.

    A terminal of few characters is shown `\u03b2` for β. UserError where the working folder is gone: relative paths
    mean nothing then, and libraries end the process in words of their own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a test or a notebook puts its own
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get("COLUMNS") == "0":  # as some containers say that they don't know; nothing would be shown
        del os.environ["COLUMNS"]
    warnings.formatwarning = _worded
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError("The folder that npo was started in is gone. Change into one that is there.") from None


def _worded(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning without the place in the code, which is nothing to a user."""
    del category, filename, lineno, line
    return f"npo: {plain(str(message))}\n"
