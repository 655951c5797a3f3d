"""What `benchmarks/peer.py` measures of a model, a line of the table each: steps, memory, examination, command."""

import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._peer_given import FILES, hub_folder, in_training_order, older, write_rows
from benchmarks._peer_pairs import Peer, Ratio, Side, in_pairs, sides_of

__all__ = ["PARTS", "Line", "Numbers", "Rows", "Sizes", "Subject", "command", "examination", "small", "steps"]

METHODS = ("NPO", "NPO+RT", "GA+RT", "NPO+KL")
PARTS = (*METHODS, "examination", "command")
BATCH, SEED, LR, COMMAND_STEPS, COMMAND_METHOD = 8, 0, 1e-5, 5, "GA+RT"
SIDES = ("peer", "ours")
SAME = {
    "forget probability": ("forget_Q_A_Prob", "forget_probability"),
    "forget ROUGE": ("forget_Q_A_ROUGE", "forget_rouge"),
    "forget truth ratio": ("forget_truth_ratio", "forget_truth_ratio"),
    "extraction strength": ("extraction_strength", "forget_extraction_strength"),
    "retain probability": ("retain_Q_A_Prob", "retain_probability"),
    "retain ROUGE": ("retain_Q_A_ROUGE", "retain_rouge"),
    "retain truth ratio": ("retain_Truth_Ratio", "retain_truth_ratio"),
    "real authors probability": ("ra_Q_A_Prob_normalised", "real_authors_probability"),
    "real authors ROUGE": ("ra_Q_A_ROUGE", "real_authors_rouge"),
    "world facts probability": ("wf_Q_A_Prob_normalised", "world_facts_probability"),
    "world facts ROUGE": ("wf_Q_A_ROUGE", "world_facts_rouge"),
}
"""The peer's and our names of a number that both find."""


class Sizes(NamedTuple):
    """How much is measured: steps of a turn, questions of a set, tokens of an answer, pairs of turns, of commands."""

    steps: int
    questions: int
    new_tokens: int | None
    pairs: int
    commands: int


class Subject(NamedTuple):
    """A model that both sides work on: its name, its folder for either, how much is measured, and which parts."""

    name: str
    folders: Mapping[str, str]
    sizes: Sizes
    parts: Sequence[str] = PARTS


class Line(NamedTuple):
    """A line of the table: what, in which unit, the peer's and ours; what share of the matrix speed ours reaches."""

    what: str
    unit: str
    found: Ratio
    share: float | None = None

    def told(self) -> str:
        """As it is printed."""
        low, high = min(self.found.ratios), max(self.found.ratios)
        each = f"{statistics.median(self.found.peer):.4g} / {statistics.median(self.found.ours):.4g} {self.unit}"
        share = "" if self.share is None else f"; ours at {self.share:.0%} of the core's matrix speed"
        return f"{self.what}: {each}; {self.found.median:.2f} × ({low:.2f} … {high:.2f}){share}"

    def kept(self) -> dict[str, Any]:
        """As it is kept."""
        middle = {side: statistics.median(getattr(self.found, side)) for side in SIDES}
        ratios = {"ratio": self.found.median, "low": min(self.found.ratios), "high": max(self.found.ratios)}
        rounded = {key: float(f"{value:.4g}") for key, value in (middle | ratios).items()}
        share = {} if self.share is None else {"share": round(self.share, 2)}
        return {"what": self.what, "unit": self.unit, **rounded, "pairs": len(self.found.peer), **share}


Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def small(sides: Sequence[Side], rows: Rows, sizes: Sizes, below: Path) -> Subject:
    """A Llama of width 256 and 4 layers, made from the rows and trained on those that are asked."""
    below.mkdir()
    texts = [{"all": text} for part in rows.values() for row in part for text in (row["question"], row["answer"])]
    asked = {name: write_rows(below / f"{name}.json", rows[name][: sizes.questions]) for name in ("forget", "retain")}
    job = {"what": "small", **asked, "texts": write_rows(below / "texts.json", texts), "folder": str(below / "model")}
    worker = sides[1].start({**job, "epochs": 25}, below)
    try:
        worker.hear()
    finally:
        worker.close()
    folders = {"ours": str(below / "model"), "peer": older(below / "model", below / "model-4")}
    return Subject("Llama 256 × 4", folders, sizes)


Numbers = dict[str, dict[str, float]]


def steps(peer: Peer, subject: Subject, name: str, rows: Rows, below: Path, numbers: Numbers) -> Iterator[Line]:
    """The time of a step of a method, and the peak memory of training with it; its tokens go into `numbers`."""
    sizes = subject.sizes
    count = BATCH * (1 + sizes.steps * sizes.pairs + 1)  # one that warms up, one that ends an epoch and is not taken
    forget, retain = ([part[i % len(part)] for i in range(count)] for part in (rows["forget"], rows["retain"]))
    ordered = in_training_order(forget, retain, SEED)
    common = {"what": "steps", "method": name, "batch": BATCH, "seed": SEED, "lr": LR, "out": str(below / "out")}
    common |= {"warm": 1, "turns": sizes.pairs, "steps": sizes.steps, "source": peer.source}
    jobs = {}
    for side, parts in zip(SIDES, (ordered, (forget, retain)), strict=True):
        names = [below / f"{side}-{what}.json" for what in ("forget", "retain")]
        files = dict(zip(("forget", "retain"), map(write_rows, names, parts), strict=True))
        jobs[side] = {**common, **files, "model": subject.folders[side]}
    found = in_pairs(sides_of(peer, below), jobs, below, sizes.pairs)
    numbers["tokens of a step, padding not counted"] = {side: found.first[side]["tokens"] for side in SIDES}
    flops, turns = found.first["ours"]["flops"], found.turns["ours"]
    share = statistics.median(flops / turn["seconds"] / turn["sustained"] for turn in turns)
    yield Line(f"{name}, a step", "s", found.ratio("seconds"), share)
    yield Line(f"{name}, CPU time of a step", "s", found.ratio("cpu"))
    peaks = {side: found.turns[side][-1]["peak"] for side in SIDES}
    yield Line(f"{name}, peak memory", "MiB", _once(peaks))
    above = {side: value - found.first[side]["imported"] for side, value in peaks.items()}
    yield Line(f"{name}, peak memory without the libraries", "MiB", _once(above))


def _once(values: Mapping[str, float]) -> Ratio:
    return Ratio(*([values[side]] for side in SIDES))


def examination(peer: Peer, subject: Subject, rows: Rows, below: Path, numbers: Numbers) -> Iterator[Line]:
    """The time of TOFU's examination; what either side found goes into `numbers`."""
    sizes = subject.sizes
    sets = {name: part[: sizes.questions] for name, part in rows.items()}
    data = hub_folder(below, {Path(FILES[name]).stem: part for name, part in sets.items()})
    common = {"what": "examination", "turns": sizes.pairs, "new_tokens": sizes.new_tokens, "source": peer.source}
    common |= {"out": str(below / "out"), "data": str(data), "files": FILES}
    jobs = {side: {**common, "model": subject.folders[side]} for side in SIDES}
    found = in_pairs(sides_of(peer, below), jobs, below, sizes.pairs)
    for key, what in {"whole": "whole examination", "losses": "its losses", "answers": "its answers"}.items():
        yield Line(what, "s", found.ratio(key))
    last = {side: found.turns[side][-1]["scores"] for side in SIDES}
    for what, names in SAME.items():
        numbers[what] = {side: last[side].get(name) for side, name in zip(SIDES, names, strict=True)}


def command(peer: Peer, subject: Subject, rows: Rows, below: Path) -> Iterator[Line]:
    """The time of a whole command of five steps, until the first of them begins, and its peak memory."""
    taken: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for turn in range(subject.sizes.commands):
        place = below / str(turn)
        forget, retain = rows["forget"][: BATCH * COMMAND_STEPS], rows["retain"]
        hub_folder(place, {"forget10": forget, "retain90": retain, "forget10_perturbed": forget})
        words = {"peer": _their_words(peer, subject, place), "ours": _our_words(subject, forget, retain, place)}
        order = SIDES if turn % 2 == 0 else SIDES[::-1]
        sides = dict(zip(SIDES, sides_of(peer, place), strict=True))
        for side in order:
            job = {"what": "command", "script": words[side][0], "words": words[side], "source": peer.source}
            taken[side].append(_timed(sides[side], job, place))
            print(f"  {side}, command {turn + 1}: {taken[side][-1]['whole']:.1f} s", file=sys.stderr, flush=True)
    for key, (what, unit) in {
        "whole": (f"whole command, {COMMAND_STEPS} steps of {COMMAND_METHOD}", "s"),
        "first": ("time to the first step", "s"),
        "peak": ("whole command, peak memory", "MiB"),
    }.items():
        yield Line(what, unit, Ratio(*([one[key] for one in taken[side]] for side in SIDES)))


def _timed(side: Side, job: Mapping[str, Any], place: Path) -> dict[str, float]:
    """A command from its start to its end; its first step begins a step's time before the first update."""
    started = time.time()
    worker = side.start(job, place)
    try:
        said = worker.hear()
        worker.process.wait()
        whole = time.time() - started
    finally:
        worker.close()
    at = said["at"]
    step = statistics.median(b - a for a, b in pairwise(at))
    return {"whole": whole, "first": at[0] - started - step, "peak": said["peak"]}


def _their_words(peer: Peer, subject: Subject, place: Path) -> list[str]:
    """Of its own command line: one epoch of its GradDiff in float32, nothing examined, the model saved."""
    model = subject.folders["peer"]
    chosen = {
        "experiment": "unlearn/tofu/default",
        "trainer": "GradDiff",
        "task_name": "beside",
        "model.model_args.pretrained_model_name_or_path": model,
        "model.tokenizer_args.pretrained_model_name_or_path": model,
        "model.model_args.attn_implementation": "sdpa",
        "model.model_args.torch_dtype": "float32",
        "model.template_args.system_prompt": "null",
        "model.template_args.date_string": "null",
        "trainer.args.num_train_epochs": "1",
        "trainer.args.per_device_train_batch_size": str(BATCH),
        "trainer.args.gradient_accumulation_steps": "1",
        "trainer.args.learning_rate": str(LR),
        "trainer.args.warmup_epochs": "null",
        "trainer.args.optim": "adamw_torch",
        "trainer.args.bf16": "false",
        "trainer.args.bf16_full_eval": "false",
        "trainer.args.report_to": "none",
        "trainer.args.eval_strategy": "no",
        "trainer.args.eval_on_start": "false",
        "trainer.args.do_eval": "false",
        "+trainer.args.max_grad_norm": "0.0",
        "+trainer.args.use_cpu": "true",
        "paths.output_dir": str(place / "theirs"),
    }
    script = str(peer.folder / "src" / "train.py")
    return [script, "--config-name=unlearn.yaml", *(f"{key}={value}" for key, value in chosen.items())]


def _our_words(subject: Subject, forget: Sequence[Any], retain: Sequence[Any], place: Path) -> list[str]:
    """Of our own command line: one epoch of GA+RT, nothing examined, the model saved."""
    pairs = {"forget": forget, "retain": retain}
    texts = {name: [{key: row[key] for key in ("question", "answer")} for row in part] for name, part in pairs.items()}
    files = {name: write_rows(place / f"{name}.jsonl", part) for name, part in texts.items()}
    words = ["npo.cli", "forget", files["forget"], "--retain", files["retain"], "--model", subject.folders["ours"]]
    words += ["--out", str(place / "ours"), "--method", COMMAND_METHOD, "--epochs", "1", "--batch", str(BATCH)]
    return [*words, "--piece", str(BATCH), "--lr", str(LR), "--prompt", "chat", "--device", "cpu", "evaluate=none"]
