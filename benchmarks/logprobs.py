"""Log-probabilities of answers from hidden states, against the naive way: time and peak memory, in one run.

Eight sequences of 256 positions, 64 answer tokens each (512 rows of 2048), width 576, float32, two threads: the NPO
loss and its gradient. Naive: logits at every position, a shifted copy, log_softmax, gather. Ours is
`theory.logprobs.summed` in five forms:

    unchunked        the default where the logits of the answers fit the budget: autograd, as often as you like
    in one chunk     the same with `weight`: the gradient is made in the forward pass, in the place of the logits
    in the forward   chunks of four answers, with `weight`
    in the backward  chunks of four answers, without: the logits are computed twice
    frozen           chunks of four answers, and the head gets no gradient

Variants take turns; times and their ratios within a round are medians over the rounds. Memory is the peak resident set
above the inputs, a fresh process for each.

    python benchmarks/logprobs.py [--quick]
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks._measure import above_imports, in_turn, peak, peak_rss
from benchmarks._measure import factor as faster_than
from theory.logprobs import IGNORE, Head, summed
from theory.losses import npo, npo_weight

BATCH, TIME, ANSWER, CHUNK, WIDTH, BETA, ROUNDS = 8, 256, 64, 256, 576, 0.1, 5
VOCABULARIES = (8192, 49152, 131072)


class Inputs(NamedTuple):
    """What every variant starts from."""

    hidden: Tensor
    weight: Tensor
    labels: Tensor
    reference: Tensor


Result = tuple[Tensor, tuple[Tensor, ...]]


def inputs(vocab: int) -> Inputs:
    """Random hidden states and head, made in place so that no temporary raises the peak."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.empty(BATCH, TIME, WIDTH).normal_(generator=generator)
    weight = torch.empty(vocab, WIDTH).normal_(std=WIDTH**-0.5, generator=generator)
    labels = torch.randint(vocab, (BATCH, TIME), generator=generator)
    labels[:, : TIME - ANSWER] = IGNORE
    reference = -ANSWER * torch.linspace(9, 12, BATCH)
    return Inputs(hidden, weight, labels, reference)


def _gradients(logp: Tensor, given: Inputs, free: tuple[Tensor, ...]) -> Result:
    return logp.detach(), torch.autograd.grad(npo(logp, given.reference, beta=BETA).mean(), free)


def naive(given: Inputs) -> Result:
    """Logits everywhere, shifted copy, log_softmax, gather."""
    hidden, weight = given.hidden.requires_grad_(), given.weight.requires_grad_()
    logits = (hidden @ weight.T)[:, :-1].contiguous()
    targets = given.labels[:, 1:]
    mask = targets != IGNORE
    log_p = torch.log_softmax(logits, dim=-1).gather(-1, targets.masked_fill(~mask, 0)[..., None])[..., 0]
    return _gradients((log_p * mask).sum(1), given, (hidden, weight))


def ours(given: Inputs, *, frozen: bool = False, chunked: bool = True, promise: bool = False) -> Result:
    """`theory.logprobs.summed` in one of its forms."""
    hidden, weight = given.hidden.requires_grad_(), given.weight.requires_grad_(not frozen)
    budget = CHUNK * weight.shape[0] * weight.itemsize if chunked else 2**40
    by_sum = partial(npo_weight, ref_logp=given.reference, beta=BETA) if promise else None
    logp = summed(hidden, Head(weight), given.labels, by_sum, budget=budget).logp
    return _gradients(logp, given, (hidden,) if frozen else (hidden, weight))


VARIANTS: dict[str, Callable[[Inputs], Result]] = {
    "naive": naive,
    "unchunked": partial(ours, chunked=False),
    "in one chunk": partial(ours, chunked=False, promise=True),
    "in the forward": partial(ours, promise=True),
    "in the backward": ours,
    "frozen": partial(ours, frozen=True),
}
# Factor over naive and fraction of its memory that each is meant to reach, by vocabulary.
TARGETS: dict[str, tuple[tuple[float | None, float | None], ...]] = {
    "unchunked": ((4, None), (5, None), (5, None)),
    "in one chunk": ((4, None), (5, None), (5, None)),
    "in the forward": ((3.2, 0.22), (4.5, 0.14), (5, 0.13)),
    "in the backward": ((None, None),) * 3,
    "frozen": ((None, None), (6, 0.05), (6, 0.05)),
}


def seconds(vocab: int, rounds: int) -> dict[str, list[float]]:
    """Time of each variant in each of so many alternating rounds."""
    given = inputs(vocab)
    return in_turn({name: partial(run, given) for name, run in VARIANTS.items()}, rounds)


def differences(vocab: int) -> dict[str, tuple[float, float]]:
    """Largest difference of an answer's log-probability per token (nats), and of a gradient relative to its norm."""
    given = inputs(vocab)
    expected_logp, expected = naive(given)
    found = {}
    for name, run in VARIANTS.items():
        logp, gradients = run(given)
        off = max(float((a - b).norm() / b.norm()) for a, b in zip(gradients, expected, strict=False))
        found[name] = (float((logp - expected_logp).abs().max()) / ANSWER, off)
    return found


def _memory(name: str, vocab: int) -> float:
    """Peak resident set of one variant above imports and inputs, of this process, in MiB."""
    above_imports()
    given = inputs(vocab)
    before = peak_rss()
    VARIANTS[name](given)
    return peak_rss() - before


def _verdict(value: float, target: float | None, better: Callable[[float, float], bool]) -> str:
    return "" if target is None else f"({'meets' if better(value, target) else 'MISSES'} {target:g})"


def main() -> None:
    """One table: speed and memory against the naive way, differences, targets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the vocabulary of 8192 only, three rounds")
    parser.add_argument("--peak", nargs=2, metavar=("VARIANT", "VOCABULARY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.peak:
        print(_memory(arguments.peak[0], int(arguments.peak[1])))
        return
    print(
        "vocabulary  variant           time   x faster              MiB   of naive              Δ log p / token  Δ grad"
    )
    vocabularies = VOCABULARIES[:1] if arguments.quick else VOCABULARIES
    memory = {
        vocab: {name: peak(__file__, name, str(vocab)) for name in VARIANTS} for vocab in vocabularies
    }  # see `peak`
    for i, vocab in enumerate(vocabularies):
        times, off = seconds(vocab, 3 if arguments.quick else ROUNDS), differences(vocab)
        for name, used in memory[vocab].items():
            factor = faster_than(times, "naive", name)
            fraction = used / memory[vocab]["naive"]
            fast, small = TARGETS[name][i] if name in TARGETS else (None, None)
            median = statistics.median(times[name])
            print(
                f"{vocab:10d}  {name:15s} {median:5.2f} s {factor:6.2f} {_verdict(factor, fast, float.__ge__):13s}"
                f" {used:8.0f} {fraction:7.3f} {_verdict(fraction, small, float.__le__):14s}"
                f" {off[name][0]:14.1e} {off[name][1]:8.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
