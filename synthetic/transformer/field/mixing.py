"""Does the order of methods change when all are brought to equal retention? After arXiv:2406.09179.

Each method ends at a θ of its own, with more or less lost of what was to be kept. Mixed with the reference,

    θ(a) = (1 − a) θ_ref + a θ,      0 ≤ a ≤ 1

every method can be had at the same retention. Arrays `<method>-<seed>.forget`, `.retain` over a of `SHARES`: mean
π^{1/|y|} of the forget and of the kept answers in the small language; forgetting is a low first one.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthetic.transformer import language
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Learnt, Parameters, learnt, looked_at
from synthetic.transformer.language import WORDS, Community
from synthetic.transformer.model import Config
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import Sequences
from synthetic.transformer.stacked import all_log_probs, stack, stack_sequences
from theory.objective import METHODS, Objective, defaults, kernels, method, takes

__all__ = ["SHARES", "mixing"]

SHARES = np.linspace(0, 1, 21)
RATE, BETA, OVERLAP = 3e-3, 0.5, 0.5


def mixing(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file, of the twelve methods under AdamW."""
    optimiser = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.01)
    subjects = {seed: _subject(sizes, seed) for seed in sizes.seeds}
    cases = {
        f"{name}-{seed}": Case(_objective(name), optimiser, subject.reference, subject.split)
        for name in METHODS
        for seed, subject in subjects.items()
    }
    config = sizes.shape.reader

    def look(label: str, theta: Parameters) -> dict[str, list[float]]:
        subject = subjects[int(label.rpartition("-")[2])]
        mixed = stack(_mixed(subject.reference, theta, float(a)) for a in SHARES)
        parts = {"forget": subject.split.forget, "retain": subject.split.retain}
        return {side: _probabilities(mixed, rows, config) for side, rows in parts.items()}

    found = looked_at(cases, config, [sizes.steps // 5], look)
    return {name: x[-1] for name, x in found.items()}


def _subject(sizes: FieldSizes, seed: int) -> Learnt:
    shape = sizes.shape
    split = language.draw(Community(shape.forget, shape.retain, OVERLAP), seed).split
    return learnt(shape.reader, split, shape.training, seed)


def _objective(name: str) -> Objective:
    needed = takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name)
    return method(name, **({"beta": BETA} if needed else {}))


def _mixed(reference: Parameters, theta: Parameters, share: float) -> dict[str, Tensor]:
    return {name: torch.lerp(p, theta[name], share) for name, p in reference.items()}


def _probabilities(models: Parameters, rows: Sequences, config: Config) -> list[float]:
    """Mean over the rows of π^{1/|y|} of each model; the rows are answers of `WORDS` tokens."""
    logp = all_log_probs(config, stack_sequences([rows] * len(SHARES)))(models)
    return [float(x) for x in (logp / WORDS).exp().mean(dim=1)]
