"""How much memory this machine has, and a clear word before more is asked for."""

import math
import os
from pathlib import Path

from records.errors import UserError

__all__ = ["GIB", "check_memory", "memory"]

GIB = 2**30
_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container


def check_memory(needed: float, what: str) -> None:
    """UserError where `what` would take more bytes than this machine has; nothing where that can't be known.

    >>> check_memory(1e30, "--d 99")
    Traceback (most recent call last):
    records.errors.UserError: --d 99 would take about ...
    """
    there = memory()
    if needed > there:
        raise UserError(
            f"{what} would take about {needed / GIB:,.0f} GiB of memory, and this machine has {there / GIB:,.0f} GiB. "
            "Ask for less."
        )


def memory() -> float:
    """Bytes of memory, those that a container may use where it is one."""
    try:
        found = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf
    try:
        return min(found, float(_LIMIT.read_text(encoding="utf8")))
    except (OSError, ValueError):
        return found
