"""Which weights of a token forget best, and how long does one wait for them? After arXiv:2505.11953 (SatImp).

    ℓ_t = sg(p_t^β₁ (1 − p_t)^β₂) log p_t      β₂ = 0 weighs by saturation alone, β₁ = 0 by importance alone

A confident token, p near 1, starts with a weight of (1 − p)^β₂ on a gradient that is itself 1 − p: the time to p = 1/2
is ∫ dm / (p^β₁ (1 − p)^{1+β₂}) over the margin m that it loses. Arrays over looks, <weights> of `WEIGHTS`:

    trade-<weights>-<seed>.forget, .retain   mean π^{1/|y|} of forget and kept answers of the language, under AdamW
    escape-<β₂>-<seed>.gone                  share of answer tokens with p < 1/2 under plain descent, β₁ = 5
    escape-steps                             steps at these looks
    escape-<β₂>-<seed>.law                   the median of that integral over the tokens of the reference
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from scipy.integrate import quad
from scipy.special import expit

from synthetic.grid import log_grid
from synthetic.transformer import language
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Parameters, learnt, looked_at
from synthetic.transformer.language import WORDS, Community
from synthetic.transformer.model import Config, answer_logits, log_probs
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import Sequences, draw
from theory.kernel import takes
from theory.logprobs import answer_rows
from theory.methods import FORGET
from theory.objective import method

__all__ = ["DELAYS", "WEIGHTS", "saturation", "waiting"]

Array = np.ndarray
(NAME,) = (name for name, row in FORGET.items() if {"beta1", "beta2"} <= takes(row.kernel).keys())
WEIGHTS: Mapping[str, tuple[float, float]] = {
    "saturation": (5.0, 0.0),
    "importance": (0.0, 1.0),
    "both": (5.0, 1.0),
    "both-0.1": (5.0, 0.1),
}
"""(β₁, β₂) by name."""

DELAYS = (0.1, 1.0)  # β₂
ADAM_RATE, RATE, CONFIDENT, OVERLAP = 1e-3, 0.6, 0.97, 0.5


def saturation(sizes: FieldSizes) -> dict[str, Array]:
    """The arrays at the top of this file."""
    return _trades(sizes) | _escapes(sizes)


def _trades(sizes: FieldSizes) -> dict[str, Array]:
    shape, cases = sizes.shape, dict[str, Case]()
    optimiser = partial(torch.optim.AdamW, lr=ADAM_RATE, weight_decay=0.01)
    for seed in sizes.seeds:
        split = language.draw(Community(shape.forget, shape.retain, OVERLAP), seed).split
        reference = learnt(shape.reader, split, shape.training, seed).reference
        for name, (beta1, beta2) in WEIGHTS.items():
            objective = method(NAME, beta1=beta1, beta2=beta2)
            cases[f"trade-{name}-{seed}"] = Case(objective, optimiser, reference, split)

    def look(label: str, theta: Parameters) -> dict[str, float]:
        split = cases[label].split
        parts = {"forget": split.forget, "retain": split.retain}
        logp = {side: log_probs(shape.reader, rows)(theta) for side, rows in parts.items()}
        return {side: float((x / WORDS).exp().mean()) for side, x in logp.items()}

    return looked_at(cases, shape.reader, log_grid(sizes.steps // 2, 12), look)


def _escapes(sizes: FieldSizes) -> dict[str, Array]:
    shape, cases, found = replace(sizes.shape, target=CONFIDENT), dict[str, Case](), dict[str, Array]()
    optimiser = partial(torch.optim.SGD, lr=RATE)
    for seed in sizes.seeds:
        split = draw(shape.sizes, seed)
        reference = learnt(shape.config, split, shape.training, seed).reference
        margins = _margins(reference, split.forget, shape.config)
        for beta2 in DELAYS:
            objective = method(NAME, beta1=WEIGHTS["both"][0], beta2=beta2)
            cases[f"escape-{beta2:g}-{seed}"] = Case(objective, optimiser, reference, split)
            found[f"escape-{beta2:g}-{seed}.law"] = np.array(np.median([waiting(c, beta2) for c in margins]))

    def look(label: str, theta: Parameters) -> dict[str, float]:
        return {"gone": float((_margins(theta, cases[label].split.forget, shape.config) < 0).mean())}

    at = log_grid(sizes.steps, 20)
    return found | looked_at(cases, shape.config, at, look) | {"escape-steps": np.array(at)}


def _margins(theta: Parameters, rows: Sequences, config: Config) -> Array:
    """log p/(1 − p) of each answer token."""
    with torch.no_grad():
        logits, targets = answer_logits(theta, rows, config).double(), answer_rows(rows.labels, config.vocab).targets
        others = logits.scatter(1, targets[:, None], -torch.inf).logsumexp(dim=1)
        return np.asarray(logits.gather(1, targets[:, None])[:, 0] - others)


def waiting(margin: float, beta2: float, beta1: float = WEIGHTS["both"][0]) -> float:
    """∫ from p to 1/2 of dm / (p^β₁ (1 − p)^{1+β₂}), p = σ(margin − m); 0 for a token that is there.

    >>> round(waiting(6.0, 0.1))
    754
    """

    def slowness(u: float) -> float:
        return float(expit(margin - u) ** -beta1 * expit(u - margin) ** -(1 + beta2))

    return float(quad(slowness, 0, margin)[0]) if margin > 0 else 0.0
