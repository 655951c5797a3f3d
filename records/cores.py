"""How many processor cores this process may use."""

import math
import os
from pathlib import Path

__all__ = ["cores"]

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of work in so many


def cores() -> int:
    """Those that it may run on, or fewer where a container has less time than that; one at least."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(float, _QUOTA.read_text(encoding="utf8").split())
    except (OSError, ValueError):  # no such file, or "max"
        return there
    return max(1, min(there, math.floor(quota / period)))
