"""How all benchmarks that compare with the naive way measure: in turn, and memory in a fresh process."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import torch

__all__ = ["above_imports", "factor", "in_turn", "peak", "peak_rss", "verdict"]


def in_turn(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every variant in each of so many rounds, after one that warms up."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for counted in [False] + [True] * rounds:
        for name, run in variants.items():
            started = time.perf_counter()
            run()
            if counted:
                taken[name].append(time.perf_counter() - started)
    return taken


def factor(taken: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """How much faster one variant is: the median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(taken[slow], taken[fast], strict=True))


def verdict(value: float, target: float, *, least: bool) -> str:
    """A number beside its target, which is the least or the most that it may be."""
    meets = value >= target if least else value <= target
    return f"{value:.3g} ({'meets' if meets else 'MISSES'} {target:g})"


def peak(script: str, *words: str) -> float:
    """What `python script --peak words` prints: the memory of a variant in a process of its own, in MiB.

    Linux hands the peak of a process down to its children, so ask before this process grows.
    """
    command = [sys.executable, script, "--peak", *words]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_rss() -> float:
    """The peak resident set of this process so far, in MiB."""
    unit = 1024 if sys.platform != "darwin" else 2**20  # ru_maxrss is in KiB, on macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def above_imports() -> float:
    """The peak so far with what the libraries take at their first use, to be subtracted."""
    torch.ones(64, 64).requires_grad_().mm(torch.ones(64, 64)).sum().backward()
    return peak_rss()
