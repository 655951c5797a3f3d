"""Our side of `benchmarks/peer.py`, in a process of its own: what `benchmarks/_peer_side.py` does, with `scale`.

python -m benchmarks._peer_ours JOB.json
"""

import json
import statistics
import sys
import tempfile
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks._peer_side import Clock, Job, Talk, command, peak
from benchmarks.unlearning import llama
from scale.data.formats import format_of
from scale.data.prompts import Encoded, Writer
from scale.data.tofu import read_rows
from scale.evaluation.asked import tofu_sets, with_metrics
from scale.evaluation.exam import Exam, examine
from scale.evaluation.protocols import protocol_of
from scale.models.answering.generation import Generation
from scale.models.folders.language_model import LanguageModel, max_length, save
from scale.models.loading.scratch import train_tokenizer
from scale.models.loading.whole import load
from scale.models.reading.scorer import Scorer
from scale.models.reading.unpadded import shared
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.reference_lookup import cached_reference
from scale.training.schedule import Schedule
from theory.objective import method

SIDE, TIMES = 1024, 8
"""Of the square matrices whose product says how fast the cores are, and how often they are multiplied."""


def steps(job: Job, talk: Talk) -> None:
    """Train in turns, by the training loop of `scale`, its reference computed before as in every recipe."""
    imported = peak()
    alone = Processes("cpu")
    language_model = load(job["model"])
    writer = Writer(language_model.tokenizer, format_of("chat"), max_length(language_model.model))
    rows = TrainingRows(_rows(job["forget"], writer), _rows(job["retain"], writer))
    beta = {"beta": 0.1} if job["method"].startswith("NPO") else {}
    objective, scorer = method(job["method"], **beta), Scorer(language_model.model)
    shape = _shape(language_model)
    del language_model
    reference_model = ReferenceModel(scorer, job["model"], writer.pad, alone)
    with tempfile.TemporaryDirectory() as folder:
        reference = cached_reference(ReferenceCache(Path(folder)), reference_model, objective, rows)
    batch = job["batch"]
    schedule = Schedule(lr=job["lr"], epochs=1, batch=batch, piece=batch, warmup=0)
    training = Training(
        scorer,
        objective,
        rows,
        schedule,
        seed=job["seed"],
        pad=writer.pad,
        processes=alone,
        reference=reference,
        every_step=True,
    )
    share = batch / len(rows.forget)
    tokens = share * sum(len(row.ids) for part in (rows.forget, rows.retain) for row in part)
    parts = (rows.forget, rows.retain) if objective.retain_needs else (rows.forget,)
    read = sum(share * sum(len(row.ids) - 1 for row in part) - (batch - 1) * shared(scorer, part) for part in parts)
    answers = share * sum(row.targets for part in parts for row in part)
    flops = 6 * (shape["body"] * read + shape["head"] * answers)
    about = {"imported": imported, "tokens": tokens, "read": read, "flops": flops}
    clock = Clock(talk, job, about, between=lambda: {"sustained": sustained()})
    any(clock.step() for _ in training.run())


TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'Question: ' + message['content'] + '\\nAnswer:"
    "\\n' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)


def _rows(file: str, writer: Writer) -> list[Encoded]:
    return [writer.encode(row.question, row.answer) for row in read_rows(Path(file), perturbed=False)]


def _shape(language_model: LanguageModel) -> dict[str, int]:
    """Weights that each token passes, and those of the head, which each token of an answer passes."""
    model: Any = language_model.model
    head, tables = (part.weight for part in (model.get_output_embeddings(), model.get_input_embeddings()))
    everything = sum({id(p): p.numel() for p in (*model.parameters(), head, tables)}.values())
    return {"body": everything - sum({id(p): p.numel() for p in (head, tables)}.values()), "head": head.numel()}


def sustained() -> float:
    """Floating-point operations a second of the product of two large float32 matrices."""
    a, b = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    out, taken = torch.empty(SIDE, SIDE), []
    for _ in range(TIMES):
        started = time.perf_counter()
        torch.mm(a, b, out=out)
        taken.append(time.perf_counter() - started)
    return 2 * SIDE**3 / statistics.median(taken)


def examination(job: Job, talk: Talk) -> None:
    """Examine in turns under the protocol that follows the peer's; answers take what all takes beyond the losses."""
    language_model = load(job["model"])
    writer = Writer(language_model.tokenizer, format_of("chat"), max_length(language_model.model))
    files = {name: Path(job["data"]) / file for name, file in job["files"].items()}
    rows = {name: read_rows(file, perturbed=True, paraphrased=name in ASKED_TWICE) for name, file in files.items()}
    asked = with_metrics(tofu_sets(rows), {"forget": ["extraction_strength"]})
    protocol = protocol_of("open-unlearning")
    if job["new_tokens"]:
        protocol = replace(protocol, generation=Generation(job["new_tokens"], prompt_counts=False))
    exam, scorer, alone = Exam.of(asked, protocol, writer), Scorer(language_model.model).eval(), Processes("cpu")
    talk.tell()
    for _ in range(job["turns"]):
        talk.wait()
        started = time.perf_counter()
        examine(scorer, exam, alone, generate=False)
        losses = time.perf_counter() - started
        found = examine(scorer, exam, alone)
        whole = time.perf_counter() - started - losses
        talk.tell(losses=losses, whole=whole, answers=whole - losses, peak=peak(), scores=exam.scores(found))


ASKED_TWICE = ("forget", "retain")
"""Sets whose answers are paraphrased too."""


def small(job: Job, talk: Talk) -> None:
    """A Llama of width 256, 4 layers, 8192 tokens, saved: its tokenizer made from the rows, trained on those asked."""
    rows = [row for name in ASKED_TWICE for row in read_rows(Path(job[name]), perturbed=False)]
    texts = [json.loads(line)["all"] for line in Path(job["texts"]).read_text(encoding="utf8").splitlines()]
    tokenizer = train_tokenizer(texts, 8192)
    tokenizer.chat_template = TEMPLATE
    model = llama(256, 4, 4, 704, 8192, tied=False)
    writer = Writer(tokenizer, format_of("chat"), max_length(model))
    known = TrainingRows([writer.encode(row.question, row.answer) for row in rows])
    schedule = Schedule(lr=2e-3, epochs=job["epochs"], batch=8, piece=8)
    alone = Processes("cpu")
    training = Training(Scorer(model), likelihood, known, schedule, seed=0, pad=writer.pad, processes=alone)
    deque(training.run(), 0)
    save(Path(job["folder"]), LanguageModel(model, tokenizer))
    talk.tell()


DONE = {"steps": steps, "examination": examination, "command": command, "small": small}


def main() -> None:
    """Do what the file says."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    talk = Talk()
    torch.set_num_threads(1)
    DONE[job["what"]](job, talk)


if __name__ == "__main__":
    main()
