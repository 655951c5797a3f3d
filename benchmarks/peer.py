"""Beside open-unlearning: the same work by the peer's own Python and by ours, in alternation on one machine.

A folder with the peer in it (github.com/locuslab/open-unlearning; measured at d3d7cf9) and its Python environment
(torch, transformers 4.45, hydra-core, accelerate, datasets, rouge-score, scipy, scikit-learn) are the user's; nothing
of it is in this project, and its files are run as they are. deepspeed and lm_eval, which it imports and does not need
here, may be absent. One thread each, float32, no GPU; batches of 8 forget and 8 retain rows of TOFU (NPO_DATA; without
it rows are invented). Two processes are alive at once and take turns. Ratios are the peer's over ours: over 1, ours is
better.

    git clone https://github.com/locuslab/open-unlearning DIR && python -m venv DIR/.venv    # and what it requires
    python benchmarks/peer.py DIR                                        a small Llama: steps, peak memory
    python benchmarks/peer.py DIR --python ENV/bin/python --only GA+RT   one method
    python benchmarks/peer.py DIR --model FOLDER                         a model of one's own beside the small one
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._peer_given import in_training_order, older, sets_of, write_rows
from benchmarks._peer_pairs import Peer, Ratio, in_pairs, sides_of
from records.errors import UserError

METHODS = ("NPO", "NPO+RT", "GA+RT", "NPO+KL")
BATCH, SEED, LR, PAIRS = 8, 0, 1e-5, 3


class Subject(NamedTuple):
    """A model that both sides work on: its name, its folder for either, the steps of a turn."""

    name: str
    folders: Mapping[str, str]
    steps: int


class Line(NamedTuple):
    """A line of the table: what, in which unit, the peer's and ours."""

    what: str
    unit: str
    found: Ratio
    share: float | None = None

    def told(self) -> str:
        """As it is printed."""
        low, high = min(self.found.ratios), max(self.found.ratios)
        each = f"{statistics.median(self.found.peer):.4g} / {statistics.median(self.found.ours):.4g} {self.unit}"
        share = "" if self.share is None else f"; ours at {self.share:.0%} of the cores' matrix speed"
        return f"{self.what}: {each}; {self.found.median:.2f} × ({low:.2f} … {high:.2f}){share}"


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
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return Peer(folder.absolute(), python.absolute(), found.stdout.strip() or "unknown")


def steps(peer: Peer, subject: Subject, name: str, rows: Mapping[str, Any], below: Path) -> Iterator[Line]:
    """The time of a step of a method, and the peak memory of training with it."""
    count = BATCH * (1 + subject.steps * PAIRS + 1)  # one that warms up, one that ends an epoch and is not taken
    forget, retain = ([part[i % len(part)] for i in range(count)] for part in (rows["forget"], rows["retain"]))
    ordered = in_training_order(forget, retain, SEED)
    common = {"what": "steps", "method": name, "batch": BATCH, "seed": SEED, "lr": LR, "out": str(below / "out")}
    common |= {"warm": 1, "turns": PAIRS, "steps": subject.steps, "source": peer.source}
    jobs = {}
    for side, parts in {"peer": ordered, "ours": (forget, retain)}.items():
        files = [write_rows(below / f"{side}-{what}.json", part) for what, part in zip(rows, parts, strict=False)]
        jobs[side] = {**common, "model": subject.folders[side], **dict(zip(("forget", "retain"), files, strict=True))}
    found = in_pairs(sides_of(peer, below), jobs, below, PAIRS)
    flops, turns = found.first["ours"]["flops"], found.turns["ours"]
    share = statistics.median(flops / turn["seconds"] / turn["sustained"] for turn in turns)
    times = found.ratio("seconds")
    yield Line(f"{name} step", "ms", Ratio(*([1000 * x for x in part] for part in times)), share)
    last = [found.turns[side][-1]["peak"] for side in ("peer", "ours")]
    yield Line(f"{name} peak memory", "MiB", Ratio(*([x] for x in last)))
    above = [x - found.first[side]["imported"] for side, x in zip(("peer", "ours"), last, strict=True)]
    yield Line(f"{name} peak memory above imports", "MiB", Ratio(*([x] for x in above)))


def small(below: Path, rows: Mapping[str, Any]) -> Subject:
    """A Llama of width 256 and 4 layers with 8192 tokens, its tokenizer trained on the rows."""
    from benchmarks._peer_ours import small_model

    texts = [text for part in rows.values() for row in part for text in (row["question"], row["answer"])]
    folder = small_model(texts, below / "small")
    return Subject("Llama 256 × 4", {"ours": str(folder), "peer": older(folder, below / "small-4")}, 8)


def own(folder: Path, below: Path) -> Subject:
    """A model that a user names."""
    if not (folder / "config.json").is_file():
        raise UserError(f"There is no model in {folder}: it has no config.json. Name a folder that was saved.")
    folder = folder.absolute()
    return Subject(folder.name, {"ours": str(folder), "peer": older(folder, below / "own-4")}, 1)


def measured(
    peer: Peer, subjects: Sequence[Subject], names: Sequence[str], rows: Mapping[str, Any], below: Path
) -> None:
    """Print a line as soon as it is known."""
    for subject in subjects:
        for name in names:
            for line in steps(peer, subject, name, rows, below):
                print(f"{subject.name}: {line.told()}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where open-unlearning lies")
    parser.add_argument("--python", type=Path, help="its Python (default: DIR/.venv/bin/python)")
    parser.add_argument("--model", type=Path, help="a saved model besides the small one")
    parser.add_argument("--no-small", action="store_true", help="without the small model")
    parser.add_argument("--only", action="append", choices=METHODS, help="one method; may be repeated")
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("not measured: name the folder of open-unlearning")
        return
    try:
        peer = peer_in(arguments.folder, arguments.python)
        data = os.environ.get("NPO_DATA")
        rows = sets_of(Path(data) if data else None)
        with tempfile.TemporaryDirectory() as place:
            below = Path(place)
            subjects = [] if arguments.no_small else [small(below, rows)]
            subjects += [own(arguments.model, below)] if arguments.model else []
            print(f"open-unlearning at {peer.commit}; the peer's / ours; over 1 ×: ours is better", flush=True)
            measured(peer, subjects, arguments.only or METHODS, rows, below)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
