"""A training step on rows without padding against the same rows padded, in one run: time, gradient, share of the core.

A Llama of width 256, 4 layers, vocabulary 8192; batches of 8 forget and 8 retain rows as long as TOFU's in a chat
template, float32, one thread, the training loop of `scale` for both. The share is 6 · weights · tokens, the head for
answers alone, a second, over what the product of two 1024 × 1024 matrices reaches in the same run.

    python benchmarks/padding.py [--quick]
"""

import argparse
import statistics
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from benchmarks._measure import factor, in_turn, verdict
from benchmarks.unlearning import ALONE, BETA, PAD, SEED, llama
from scale.data.prompts import Encoded
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.training.batches import TrainingRows, batches
from scale.training.loop import Training
from scale.training.reference_lookup import cached_reference
from scale.training.schedule import Schedule
from theory.objective import method

BATCH, VOCAB, ROUNDS = 8, 8192, 11
LENGTHS = ((29, 20), (33, 28), (25, 17), (36, 31), (31, 45), (28, 24), (40, 44), (27, 13))
"""Tokens of prompt and answer, the end token included: 58 a row in the mean, 84 the longest."""
TARGETS = {"NPO+RT": 1.15, "GA+RT": 1.15}


def rows() -> TrainingRows:
    """One batch of each set."""
    generator = torch.Generator().manual_seed(SEED)
    forget, retain = (
        [
            Encoded(tuple(torch.randint(2, VOCAB, (prompt + answer,), generator=generator).tolist()), prompt)
            for prompt, answer in some
        ]
        for some in (LENGTHS, LENGTHS[::-1])
    )
    return TrainingRows(forget, retain)


def training(name: str) -> Training:
    """The loop of every recipe, with its kept reference."""
    objective = method(name, **({"beta": BETA} if name.startswith("NPO") else {}))
    scorer = Scorer(llama(256, 4, 4, 704, VOCAB, tied=False))
    with TemporaryDirectory() as folder:
        model = ReferenceModel(scorer, "random", PAD, ALONE)
        reference = cached_reference(ReferenceCache(Path(folder)), model, objective, rows())
    schedule = Schedule(lr=1e-6, epochs=1, batch=BATCH, piece=BATCH, warmup=0)
    return Training(scorer, objective, rows(), schedule, seed=SEED, pad=PAD, processes=ALONE, reference=reference)


def step(made: Training, *, unpadded: bool) -> None:
    """A step of one way of reading."""
    made.loss.module.unpadded = unpadded
    list(made.run())


def gradient(made: Training, *, unpadded: bool) -> Tensor:
    """Of the batch, all parameters one after another."""
    made.loss.module.unpadded = unpadded
    made.scorer.zero_grad()
    (batch,) = batches(made.rows, made.objective, size=BATCH, seed=SEED, epoch=0)
    made.loss.gradient(batch)
    return torch.cat([p.grad.flatten() for p in made.scorer.parameters() if p.grad is not None])


def matrix_speed() -> float:
    """Multiplications and additions a second of a large product."""
    a, b = torch.randn(2, 1024, 1024)
    torch.mm(a, b)
    started = time.perf_counter()
    for _ in range(10):
        torch.mm(a, b)
    return 10 * 2 * 1024**3 / (time.perf_counter() - started)


def operations(made: Training) -> float:
    """6 · weights · tokens of a step, the head for answer tokens alone, without attention."""
    every = [*made.rows.forget, *made.rows.retain]
    head = made.loss.module.head().weight.numel()
    inside = sum(p.numel() for p in made.scorer.parameters()) - 2 * head  # its embedding multiplies nothing
    return 6.0 * (inside * sum(len(row.ids) for row in every) + head * sum(row.targets for row in every))


def main() -> None:
    """A line for each method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three rounds")
    rounds = 3 if parser.parse_args().quick else ROUNDS
    torch.set_num_threads(1)
    for name, least in TARGETS.items():
        made = training(name)
        plain, ours = (gradient(made, unpadded=unpadded) for unpadded in (False, True))
        off = float((plain - ours).norm() / plain.norm())
        ways = {"padded": partial(step, made, unpadded=False), "unpadded": partial(step, made, unpadded=True)}
        taken = in_turn(ways, rounds)
        share = operations(made) / statistics.median(taken["unpadded"]) / matrix_speed()
        faster = verdict(factor(taken, "padded", "unpadded"), least, least=True)
        print(
            f"{name} step without padding: {faster} × as fast; "
            f"gradient {verdict(off, 1e-5, least=False)}; {share:.0%} of the core's matrix speed",
            flush=True,
        )


if __name__ == "__main__":
    main()
