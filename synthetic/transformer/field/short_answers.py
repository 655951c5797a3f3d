"""Is NPO worse on short answers? After arXiv:2410.07163, which has answers of 5 and of 20 tokens in one forget set.

NPO's weight is that of the whole answer: with n tokens that fall alike, βu = (nβ) · (drop a token), so that a token is
slowed down by nβ. Here a transformer knows answers of both lengths. Arrays `<run>-<seed>.<name>` over looks, plain
descent; runs are `both` (the whole forget set at β = BETA) and, at the ends of the rule, `<n>-<β>` (one length alone):

    short, long   nats a token that answers of either length have lost; those that are not in the run by themselves

and `steps`, how many had been taken at each look.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from synthetic.grid import log_grid
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Learnt, Parameters, learnt, looked_at
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import Sequences, draw
from theory.logprobs import IGNORE
from theory.objective import method

__all__ = ["ALONE", "BETA", "LENGTHS", "short_answers"]

LENGTHS = {"short": 5, "long": 20}
BETA, RATE = 0.1, 1e-2
ALONE = (("short", BETA), ("short", 4 * BETA), ("long", BETA))
"""One length alone and its β; nβ of the last two is the same."""


def short_answers(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    descent = partial(torch.optim.SGD, lr=RATE)
    of_one_length = partial(torch.optim.SGD, lr=RATE)  # of its own: what has other rows does not go together
    subjects = {seed: _subject(sizes, seed) for seed in sizes.seeds}
    cases = dict[str, Case]()
    for seed, subject in subjects.items():
        split = subject.split
        cases[f"both-{seed}"] = Case(method("NPO", beta=BETA), descent, subject.reference, split)
        for length, beta in ALONE:
            alone = split.each(partial(_of, length=length))._replace(retain=split.retain)
            cases[f"{length}-{beta:g}-{seed}"] = Case(method("NPO", beta=beta), of_one_length, subject.reference, alone)
    config = next(iter(subjects.values())).config
    start = {seed: _per_token(subject.reference, subject) for seed, subject in subjects.items()}

    def look(label: str, theta: Parameters) -> dict[str, float]:
        seed = int(label.rpartition("-")[2])
        now = _per_token(theta, subjects[seed])
        return {length: start[seed][length] - x for length, x in now.items()}

    at = log_grid(sizes.steps, 12)
    return looked_at(cases, config, at, look) | {"steps": np.array(at)}


def _subject(sizes: FieldSizes, seed: int) -> Learnt:
    """Half of the forget and half of the kept answers are short."""
    shape = replace(sizes.shape, answer=LENGTHS["long"])
    split = draw(shape.sizes, seed).each(partial(_half_short, prompt=shape.prompt))
    return learnt(shape.config, split, shape.training, seed)


def _half_short(rows: Sequences, prompt: int) -> Sequences:
    labels = rows.labels.clone()
    labels[: len(labels) // 2, prompt + LENGTHS["short"] :] = IGNORE
    return Sequences(rows.tokens, labels)


def _of(rows: Sequences, length: str) -> Sequences:
    half = len(rows.tokens) // 2
    return rows.pick(0, half) if length == "short" else rows.pick(half, 2 * half)


def _per_token(theta: Parameters, subject: Learnt) -> dict[str, float]:
    found = {}
    for length, tokens in LENGTHS.items():
        logp = log_probs(subject.config, _of(subject.split.forget, length))(theta)
        found[length] = float(logp.mean()) / tokens
    return found
