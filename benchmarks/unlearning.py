"""A step of unlearning and TOFU's evaluation against the naive way: time and peak memory, in one run.

**Steps**: a Llama of width 256, 4 layers, vocabulary 8192; batches of 4 forget and 4 retain rows of 80 tokens, 36 of
them answer; float32, two threads. Naive, as in the code that people start from: two models, a forward pass for each set
and model, logits everywhere, torch's AdamW as it comes; and the same with fused AdamW. Ours is `scale.train.Training`
as every recipe runs it, its log included.

**Evaluation**: answer, paraphrase and five perturbed answers to questions of forget01 (of TOFU where NPO_DATA names it,
else of the embedded generator), vocabulary 49152. Naive: every answer a row padded to 200 tokens, batches of 8, logits
everywhere. Ours: `scale.packed`. Small: width 256, 4 layers, 8 questions; 135M: 576 by 30, 4 questions.

Variants take turns; times and ratios within a round are medians over the rounds. Memory is the peak resident set, a
fresh process for each: of steps above what the imports take, models and all; of evaluations above the model's weights.

    python benchmarks/unlearning.py [--quick]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div
from transformers import LlamaConfig, LlamaForCausalLM

from scale.corpora import DataSettings, corpus_of
from scale.formats import format_of
from scale.models import train_tokenizer
from scale.packed import question_of, score_packed
from scale.pairing import order, partner
from scale.processes import Processes
from scale.prompts import Batch, Encoded, Writer, collate
from scale.reference import Cache, Source
from scale.references import kept
from scale.scorer import Scorer
from scale.train import Rows, Schedule, Training, adamw
from theory.losses import npo
from theory.objective import method

BATCH, TIME, ANSWER, STEPS, BETA, ROUNDS = 4, 80, 36, 8, 0.1, 11
ALONE, PAD, SEED = Processes("cpu"), 1, 0
SCHEDULE = Schedule(lr=1e-5, epochs=1, batch=BATCH, piece=BATCH, warmup=0)
STEP_TARGETS = {"NPO+RT": (1.8, 0.75), "NPO+KL": (1.9, 0.8)}
EVALUATIONS = {"small": (256, 4, 4, 704, 8, 6.0), "135M": (576, 30, 9, 1536, 4, 5.5)}


def llama(width: int, layers: int, heads: int, feed_forward: int, vocab: int, *, tied: bool) -> LlamaForCausalLM:
    """Random weights, the same whenever it is called."""
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=0,
    )
    torch.manual_seed(SEED)
    return LlamaForCausalLM(config)


# --- a step -----------------------------------------------------------------------------------------------------


def rows() -> Rows:
    """As many as `STEPS` batches need."""
    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(2, 8192, (2, BATCH * STEPS, TIME), generator=generator).tolist()
    forget, retain = ([Encoded(tuple(one), TIME - ANSWER) for one in part] for part in ids)
    return Rows(forget, retain)


class Naive:
    """Two models, a forward pass for each set and model, all logits."""

    def __init__(self, name: str, *, fused: bool = False) -> None:
        self.kl = name == "NPO+KL"
        self.model, self.reference = _small(), _small()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, weight_decay=0.01, fused=fused or None)
        self.given = rows()

    def batches(self) -> Iterator[tuple[Batch, Batch]]:
        """The same rows, in the same order and pairs, as the training loop takes."""
        n = len(self.given.forget)
        indices = order(SEED, 0, n)
        for start in range(0, n, BATCH):
            chosen = indices[start : start + BATCH]
            partners = [partner(SEED, 0, i, forget=n, retain=n) for i in chosen]
            yield (
                collate([self.given.forget[i] for i in chosen], PAD),
                collate([self.given.retain[i] for i in partners], PAD),
            )

    def loss(self, forget: Batch, retain: Batch) -> Tensor:
        """The objective, as its formula reads."""
        logp = -_token_nll(self.model, forget).sum(-1)
        with torch.no_grad():
            ref_logp = -_token_nll(self.reference, forget).sum(-1)
        if not self.kl:
            return npo(logp, ref_logp, beta=BETA).mean() + _token_nll(self.model, retain).sum(-1).mean()
        own = torch.log_softmax(_logits(self.model, retain)[:, :-1], -1)
        with torch.no_grad():
            other = torch.log_softmax(_logits(self.reference, retain)[:, :-1], -1)
        where = retain.labels[:, 1:] != -100
        kl = kl_div(own, other, reduction="none", log_target=True).sum(-1)[where].mean()
        return npo(logp, ref_logp, beta=BETA).mean() + kl

    def epoch(self) -> None:
        """All steps."""
        for forget, retain in self.batches():
            self.loss(forget, retain).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()

    def gradient(self) -> list[Tensor]:
        """Of the first batch."""
        self.loss(*next(self.batches())).backward()
        return [p.grad for p in self.model.parameters() if p.grad is not None]


class Recorder(torch.optim.SGD):
    """Keeps the first gradient that it is given, and takes no step."""

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Only look."""
        self.first = getattr(self, "first", None) or [p.grad.clone() for p in self.param_groups[0]["params"]]


class Ours:
    """The training loop of `scale`, with its kept reference."""

    def __init__(self, name: str, *, recorder: bool = False) -> None:
        objective = method(name, **({} if name.startswith("GA") else {"beta": BETA}))
        self.scorer, given = Scorer(_small()), rows()
        source = Source(self.scorer, "random", PAD, ALONE)
        with tempfile.TemporaryDirectory() as folder:
            reference = kept(Cache(Path(folder)), source, objective, given)
        make = (lambda parameters, _: Recorder(parameters, lr=0.0)) if recorder else adamw
        self.training = Training(
            self.scorer, objective, given, SCHEDULE, SEED, PAD, ALONE, reference, make_optimizer=make
        )

    def epoch(self) -> None:
        """All steps."""
        for _ in self.training.run():
            pass

    def gradient(self) -> list[Tensor]:
        """Of the first batch."""
        self.epoch()
        return self.training.optimizer.optimizer.first


def _small() -> LlamaForCausalLM:
    return llama(256, 4, 4, 704, 8192, tied=False)


def _logits(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    return model(input_ids=batch.ids, attention_mask=batch.mask).logits


def _token_nll(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    logits = _logits(model, batch)[:, :-1].contiguous()
    return cross_entropy(logits.transpose(-1, -2), batch.labels[:, 1:].contiguous(), reduction="none")


# --- evaluation ---------------------------------------------------------------------------------------------------


def examined(count: int) -> list[list[Encoded]]:
    """The seven answers to each of so many questions, in token ids."""
    source = os.environ.get("NPO_DATA", "fictional")
    corpus = corpus_of(
        DataSettings(source=source, forget="forget01", **({"authors": 100} if source == "fictional" else {}))
    )
    asked = corpus.asked.forget[:count]
    texts = [[row.answer, row.paraphrased_answer, *row.perturbed_answer] for row in asked]
    tokenizer = train_tokenizer(
        [t for row in (*corpus.retain, *corpus.forget) for t in (row.question, row.answer)], 49152
    )
    writer = Writer(tokenizer, format_of("plain"), 2048)
    return [[writer.encode(row.question, t) for t in some] for row, some in zip(asked, texts, strict=True)]


@torch.no_grad()
def padded(scorer: Scorer, questions: list[list[Encoded]]) -> Tensor:
    """NLL a token, every answer a row of 200 tokens."""
    every = [row for some in questions for row in some]
    found = []
    for start in range(0, len(every), 8):
        part = every[start : start + 8]
        longest = Encoded((PAD,) * 200, 200)
        batch = Batch(*(tensor[:-1] for tensor in collate([*part, longest], PAD)))
        logits = scorer.model(input_ids=batch.ids, attention_mask=batch.mask).logits[:, :-1].contiguous()
        labels = batch.labels[:, 1:].contiguous()
        nll = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
        found.append(nll.sum(-1) / (labels != -100).sum(-1))
    return torch.cat(found)


def packed(scorer: Scorer, questions: list[list[Encoded]]) -> Tensor:
    """The same, as `scale.evaluate` does it."""
    found = score_packed(scorer, [q for some in questions for q in question_of(some)], PAD, ALONE, tokens=2048)
    return -found.logp / found.tokens


class Evaluation(NamedTuple):
    """A model and its questions."""

    scorer: Scorer
    questions: list[list[Encoded]]

    @classmethod
    def of(cls, size: str) -> "Evaluation":
        """By the name of its size."""
        width, layers, heads, feed_forward, count, _ = EVALUATIONS[size]
        return cls(Scorer(llama(width, layers, heads, feed_forward, 49152, tied=True).eval()), examined(count))


# --- measuring ----------------------------------------------------------------------------------------------------


def _epoch(kind: type[Naive] | type[Ours], name: str) -> int:
    kind(name).epoch()
    return 0


def _examination(how: Callable[[Scorer, list[list[Encoded]]], Tensor], size: str) -> int:
    given = Evaluation.of(size)
    how(*given)
    return sum(p.numel() * p.itemsize for p in given.scorer.parameters())


MEASURED: dict[str, Callable[[], int]] = {
    **{f"{name} naive": partial(_epoch, Naive, name) for name in STEP_TARGETS},
    **{f"{name} ours": partial(_epoch, Ours, name) for name in STEP_TARGETS},
    **{f"{size} naive": partial(_examination, padded, size) for size in EVALUATIONS},
    **{f"{size} ours": partial(_examination, packed, size) for size in EVALUATIONS},
}
"""By name: does it, and gives the bytes that are not counted."""


def peak(name: str) -> float:
    """Peak resident set above the imports, less what is not counted, in MiB; as in `benchmarks/logprobs.py`."""
    command = [sys.executable, __file__, "--peak", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_peak(name: str) -> None:
    torch.ones(64, 64).requires_grad_().mm(torch.ones(64, 64)).sum().backward()  # the libraries' own memory
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    apart = MEASURED[name]()
    unit = 1024 if sys.platform != "darwin" else 2**20  # ru_maxrss is in KiB, on macOS in bytes
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit - apart / 2**20)


def in_turn(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every variant in every round, the first of which warms up."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for i in range(rounds + 1):
        for name, run in variants.items():
            started = time.perf_counter()
            run()
            if i:
                taken[name].append(time.perf_counter() - started)
    return taken


def _factor(taken: dict[str, list[float]], slow: str, fast: str) -> float:
    return statistics.median(a / b for a, b in zip(taken[slow], taken[fast], strict=True))


def _verdict(value: float, target: float, meets: bool) -> str:
    return f"{value:.3g} ({'meets' if meets else 'MISSES'} {target:g})"


def steps(rounds: int, memory: dict[str, float]) -> None:
    """Print what a step costs."""
    for name, (fast, small) in STEP_TARGETS.items():
        variants = {"naive": Naive(name).epoch, "fused": Naive(name, fused=True).epoch, "ours": Ours(name).epoch}
        taken = in_turn(variants, rounds)
        factor, share = _factor(taken, "naive", "ours"), memory[f"{name} ours"] / memory[f"{name} naive"]
        pairs = zip(Naive(name).gradient(), Ours(name, recorder=True).gradient(), strict=True)
        off = max(float((a - b).norm() / a.norm()) for a, b in pairs)
        each = {key: 1000 * statistics.median(times) / STEPS for key, times in taken.items()}
        print(
            f"{name} step: {each['naive']:.0f} ms naive ({each['fused']:.0f} with fused AdamW), {each['ours']:.0f} ms; "
            f"{_verdict(factor, fast, factor >= fast)} × as fast, {_factor(taken, 'fused', 'ours'):.3g} × with both "
            f"fused; memory {_verdict(share, small, share <= small)} of {memory[f'{name} naive']:.0f} MiB; "
            f"gradient {_verdict(off, 1e-5, off <= 1e-5)}",
            flush=True,
        )
    taken = in_turn({name: Ours(name).epoch for name in ("GA+RT", "NPO+RT")}, rounds)
    costs = _factor(taken, "NPO+RT", "GA+RT")
    print(f"NPO+RT step over GA+RT step: {_verdict(costs, 1.1, costs <= 1.1)}")


def evaluations(rounds: int, memory: dict[str, float], sizes: list[str]) -> None:
    """Print what an examination costs."""
    for size in sizes:
        given, target = Evaluation.of(size), EVALUATIONS[size][-1]
        taken = in_turn({"naive": partial(padded, *given), "ours": partial(packed, *given)}, rounds)
        factor, share = _factor(taken, "naive", "ours"), memory[f"{size} ours"] / memory[f"{size} naive"]
        off = float((padded(*given) - packed(*given)).abs().max())
        print(
            f"evaluation, {size}: {statistics.median(taken['naive']):.2f} s naive, "
            f"{statistics.median(taken['ours']):.2f} s; {_verdict(factor, target, factor >= target)} × as fast; "
            f"memory {_verdict(share, 0.22, share <= 0.22)} of {memory[f'{size} naive']:.0f} MiB; "
            f"NLL {_verdict(off, 5e-6, off <= 5e-6)}",
            flush=True,
        )


def main() -> None:
    """Print a line for each claim."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three rounds, without the model of 135M")
    parser.add_argument("--peak", choices=list(MEASURED), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.peak:
        _print_peak(arguments.peak)
        return
    sizes = ["small"] if arguments.quick else list(EVALUATIONS)
    memory = {name: peak(name) for name in MEASURED if name.split()[0] in (*STEP_TARGETS, *sizes)}
    steps(3 if arguments.quick else ROUNDS, memory)
    evaluations(3, memory, sizes)


if __name__ == "__main__":
    main()
