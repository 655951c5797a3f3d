"""How a program asks and ends: what a user or this machine made impossible is told in words."""

import argparse
import sys
from collections.abc import Callable

from npo.program.refusals import said
from npo.program.terminal import settle
from records.plain import plain

__all__ = ["asking", "ends_in_words"]


def ends_in_words(work: Callable[[], object]) -> None:
    """Do a program's work; a user's mistake or what this machine refuses ends in words and exit code 2, Ctrl-C in 130.

    Only what is nobody's mistake but ours ends in a traceback.
    """
    try:
        settle()
        work()
    except KeyboardInterrupt:
        sys.stderr.write("\nnpo: stopped.\n")
        sys.exit(130)
    except Exception as error:
        if (words := said(error)) is None:
            raise
        sys.stderr.write(f"npo: {plain(words)}\n")
        sys.exit(2)


def asking(program: str, about: str | None) -> argparse.ArgumentParser:
    """The parser of a program that is run as `python -m`; of `about`, its docstring, help shows the first line."""
    return argparse.ArgumentParser(prog=f"python -m {program}", description=(about or "").split("\n")[0])
