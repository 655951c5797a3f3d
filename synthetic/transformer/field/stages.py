"""Does the order of training stages change what unlearning leaves? After arXiv:2510.16629.

The same rows are learnt in three stages, the forget rows in the first or in the last; each stage trains on its own rows
and on those before, until all are known as well as in any other order. Then the same unlearning. Arrays
`<method>-<order>-<seed>.<name>` over looks, <order> `first` or `last`, plain descent:

    drop    nats a token that the forget answers have lost
    kept    nats a token that the kept answers have lost
"""

from functools import partial

import numpy as np
import torch

from synthetic.grid import log_grid
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Parameters, learnt, looked_at
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import Sequences, SequenceSplit, concatenated, draw
from theory.objective import method

__all__ = ["METHODS", "ORDERS", "stages"]

METHODS, ORDERS = ("GA", "NPO"), ("first", "last")
RATE, BETA = 4e-3, 0.5


def stages(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    optimiser = partial(torch.optim.SGD, lr=RATE)
    objectives = {"GA": method("GA"), "NPO": method("NPO", beta=BETA)}
    cases, start = dict[str, Case](), dict[str, dict[str, float]]()
    shape = sizes.shape
    for seed in sizes.seeds:
        split = draw(shape.sizes, seed)
        for order in ORDERS:
            subject = learnt(shape.config, split, shape.training, seed, rows=_rows(split, order))
            for name, objective in objectives.items():
                cases[f"{name}-{order}-{seed}"] = Case(objective, optimiser, subject.reference, split)
                start[f"{name}-{order}-{seed}"] = _per_token(subject.reference, split, sizes)

    def look(label: str, theta: Parameters) -> dict[str, float]:
        now = _per_token(theta, cases[label].split, sizes)
        return {name: start[label][name] - x for name, x in now.items()}

    return looked_at(cases, shape.config, log_grid(sizes.steps, 20), look)


def _rows(split: SequenceSplit, order: str) -> tuple[Sequences, ...]:
    """What each stage trains on."""
    half = len(split.retain.tokens) // 2
    parts = [split.retain.pick(0, half), split.retain.pick(half, 2 * half)]
    parts.insert(0 if order == "first" else 2, split.forget)
    found = [parts[0]]
    for part in parts[1:]:
        found.append(concatenated(found[-1], part))
    return tuple(found)


def _per_token(theta: Parameters, split: SequenceSplit, sizes: FieldSizes) -> dict[str, float]:
    with torch.no_grad():
        return {
            name: float(log_probs(sizes.shape.config, rows)(theta).mean()) / sizes.shape.answer
            for name, rows in (("drop", split.forget), ("kept", split.retain))
        }
