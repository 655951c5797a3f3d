"""TOFU's examination of a model against the naive way: time and peak memory, in one run.

Answer, paraphrase and five perturbed answers to questions of forget01 (of TOFU where NPO_DATA names it, else of the
embedded generator), vocabulary 49152, float32, two threads. Naive: every answer a row padded to 200 tokens, batches of
8, logits everywhere. Ours: `scale.models.reading.packed`. Small: width 256, 4 layers, 8 questions; 135M: 576 by 30, 4
questions.

Variants take turns; times and ratios within a round are medians over the rounds. Memory is the peak resident set above
imports and weights, a fresh process for each.

    python benchmarks/evaluation.py [--quick]
"""

import argparse
import os
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks._measure import above_imports, factor, in_turn, peak, peak_rss, verdict
from benchmarks.unlearning import ALONE, PAD, llama
from scale.data.formats import format_of
from scale.data.prompts import Batch, Encoded, Writer, collate
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading.scorer import Scorer
from scale.models.reading.seen import see
from scale.tasks.kinds import corpus_of
from scale.tasks.tofu import TofuSettings

ROUNDS, VOCABULARY = 3, 49152


class Size(NamedTuple):
    """A model, how many questions it is asked, and how many times as fast that is meant to be."""

    shape: tuple[int, int, int, int]  # width, layers, heads, feed-forward width
    questions: int
    target: float


SIZES = {"small": Size((256, 4, 4, 704), 8, 6.0), "135M": Size((576, 30, 9, 1536), 4, 5.5)}


def examined(count: int) -> list[list[Encoded]]:
    """The seven answers to each of so many questions, in token ids."""
    here = os.environ.get("NPO_DATA")
    made_up: dict[str, Any] = {"source": "fictional", "authors": 100}
    corpus = corpus_of(TofuSettings(forget="forget01", **({"source": here} if here else made_up)))
    asked = corpus.asked["forget"].questions[:count]
    tokenizer = train_tokenizer([t for row in (*corpus.retain, *corpus.forget) for t in row.words], VOCABULARY)
    writer = Writer(tokenizer, format_of("plain"), 2048)
    return [[piece for pieces in question.encode(writer) for piece in pieces] for question in asked]


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
    """NLL a token of every answer, packed as `scale.evaluation.exam` does it."""
    found = see(scorer, [tuple((row,) for row in some) for some in questions], PAD, ALONE, tokens=2048)
    return -found.logp / found.tokens


def asked(size: Size) -> tuple[Scorer, list[list[Encoded]]]:
    """A model of random weights and its questions."""
    return Scorer(llama(*size.shape, VOCABULARY, tied=True).eval()), examined(size.questions)


HOW: dict[str, Callable[[Scorer, list[list[Encoded]]], Tensor]] = {"naive": padded, "ours": packed}


def memory_of(size: str, how: str) -> float:
    """Peak resident set above imports and weights, of this process, in MiB."""
    before = above_imports()
    scorer, questions = asked(SIZES[size])
    HOW[how](scorer, questions)
    return peak_rss() - before - sum(p.numel() * p.itemsize for p in scorer.parameters()) / 2**20


def compare(name: str, memory: dict[str, float]) -> None:
    """Print what an examination costs."""
    given, target = asked(SIZES[name]), SIZES[name].target
    taken = in_turn({how: partial(run, *given) for how, run in HOW.items()}, ROUNDS)
    off = float((padded(*given) - packed(*given)).abs().max())
    print(
        f"evaluation, {name}: {statistics.median(taken['naive']):.2f} s naive, "
        f"{statistics.median(taken['ours']):.2f} s; "
        f"{verdict(factor(taken, 'naive', 'ours'), target, least=True)} × as fast; "
        f"memory {verdict(memory['ours'] / memory['naive'], 0.22, least=False)} of {memory['naive']:.0f} MiB; "
        f"NLL {verdict(off, 5e-6, least=False)}",
        flush=True,
    )


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="without the model of 135M")
    parser.add_argument("--peak", nargs=2, metavar=("SIZE", "HOW"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.peak:
        print(memory_of(*arguments.peak))
        return
    sizes = ["small"] if arguments.quick else list(SIZES)
    memory = {size: {how: peak(__file__, size, how) for how in HOW} for size in sizes}
    for size in sizes:
        compare(size, memory[size])


if __name__ == "__main__":
    main()
