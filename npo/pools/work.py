"""What training and reading the pools share: a command line over a recipe, and units one by one until time is up."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from npo.program.ending import asking
from records.work import Unit, missing, run_missing

__all__ = ["command_line", "worked_for"]


def command_line(program: str, about: str | None) -> argparse.ArgumentParser:
    """Where, which recipe with which changes, and for how long; `about` is the program's docstring."""
    parser = asking(program, about)
    parser.add_argument("out", type=Path, help="the folder of results; what is finished there is not done again")
    parser.add_argument("words", nargs="*", metavar="key=value", help="of the recipe, as npo run takes them")
    parser.add_argument("--recipe", default="tofu-mini", help="by name or file; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no further model after so long")
    return parser


def worked_for(seconds: float, units: Sequence[Unit], out: Path) -> int:
    """Do what is missing, each after what it needs, and begin none after so long; how many are still to do."""
    by_name, begun = {unit.name: unit for unit in units}, time.monotonic()
    for unit in missing(units, out):
        if time.monotonic() > begun + seconds:
            break
        run_missing([*(by_name[name] for name in unit.needs), unit], out)
        sys.stderr.write(f"{unit.name}: {time.monotonic() - begun:.0f} s\n")
    return len(missing(units, out))
