"""Beside open-unlearning: the same work by the peer's own Python and by ours, in alternation on one machine.

A folder with the peer in it (github.com/locuslab/open-unlearning; measured at d3d7cf9) and its Python environment
(torch, transformers 4.45, hydra-core, hydra-colorlog, accelerate 0.34, datasets 3.0, rouge-score, scipy, scikit-learn)
are the user's; nothing of it is in this project, and its files are run as they are. deepspeed and lm_eval, which it
imports and does not need here, may be absent. One thread each, float32, no GPU; batches of 8 forget and 8 retain rows
of TOFU (NPO_DATA; without it rows are invented). Two processes are alive at once and take turns. Ratios are the peer's
over ours: over 1, ours is better.

    git clone https://github.com/locuslab/open-unlearning DIR && python -m venv DIR/.venv    # and what it requires
    python benchmarks/peer.py DIR                                       a small Llama
    python benchmarks/peer.py DIR --model FOLDER                        and a saved model with a chat template
    python benchmarks/peer.py DIR --only GA+RT --only examination       some of it: a method, examination, command
    python benchmarks/peer.py DIR --python ENV/bin/python --quick       another environment; one pair, few questions
    python benchmarks/peer.py DIR --keep                                and keep what was found in docs/data/peer.json
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._peer_given import older, sets_of
from benchmarks._peer_measures import PARTS, Line, Numbers, Rows, Sizes, Subject, command, examination, small, steps
from benchmarks._peer_pairs import ROOT, Peer, sides_of
from records.errors import UserError

KEPT = ROOT / "docs" / "data" / "peer.json"
PAIRS = 3
SMALL, OWN = Sizes(5, 24, None, PAIRS, PAIRS), Sizes(1, 3, None, PAIRS, 1)
QUICK = Sizes(1, 2, 8, 1, 1)
PACKAGES = ("records", "theory", "scale", "npo")
NOT_FOR_OWN = "NPO+KL"
"""Left out of a model of one's own unless it is named: its step takes the peer longest."""


def peer_in(folder: Path, python: Path | None) -> Peer:
    """The peer that lies in a folder; UserError where it or its environment is not there."""
    if not (folder / "src" / "train.py").is_file():
        raise UserError(
            f"There is no open-unlearning in {folder}: it has no src/train.py. "
            f"Get it: git clone https://github.com/locuslab/open-unlearning {folder}"
        )
    python = python or folder / ".venv" / "bin" / "python"
    if not python.is_file():
        raise UserError(
            f"There is no Python at {python}. Make an environment with what {folder / 'requirements.txt'} names, "
            "and name its Python: --python ENV/bin/python"
        )
    return Peer(folder.absolute(), python.absolute(), commit(folder))


def commit(folder: Path, *below: str) -> str:
    """That which lies in a folder, with a mark where files (below it) were changed since."""
    git = ["git", "-C", str(folder)]
    head, changed = (
        subprocess.run([*git, *words], capture_output=True, text=True, check=False).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "-uno", "--", *(below or ".")])
    )
    return f"{head}, with changes" if head and changed else head or "unknown"


def own(folder: Path, sizes: Sizes, below: Path) -> Subject:
    """A model that a user names."""
    if not (folder / "config.json").is_file():
        raise UserError(f"There is no model in {folder}: it has no config.json. Name a folder that was saved.")
    folder = folder.absolute()
    parts = tuple(part for part in PARTS if part != NOT_FOR_OWN)
    return Subject(_name(folder), {"ours": str(folder), "peer": older(folder, below)}, sizes, parts)


def _name(folder: Path) -> str:
    """Of a model by its size."""
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    layers, hidden = config.get("num_hidden_layers", "?"), config.get("hidden_size", "?")
    return "SmolLM2-135M" if (layers, hidden) == (30, 576) else f"{config.get('model_type')} {hidden} × {layers}"


def fewer(subject: Subject, pairs: int) -> Subject:
    """The subject with at most so many pairs."""
    sizes = subject.sizes
    return subject._replace(sizes=sizes._replace(pairs=min(pairs, sizes.pairs), commands=min(pairs, sizes.commands)))


def lines(peer: Peer, subject: Subject, part: str, rows: Rows, below: Path, numbers: Numbers) -> Iterator[Line]:
    """One part of the table."""
    below.mkdir(parents=True)
    measure: Mapping[str, Callable[[], Iterator[Line]]] = {
        "examination": partial(examination, peer, subject, rows, below, numbers),
        "command": partial(command, peer, subject, rows, below),
    }
    return measure.get(part, partial(steps, peer, subject, part, rows, below, numbers))()


def table(peer: Peer, subject: Subject, part: str, rows: Rows, below: Path, started: float) -> dict[str, Any]:
    """Print the lines of one part as soon as they are known, and what both found; all of it."""
    found, numbers = [], Numbers()
    for line in lines(peer, subject, part, rows, below / part, numbers):
        print(f"{subject.name} [{time.perf_counter() - started:4.0f} s] {line.told()}", flush=True)
        found.append(line.kept())
    for what, each in numbers.items():
        print(f"{subject.name} {what}: {each['peer']} / {each['ours']}", flush=True)
    return {"model": subject.name, "lines": found, "numbers": numbers}


def about_run(peer: Peer) -> dict[str, Any]:
    """When, of what and where a run is, as it begins."""
    libraries = " ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, no GPU, one thread each"
    commits = {"peer": peer.commit, "ours": commit(ROOT, *PACKAGES)}
    return {"date": date.today().isoformat(), **commits, "machine": machine, "libraries": libraries}


def keep(file: Path, about: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Leave a part where the page of the docs is made from, beside those of the same day and commits."""
    before = json.loads(file.read_text(encoding="utf8")) if file.is_file() else {}
    same = all(before.get(key) == value for key, value in about.items())
    kept = {**about, "tables": joined(before["tables"] if same else [], [found])}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


def joined(before: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tables by model, of a line the newer."""
    found = {table["model"]: table for table in before}
    for table in new:
        old = found.get(table["model"], {"lines": [], "numbers": {}})
        lines = {line["what"]: line for line in (*old["lines"], *table["lines"])}
        found[table["model"]] = {
            **table,
            "lines": list(lines.values()),
            "numbers": {**old["numbers"], **table["numbers"]},
        }
    return list(found.values())


def run(arguments: argparse.Namespace) -> None:
    """All that was asked for."""
    peer = peer_in(arguments.folder, arguments.python)
    data = os.environ.get("NPO_DATA")
    rows = sets_of(Path(data) if data else None)
    about, started = about_run(peer), time.perf_counter()
    print(f"open-unlearning at {peer.commit}, ours at {about['ours']}; the peer's / ours")
    with tempfile.TemporaryDirectory() as place:
        below = Path(place)
        models: list[Callable[[], Subject]] = []
        if not arguments.no_small:
            sizes = QUICK if arguments.quick else SMALL
            models.append(partial(small, sides_of(peer, below), rows, sizes, below / "small"))
        if arguments.model:
            models.append(partial(own, arguments.model, QUICK if arguments.quick else OWN, below / "own-4"))
        for i, make in enumerate(models):
            subject = fewer(make(), arguments.pairs)
            for part in arguments.only or subject.parts:
                found = table(peer, subject, part, rows, below / str(i), started)
                if arguments.keep:
                    keep(KEPT, about, found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where open-unlearning lies")
    parser.add_argument("--python", type=Path, help="its Python (default: DIR/.venv/bin/python)")
    parser.add_argument("--model", type=Path, help="a saved model besides the small one")
    parser.add_argument("--no-small", action="store_true", help="without the small model")
    parser.add_argument("--only", action="append", choices=PARTS, help="one part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one pair, a step each, two questions a set")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"at most so many pairs (default: {PAIRS})")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.keep and arguments.quick:
        parser.error("--keep: a quick run is too short to be kept. Leave --quick out.")
    if arguments.folder is None:
        print("not measured: name the folder of open-unlearning")
        return
    try:
        run(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
