"""How many units of work run side by side."""

import os
import warnings
from collections.abc import Callable

import torch

from records.cores import cores
from records.errors import UserError
from records.memory import GIB, memory

__all__ = ["STARTING", "asked", "prepare", "usual"]

STARTING = 8.0
"""Seconds that must be spared before processes are started: each loads all libraries first."""
OF_A_WORKER = 1.5 * GIB
VARIABLE = "NPO_WORKERS"


def asked() -> int | None:
    """What the environment variable NPO_WORKERS says; None where it says nothing."""
    said = os.environ.get(VARIABLE, "")
    if said and not (said.isascii() and said.isdigit() and 0 < int(said) < 10_000):
        raise UserError(f"{VARIABLE}={said}: write how many units may run side by side, 1 for one after the other.")
    return int(said) if said else None


def usual() -> int:
    """One a core, as far as memory goes."""
    return int(max(1, min(cores(), memory() // OF_A_WORKER)))


def prepare(worded: Callable[..., str]) -> None:
    """Ready a process for small units: warnings in these words, and one thread, which waits for no other."""
    warnings.formatwarning = worded
    torch.set_num_threads(1)
