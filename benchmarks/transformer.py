"""Many small transformers unlearned together against one after the other, in one run: time ratios for equal ends.

Baseline: one run at a time, each a plain loop of autograd on one model (`synthetic.transformer.model.log_probs`). Ours:
the same runs stacked (`synthetic.transformer.descent`). Runs differ in seed and β; what they end at must agree to
float32. Rounds alternate, medians are compared, on one thread and on all.

    python benchmarks/transformer.py
"""

import statistics
import sys
import time
from collections.abc import Mapping
from functools import partial
from importlib import metadata

import torch
from torch import Tensor

from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.model import initial, log_probs
from synthetic.transformer.presets import FULL
from synthetic.transformer.sequences import SequenceSplit, draw
from theory.objective import method

ROUNDS, LR = 3, 3e-3
CONFIG = FULL.shape.config
SETTINGS = (("one sequence alone", 1, 30, 30), ("a set of 40", 40, 5, 12), ("a set of 40", 40, 10, 6))


def cases(sequences: int, runs: int) -> dict[str, Case]:
    """NPO with five values of β on as many seeds as that takes, from random models."""
    descent = partial(torch.optim.SGD, lr=LR)
    found = {}
    for k in range(runs):
        split = draw(FULL.shape.sizes, k // 5)
        split = SequenceSplit(split.forget.pick(0, sequences), split.retain, split.positive.pick(0, sequences))
        model = initial(CONFIG, torch.Generator().manual_seed(k))
        found[f"{k}"] = Case(method("NPO", beta=FULL.law.betas[k % 5]), descent, model, split)
    return found


def one_at_a_time(all_cases: Mapping[str, Case], steps: int) -> dict[str, Mapping[str, Tensor]]:
    """The obvious way."""
    ends: dict[str, Mapping[str, Tensor]] = {}
    for label, case in all_cases.items():
        theta = {name: p.clone().requires_grad_() for name, p in case.reference.items()}
        logp = log_probs(CONFIG, case.split.forget)
        with torch.no_grad():
            ref_logp = logp(theta)
        optimiser = case.optimiser(list(theta.values()))
        for _ in range(steps):
            optimiser.zero_grad()
            case.objective({"logp": logp(theta), "ref_logp": ref_logp}).total.backward()
            optimiser.step()
        ends[label] = {name: p.detach() for name, p in theta.items()}
    return ends


def together(all_cases: Mapping[str, Case], steps: int) -> dict[str, Mapping[str, Tensor]]:
    """Ours."""
    ends: dict[str, Mapping[str, Tensor]] = {}

    def observe(label: str, step: int, parameters: Mapping[str, Tensor]) -> bool:
        ends[label] = {name: p.clone() for name, p in parameters.items()}
        return True

    unlearn_all(CONFIG, all_cases, at=(0, steps), observe=observe)
    return ends


def furthest(a: Mapping[str, Mapping[str, Tensor]], b: Mapping[str, Mapping[str, Tensor]]) -> float:
    """Largest difference of a parameter."""
    return max(float((a[label][name] - b[label][name]).abs().max()) for label in a for name in a[label])


def compare(name: str, sequences: int, runs: int, steps: int) -> None:
    """Print one line."""
    found = cases(sequences, runs)
    times: dict[str, list[float]] = {"alone": [], "together": []}
    ends = {"alone": one_at_a_time(found, 1), "together": together(found, 1)}  # warm
    for _ in range(ROUNDS):
        for label, run in (("alone", one_at_a_time), ("together", together)):
            started = time.perf_counter()
            ends[label] = run(found, steps)
            times[label].append(time.perf_counter() - started)
    alone, ours = (statistics.median(times[label]) for label in ("alone", "together"))
    apart = furthest(ends["alone"], ends["together"])
    print(
        f"{name:20} {runs:3} runs  {1e3 * alone / runs / steps:7.2f} ms a step alone  "
        f"{1e3 * ours / runs / steps:7.2f} together  {alone / ours:5.2f} ×   parameters within {apart:.0e}"
    )


def main() -> None:
    """All settings, on one thread and on all."""
    print(f"python {sys.version.split()[0]}, torch {metadata.version('torch')}, median of {ROUNDS} rounds")
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        print(f"{threads} thread(s)")
        for setting in SETTINGS:
            compare(*setting)


if __name__ == "__main__":
    main()
