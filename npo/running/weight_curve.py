"""The gradient weight of a loss against log π of the answer, beside those of losses that are known."""

import numpy as np
import torch

from npo.running.answers_drawn import drawn, with_answer_at
from npo.running.contract import pull_down
from npo.running.own_loss import OwnError
from records.store import Data
from theory.kernel import Kernel, takes
from theory.methods import RIVALS
from theory.objective import defaults, kernels, method

__all__ = ["known_kernels", "weight_curves"]

REFERENCE = -1.0
BETA = 1.0
"""Of the known losses whose β has no default."""


def known_kernels(but: str) -> dict[str, Kernel]:
    """The losses that a new one is held beside, hyperparameters bound; without the one that is held.

    >>> list(known_kernels("GA"))
    ['NPO', 'SimNPO']
    """
    found = {}
    for name in RIVALS:
        needed = "beta" in takes(kernels(name)[0]) and "beta" not in defaults(name)
        if name != but:
            found[name] = method(name, **({"beta": BETA} if needed else {})).forget
    return found


def weight_curves(label: str, kernel: Kernel) -> Data:
    """W = d loss / d log π at log π from −12 to 0 nats, under a reference at −1, of an answer of one token.

    Arrays `log_pi`, `ref` and a weight for each label, NaN where it is not to be had; values `own` and `labels`.
    """
    at = np.linspace(-12.0, -0.02, 100)
    losses = {label: kernel} | known_kernels(label)
    curves = {name: np.array([_weight(one, float(x)) for x in at]) for name, one in losses.items()}
    return Data({"log_pi": at, "ref": np.array(REFERENCE), **curves}, {"own": label, "labels": list(losses)})


def _weight(kernel: Kernel, at: float) -> float:
    rows = with_answer_at(drawn(1, torch.float64, most=1), at, REFERENCE)
    try:
        return float(pull_down(kernel, rows).sum())
    except OwnError:  # told as an extreme
        return float("nan")
