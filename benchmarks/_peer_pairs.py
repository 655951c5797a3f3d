"""Two processes at once, of which one works at a time: the peer's and ours, turn by turn, on one machine."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError

__all__ = ["Peer", "Ratio", "Side", "in_pairs", "stubs"]

ROOT = Path(__file__).resolve().parent.parent
ABSENT = {
    "deepspeed": "",
    "lm_eval": "simple_evaluate = None\n",
    "lm_eval/models": "",
    "lm_eval/models/hf_vlms": "HFLM = object\n",
    "lm_eval/tasks": "TaskManager = object\n",
}
"""Modules that the peer imports and does not need for what is measured, each with what it takes from it."""


class Peer(NamedTuple):
    """The folder of the peer, its Python, the commit that lies there."""

    folder: Path
    python: Path
    commit: str

    @property
    def source(self) -> str:
        """Where its modules lie."""
        return str(self.folder / "src")


class Ratio(NamedTuple):
    """The peer's and ours of each pair, and their ratios: over 1 means that ours is better."""

    peer: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        """Pair by pair."""
        return [a / b for a, b in zip(self.peer, self.ours, strict=True)]

    @property
    def median(self) -> float:
        """Of the ratios."""
        return statistics.median(self.ratios)


def stubs(folder: Path) -> str:
    """A folder of empty modules in place of those that nothing measured here needs."""
    for name, text in ABSENT.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "__init__.py").write_text(text, encoding="utf8")
    return str(folder)


def environment(below: Path, paths: Sequence[str]) -> dict[str, str]:
    """One thread, no network, no GPU, caches in a folder of this run, modules from these paths."""
    alone = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
    quiet = {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "CUDA_VISIBLE_DEVICES": ""}
    places = {"HF_DATASETS_CACHE": str(below / "cache"), "PYTHONPATH": os.pathsep.join(paths)}
    return {**os.environ, **alone, **quiet, **places}


@dataclass(frozen=True)
class Side:
    """How one side is started: a command that is given a file of JSON, and its environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def start(self, job: Mapping[str, Any], below: Path) -> "Worker":
        """A process that does this job."""
        file = below / f"{self.name}.json"
        file.write_text(json.dumps(job), encoding="utf8")
        return Worker(self, file)


class Worker:
    """A process of one side; it waits for its turn."""

    def __init__(self, side: Side, job: Path) -> None:
        self.name, self.log = side.name, job.with_suffix(".log")
        with self.log.open("w", encoding="utf8") as log:
            self.process = subprocess.Popen(
                [*side.command, str(job)],
                env=dict(side.environment),
                cwd=job.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def hear(self) -> dict[str, Any]:
        """Its next line; UserError with the last lines of its log where it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            last = "\n".join(self.log.read_text(encoding="utf8", errors="replace").strip().splitlines()[-8:])
            raise UserError(f"The side of {self.name} ended with {self.process.returncode}. Its last lines:\n{last}")
        found: dict[str, Any] = json.loads(line)
        return found

    def go(self) -> dict[str, Any]:
        """Its turn; what it found."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # what it says is heard below
        return self.hear()

    def close(self) -> None:
        """Whether it is done or not."""
        self.process.terminate()
        self.process.communicate()


class Paired(NamedTuple):
    """What each side said first, and at each turn."""

    first: dict[str, dict[str, Any]]
    turns: dict[str, list[dict[str, Any]]]

    def ratio(self, key: str) -> Ratio:
        """Of one number, turn by turn."""
        return Ratio(*([turn[key] for turn in self.turns[name]] for name in ("peer", "ours")))


def in_pairs(sides: Sequence[Side], jobs: Mapping[str, Mapping[str, Any]], below: Path, turns: int) -> Paired:
    """Both sides' jobs, side by side: each gets ready, then turns are taken, first one and then the other ahead."""
    workers: dict[str, Worker] = {}
    found = {side.name: list[dict[str, Any]]() for side in sides}
    try:
        for side in sides:
            workers[side.name] = side.start(jobs[side.name], below)
        first = {name: worker.hear() for name, worker in workers.items()}  # both get ready at once: that is not timed
        for turn in range(turns):
            for name in list(workers) if turn % 2 == 0 else reversed(list(workers)):
                started = time.perf_counter()
                found[name].append(workers[name].go())
                told = f"  {name}, turn {turn + 1} of {turns}: {time.perf_counter() - started:.1f} s"
                print(told, file=sys.stderr, flush=True)
    finally:
        for worker in workers.values():
            worker.close()
    return Paired(first, found)


def sides_of(peer: Peer, below: Path) -> list[Side]:
    """The peer's side and ours."""
    theirs = environment(below, [stubs(below / "stubs")])
    script = str(Path(__file__).with_name("_peer_side.py"))
    ours = environment(below, [str(ROOT)])
    return [
        Side("peer", (str(peer.python), script), theirs),
        Side("ours", (sys.executable, "-m", "benchmarks._peer_ours"), ours),
    ]
