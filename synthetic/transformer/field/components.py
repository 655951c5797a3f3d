"""Which directions of the hidden states does unlearning move, and which of them does relearning move back?

After arXiv:2605.11685: H are the states of the finetuned transformer where the forget answers are predicted, (tokens,
width), V its principal directions, dominant those that hold `ENERGY` of its variance and minor the rest. With ΔH
what unlearning changed and ΔH' what is left of it when the answers are memorised anew, arrays `<method>-<seed>.<name>`:

    moved (2,)      ‖ΔH V‖²/‖ΔH‖²: the share of the change that is dominant, minor
    relative (2,)   ‖ΔH V‖/‖H V‖, H centred: how large it is beside what was there
    left (2,)       ‖ΔH' V‖/‖ΔH V‖: what relearning leaves of it
    variance (2,)   the share of H's variance;   count (2,) how many directions
    lost, back      nats an answer that unlearning took, and relearning gave back
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.field.subjects import Learnt, Parameters, known
from synthetic.transformer.memorise import memorise
from synthetic.transformer.model import hidden, log_probs
from synthetic.transformer.presets import FieldSizes
from theory.logprobs import answer_rows
from theory.objective import method

__all__ = ["METHODS", "components"]

METHODS = {"GA+RT": method("GA+RT"), "NPO": method("NPO", beta=0.1), "NPO+RT": method("NPO+RT", beta=0.1)}
RATE, ENERGY = 1e-3, 0.9


def components(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    shape = sizes.shape
    descent = partial(torch.optim.AdamW, lr=RATE, weight_decay=0.0)
    subjects = {seed: known(shape, seed) for seed in sizes.seeds}
    cases = {
        f"{name}-{seed}": Case(objective, descent, subject.reference, subject.split)
        for name, objective in METHODS.items()
        for seed, subject in subjects.items()
    }
    ends = dict[str, Parameters]()

    def keep(label: str, step: int, theta: Parameters) -> bool:
        del step
        ends[label] = {name: p.clone() for name, p in theta.items()}
        return True

    unlearn_all(shape.config, cases, at=[sizes.steps // 2], observe=keep)
    found = dict[str, np.ndarray]()
    for label, theta in ends.items():
        subject = subjects[int(label.rpartition("-")[2])]
        again = memorise(dict(theta), subject.split.forget, shape.config, shape.training).parameters
        found |= {f"{label}.{name}": x for name, x in _parts(subject, theta, again).items()}
    return found


@torch.no_grad()
def _parts(subject: Learnt, theta: Parameters, again: Parameters) -> dict[str, np.ndarray]:
    config, rows = subject.config, subject.split.forget
    at = answer_rows(rows.labels, config.vocab).rows
    before, after, relearnt = (
        hidden(p, rows, config, config.layers).flatten(0, 1)[at].double() for p in (subject.reference, theta, again)
    )
    centred = before - before.mean(dim=0)
    _, size, directions = torch.linalg.svd(centred, full_matrices=True)
    share = (size**2).cumsum(0) / (size**2).sum()
    dominant = int((share < ENERGY).sum()) + 1

    def norms(states: Tensor) -> np.ndarray:
        along = states @ directions.T
        return np.array([float(along[:, :dominant].norm()), float(along[:, dominant:].norm())])

    change, plain, left = norms(after - before), norms(centred), norms(relearnt - before)
    logp = [float(log_probs(config, rows)(p).mean()) for p in (subject.reference, theta, again)]
    return {
        "moved": change**2 / (change**2).sum(),
        "relative": change / plain,
        "left": left / change,
        "variance": plain**2 / (plain**2).sum(),
        "count": np.array([dominant, len(directions) - dominant]),
        "lost": np.array(logp[0] - logp[1]),
        "back": np.array(logp[2] - logp[1]),
    }
