"""Where does the probability go that a negative gradient takes away from an answer?

    d log p_v  ∝  p_v − Σ_w p_w²  +  p_y (…)        of the tokens v ≠ y of one softmax with free logits

so that where y is unlikely only tokens above Σ p² rise: the most likely one rises, most others fall ("squeezing", after
arXiv:2407.10490 and 2510.19422). An answer to be unlearned is the most likely one itself. Here gradient ascent runs on
both: `memorised`, the forget answers; `unlikely`, random answers to the same questions. Arrays, `<kind>-<seed>.<name>`
over looks, means over answer positions; others are the tokens but y and the most likely other token at the start:

    drop      nats a token that the answer has lost
    argmax    share of positions at which the most likely other token has risen
    falling   share of the others that have fallen
    top       share that the likeliest token has of all that is not y
    same      share of positions at which that is still the token that it was
"""

from functools import partial

import numpy as np
import torch

from synthetic.grid import log_grid
from synthetic.transformer.descent import Case
from synthetic.transformer.field.subjects import Parameters, known, looked_at
from synthetic.transformer.model import Config, answer_logits
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.sequences import Sequences
from theory.logprobs import answer_rows
from theory.objective import method

__all__ = ["KINDS", "squeezing"]

KINDS = ("memorised", "unlikely")
RATE, PER_DECADE = 2e-3, 20


def squeezing(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    optimiser, objective = partial(torch.optim.SGD, lr=RATE), method("GA")
    cases, starts = dict[str, Case](), dict[str, _Start]()
    for seed in sizes.seeds:
        subject = known(sizes.shape, seed)
        for kind, rows in zip(KINDS, (subject.split.forget, subject.split.positive), strict=True):
            cases[f"{kind}-{seed}"] = Case(objective, optimiser, subject.reference, subject.split._replace(forget=rows))
            starts[f"{kind}-{seed}"] = _Start(subject.reference, rows, subject.config)
    at = log_grid(sizes.steps, PER_DECADE)
    return looked_at(cases, sizes.shape.config, at, lambda label, theta: starts[label].seen(theta))


class _Start:
    """The distributions at the answer positions of some rows, before the first step."""

    def __init__(self, reference: Parameters, rows: Sequences, config: Config) -> None:
        self.rows, self.config = rows, config
        self.targets = answer_rows(rows.labels, config.vocab).targets[:, None]
        with torch.no_grad():
            self.logp = self._logp(reference)
        self.likeliest = self._without_target(self.logp).argmax(dim=1, keepdim=True)

    def _logp(self, theta: Parameters) -> torch.Tensor:
        logits = answer_logits(theta, self.rows, self.config)
        return logits - logits.logsumexp(dim=1, keepdim=True)

    def _without_target(self, logp: torch.Tensor) -> torch.Tensor:
        return logp.scatter(1, self.targets, -torch.inf)

    def seen(self, theta: Parameters) -> dict[str, float]:
        """What has become of them."""
        now = self._logp(theta)
        rise, rest = now - self.logp, self._without_target(now)
        falls = (rise < 0).scatter(1, self.targets, value=False).scatter(1, self.likeliest, value=False)
        found = {
            "drop": -rise.gather(1, self.targets),
            "argmax": rise.gather(1, self.likeliest) > 0,
            "falling": falls.sum(dim=1) / (now.shape[1] - 2),
            "top": (rest.amax(dim=1) - rest.logsumexp(dim=1)).exp(),
            "same": rest.argmax(dim=1, keepdim=True) == self.likeliest,
        }
        return {name: float(x.double().mean()) for name, x in found.items()}
