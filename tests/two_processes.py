"""A script in two processes that share their gradients through gloo, and the end that they come to together."""

import os
import subprocess
import sys
from pathlib import Path

import torch

__all__ = ["part", "run_two"]

ROOT = Path(__file__).resolve().parent.parent


def run_two(script: str | Path, *words: object, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run it in both, at a free port and however long it takes; `more` are variables of their environment."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(script)]
    there = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "OMP_NUM_THREADS": "1"}
    said = [str(word) for word in words]
    return subprocess.run([*command, *said], env={**os.environ, **there, **more}, capture_output=True, text=True)


def part() -> None:
    """Wait for the other and take the connection down: gloo's threads, left to the end of Python, can abort it."""
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
