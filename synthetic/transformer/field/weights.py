"""NPO's weights W = 2/(1 + e^{βu}): near 1 at first, and smaller where more was memorised? After arXiv:2410.07163.

The half of the forget answers that training showed three times is known better than the other half. Unlearning by AdamW
takes one answer a step. Arrays `<seed>.<name>`:

    known (n,)        log π_ref(y|x) a token of each forget answer before the first step
    drop (steps, n)   nats that each has lost after 0, 1, 2, … steps; an epoch has n
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch

from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Parameters, learnt, looked_at
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import concatenated, draw
from theory.objective import method

__all__ = ["BETA", "weights"]

BETA, RATE, SHOWN, EPOCHS, TARGET = 0.1, 1e-3, 3, 5, 0.7


def weights(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    shape, cases, found = replace(sizes.shape, target=TARGET), dict[str, Case](), dict[str, np.ndarray]()
    optimiser = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.01)
    for seed in sizes.seeds:
        split = draw(shape.sizes, seed)
        shown = split.everything
        for _ in range(SHOWN - 1):
            shown = concatenated(shown, split.forget.pick(0, shape.forget // 2))
        subject = learnt(shape.config, split, shape.training, seed, rows=(shown,))
        cases[str(seed)] = Case(method("NPO", beta=BETA), optimiser, subject.reference, split)
        with torch.no_grad():
            found[f"{seed}.known"] = log_probs(shape.config, split.forget)(subject.reference).numpy() / shape.answer

    def look(label: str, theta: Parameters) -> dict[str, np.ndarray]:
        rows = cases[label].split.forget
        return {"drop": shape.answer * found[f"{label}.known"] - log_probs(shape.config, rows)(theta).numpy()}

    return found | looked_at(cases, shape.config, range(EPOCHS * shape.forget + 1), look, batch=1)
