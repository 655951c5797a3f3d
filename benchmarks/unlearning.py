"""A step of unlearning against the naive way: time and peak memory, in one run.

A Llama of width 256, 4 layers, vocabulary 8192; batches of 4 forget and 4 retain rows of 80 tokens, 36 of them answer;
float32, two threads. Naive, as in the code that people start from: two models, a forward pass for each set and model,
logits everywhere, torch's AdamW as it comes; and the same with fused AdamW. Ours is `scale.training.loop.Training` as
every recipe runs it, its log included. Losses of tokens (SimNPO, WGA, TNPO) are compared with NPO, and the memory of
one of logits (UNDIAL) with the naive way at a vocabulary of 49152, tied, and 8 rows: all of it, and what it takes
beside weights, gradients and moments.

Variants take turns; times and ratios within a round are medians over the rounds. Memory is the peak resident set above
what the imports take, models and all, a fresh process for each.

    python benchmarks/unlearning.py [--quick]
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, one_hot
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks._measure import above_imports, factor, in_turn, peak, peak_rss, verdict
from scale.data.prompts import Batch, Encoded, collate
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training
from scale.training.optimizers import optimizer_of
from scale.training.pairing import order, partner
from scale.training.reference_lookup import cached_reference
from scale.training.schedule import Schedule
from theory.losses import npo
from theory.objective import method

BATCH, TIME, ANSWER, STEPS, BETA, ROUNDS = 4, 80, 36, 8, 0.1, 11
ALONE, PAD, SEED = Processes("cpu"), 1, 0
SCHEDULE = Schedule(lr=1e-5, epochs=1, batch=BATCH, piece=BATCH, warmup=0)
TARGETS = {"NPO+RT": (1.8, 0.75), "NPO+KL": (1.9, 0.8)}
OVER_NPO = {"SimNPO+RT": 1.05, "WGA+RT": 1.1, "TNPO+RT": 1.1}
"""At most so many times the step of NPO+RT."""
WIDE, WIDE_SHARE = 49152, 0.5
"""Vocabulary of the loss of logits, and the share of the naive memory that it may take."""


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


def rows() -> TrainingRows:
    """As many as `STEPS` batches need."""
    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(2, 8192, (2, BATCH * STEPS, TIME), generator=generator).tolist()
    forget, retain = ([Encoded(tuple(one), TIME - ANSWER) for one in part] for part in ids)
    return TrainingRows(forget, retain)


class Naive:
    """Two models, a forward pass for each set and model, all logits."""

    def __init__(self, name: str, *, fused: bool = False) -> None:
        self.name = name
        self.model, self.reference = _model(name), _model(name)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, weight_decay=0.01, fused=fused or None)
        self.given = rows()

    def batches(self) -> Iterator[tuple[Batch, Batch]]:
        """Forget and retain rows, in the order and the pairs that the training loop takes."""
        n = len(self.given.forget)
        indices = order(SEED, 0, n)
        size = _batch(self.name)
        for start in range(0, n, size):
            chosen = indices[start : start + size]
            partners = [partner(SEED, 0, i, forget=n, retain=n) for i in chosen]
            yield (
                collate([self.given.forget[i] for i in chosen], PAD),
                collate([self.given.retain[i] for i in partners], PAD),
            )

    def loss(self, forget: Batch, retain: Batch) -> Tensor:
        """The objective, as its formula reads."""
        if self.name == "UNDIAL":
            return self._undial(forget)
        logp = -_token_nll(self.model, forget).sum(-1)
        with torch.no_grad():
            ref_logp = -_token_nll(self.reference, forget).sum(-1)
        if self.name != "NPO+KL":
            return npo(logp, ref_logp, beta=BETA).mean() + _token_nll(self.model, retain).sum(-1).mean()
        own = torch.log_softmax(_logits(self.model, retain)[:, :-1], -1)
        with torch.no_grad():
            other = torch.log_softmax(_logits(self.reference, retain)[:, :-1], -1)
        where = retain.labels[:, 1:] != -100
        kl = kl_div(own, other, reduction="none", log_target=True).sum(-1)[where].mean()
        return npo(logp, ref_logp, beta=BETA).mean() + kl

    def _undial(self, forget: Batch) -> Tensor:
        """The cross-entropy to the reference's distribution without what the true token has above the others."""
        labels = forget.labels[:, 1:]
        with torch.no_grad():
            other = _logits(self.reference, forget)[:, :-1]
            other = other - 10.0 * one_hot(labels.clamp(min=0), other.shape[-1])
        own = _logits(self.model, forget)[:, :-1]
        values = -(other.softmax(-1) * own.log_softmax(-1)).sum(-1)
        return values[labels != -100].mean()

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
        objective = method(name, **({"beta": BETA} if name.startswith("NPO") else {}))
        self.scorer, given = Scorer(_model(name)), rows()
        reference_model = ReferenceModel(self.scorer, "random", PAD, ALONE)
        with tempfile.TemporaryDirectory() as folder:
            reference = cached_reference(ReferenceCache(Path(folder)), reference_model, objective, given)
        make = (lambda parameters, _: Recorder(parameters, lr=0.0)) if recorder else optimizer_of
        self.training = Training(
            self.scorer,
            objective,
            given,
            SCHEDULE.model_copy(update={"batch": _batch(name), "piece": _batch(name)}),
            seed=SEED,
            pad=PAD,
            processes=ALONE,
            reference=reference,
            make_optimizer=make,
        )

    def epoch(self) -> None:
        """All steps."""
        for _ in self.training.run():
            pass

    def gradient(self) -> list[Tensor]:
        """Of the first batch."""
        self.epoch()
        return self.training.optimizer.optimizer.first


def _batch(name: str) -> int:
    return 2 * BATCH if name == "UNDIAL" else BATCH


def _model(name: str) -> LlamaForCausalLM:
    wide = name == "UNDIAL"
    return llama(256, 4, 4, 704, WIDE if wide else 8192, tied=wide)


def _logits(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    return model(input_ids=batch.ids, attention_mask=batch.mask).logits


def _token_nll(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    logits = _logits(model, batch)[:, :-1].contiguous()
    return cross_entropy(logits.transpose(-1, -2), batch.labels[:, 1:].contiguous(), reduction="none")


# --- measuring ----------------------------------------------------------------------------------------------------


def _epoch(kind: type[Naive] | type[Ours], name: str) -> None:
    kind(name).epoch()


MEASURED: dict[str, Callable[[], None]] = {
    **{f"{name} naive": partial(_epoch, Naive, name) for name in (*TARGETS, "UNDIAL")},
    **{f"{name} ours": partial(_epoch, Ours, name) for name in (*TARGETS, "UNDIAL")},
}


def compare(name: str, rounds: int, memory: dict[str, float]) -> None:
    """Print what a step of a method costs."""
    fast, small = TARGETS[name]
    variants = {"naive": Naive(name).epoch, "fused": Naive(name, fused=True).epoch, "ours": Ours(name).epoch}
    taken = in_turn(variants, rounds)
    share = memory[f"{name} ours"] / memory[f"{name} naive"]
    pairs = zip(Naive(name).gradient(), Ours(name, recorder=True).gradient(), strict=True)
    off = max(float((a - b).norm() / a.norm()) for a, b in pairs)
    each = {key: 1000 * statistics.median(times) / STEPS for key, times in taken.items()}
    print(
        f"{name} step: {each['naive']:.0f} ms naive ({each['fused']:.0f} with fused AdamW), {each['ours']:.0f} ms; "
        f"{verdict(factor(taken, 'naive', 'ours'), fast, least=True)} × as fast, "
        f"{factor(taken, 'fused', 'ours'):.3g} × with both fused; "
        f"memory {verdict(share, small, least=False)} of {memory[f'{name} naive']:.0f} MiB; "
        f"gradient {verdict(off, 1e-5, least=False)}",
        flush=True,
    )


def main() -> None:
    """Print a line for each claim."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--peak", choices=list(MEASURED), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.peak:
        before = above_imports()
        MEASURED[arguments.peak]()
        print(peak_rss() - before)
        return
    rounds = 3 if arguments.quick else ROUNDS
    memory = {name: peak(__file__, name) for name in MEASURED}
    for name in TARGETS:
        compare(name, rounds, memory)
    held = 4 * 4 * _model("UNDIAL").num_parameters() / 2**20
    naive, ours = memory["UNDIAL naive"], memory["UNDIAL ours"]
    said = verdict((ours - held) / (naive - held), WIDE_SHARE, least=False)
    print(
        f"UNDIAL: memory {ours / naive:.2f} of {naive:.0f} MiB; beside weights, gradients, moments {said}", flush=True
    )
    taken = in_turn({name: Ours(name).epoch for name in ("GA+RT", "NPO+RT", *OVER_NPO)}, rounds)
    print(f"NPO+RT step over GA+RT step: {verdict(factor(taken, 'NPO+RT', 'GA+RT'), 1.1, least=False)}")
    for name, most in OVER_NPO.items():
        print(f"{name} step over NPO+RT step: {verdict(factor(taken, name, 'NPO+RT'), most, least=False)}")


if __name__ == "__main__":
    main()
