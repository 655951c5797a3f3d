"""Does a retain term win in the end? Only against a bounded forget loss, says the linear model of one pair of rows.

There gradient ascent holds the retain gap at the overlap of both rows for ever, and NPO's force dies like 1/t, so that
the gap closes. Here both run by plain descent with a retain term on a small transformer. Arrays
`<method>-<seed>.<name>` over looks (GA's to where it leaves the finite numbers), and `steps`:

    drop    nats a token that the forget answers have lost
    loss    −log π_θ of kept answers, nats a token
"""

from functools import partial

import numpy as np
import torch

from synthetic.grid import log_grid
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Parameters, known, looked_at
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import FieldSizes
from theory.objective import method

__all__ = ["METHODS", "recovery"]

METHODS = ("GA+RT", "NPO+RT")
"""An unbounded forget loss and a bounded one."""

RATE, BETA = 8e-3, 0.05  # a larger β hardly hurts the kept rows


def recovery(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    shape, cases = sizes.shape, dict[str, Case]()
    optimiser = partial(torch.optim.SGD, lr=RATE)
    before = dict[str, float]()
    for seed in sizes.seeds:
        _, split, reference = known(shape, seed)
        for name in METHODS:
            objective = method(name, **({} if name.startswith("GA") else {"beta": BETA}))
            cases[f"{name}-{seed}"] = Case(objective, optimiser, reference, split)
            with torch.no_grad():
                before[f"{name}-{seed}"] = float(log_probs(shape.config, split.forget)(reference).mean())

    def look(label: str, theta: Parameters) -> dict[str, float]:
        forget, retain = (
            float(log_probs(shape.config, rows)(theta).mean())
            for rows in (cases[label].split.forget, cases[label].split.retain)
        )
        return {"drop": (before[label] - forget) / shape.answer, "loss": -retain / shape.answer}

    at = log_grid(sizes.steps, 16)
    return looked_at(cases, shape.config, at, look) | {"steps": np.array(at)}
