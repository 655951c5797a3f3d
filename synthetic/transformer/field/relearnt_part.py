"""Relearning half of what was unlearned: what comes back of the other half of a small transformer's forget rows?

`random`: answers of independent random tokens. `shared`: every answer shares two of its tokens out of three with all
others, as answers of one style do. The transformer memorises forget and kept rows, a retrained one the kept rows alone;
GA+RT and NPO+RT unlearn; `control` is GA+RT on the retrained one, which never knew the rows. Then the first half, T, is
relearnt along the gradient flow until it has risen by NATS nats an answer, and the second half, V, is looked at. Arrays
`<data>-<model>-<seed>.<name>` over looks, nats an answer:

    part, rest     what T and V have risen by, means over answers
    law, along     what the kernel before the first step, and the kernel on the way, make of the rises of T
    rows (2, v)    of every answer of V at the end: law, rise
    coupling       Σ K_VT/|V| over Σ K_TT/|T|, before the first step
    below          what V is worth before the first step, log π an answer
"""

from functools import partial

import numpy as np
import torch

from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.field.subjects import Parameters, learnt
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import Sequences, SequenceSplit, draw
from theory.objective import method
from theory.theorems.recovery.relearnt_part import PartPath, relearn_part

__all__ = ["DATA", "MODELS", "relearnt_part"]

Array = np.ndarray
DATA = ("random", "shared")
METHODS = {"GA+RT": method("GA+RT"), "NPO+RT": method("NPO+RT", beta=0.1)}
CONTROL = "control"
MODELS = ("retrained", *METHODS, CONTROL)
RATE, STEP, NATS, MOST = 1e-3, 2.0, 8.0, 12
SEEDS = 3  # the first, as many
OWN = 3  # every third token of an answer is its own


def relearnt_part(sizes: FieldSizes) -> dict[str, Array]:
    """The arrays at the top of this file."""
    found = dict[str, Array]()
    shape = sizes.shape
    for seed in sizes.seeds[:SEEDS]:
        for data in DATA:
            split = draw(shape.sizes, seed)
            split = split.each(_alike) if data == "shared" else split
            for name, theta in _models(sizes, split, seed).items():
                logp = log_probs(shape.config, split.forget)
                path, _ = relearn_part(logp, theta, np.arange(shape.forget // 2), step=STEP, until=NATS, max_steps=MOST)
                below = float(logp(theta).detach()[path.rest].mean())
                found |= {f"{data}-{name}-{seed}.{key}": x for key, x in _columns(path, below).items()}
    return found


def _alike(rows: Sequences) -> Sequences:
    """Answers that are all as the first one but for every third token."""
    tokens, labels = rows.tokens.clone(), rows.labels.clone()
    answer = (labels[0] >= 0).nonzero().flatten()
    shared = answer[torch.arange(len(answer)) % OWN > 0]
    for part in (tokens, labels):
        part[:, shared] = torch.arange(len(shared))
    return Sequences(tokens, labels)


def _models(sizes: FieldSizes, split: SequenceSplit, seed: int) -> dict[str, Parameters]:
    """The retrained model, those that have unlearned, and the one that unlearned what it never knew."""
    shape = sizes.shape
    reference, retrained = (
        learnt(shape.config, split, shape.training, seed, rows=rows).reference for rows in ((), (split.retain,))
    )
    descent = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.0)
    ends = dict[str, Parameters]()

    def keep(label: str, step: int, theta: Parameters) -> bool:
        del step
        ends[label] = theta
        return True

    cases = {name: Case(objective, descent, reference, split) for name, objective in METHODS.items()}
    cases[CONTROL] = Case(METHODS["GA+RT"], descent, retrained, split)
    unlearn_all(shape.config, cases, at=[sizes.steps // 2], observe=keep)
    return {"retrained": retrained, **ends}


def _columns(path: PartPath, below: float) -> dict[str, Array]:
    kernel, part, rest = path.kernel[0], path.part, path.rest
    return {
        "part": path.rise[:, part].mean(axis=1),
        "rest": path.rise[:, rest].mean(axis=1),
        "law": path.law.mean(axis=1),
        "along": path.along().mean(axis=1),
        "rows": np.stack([path.law[-1], path.rise[-1, rest]]),
        "coupling": np.array(kernel[np.ix_(rest, part)].mean() / kernel[np.ix_(part, part)].mean()),
        "below": np.array(below),
    }
