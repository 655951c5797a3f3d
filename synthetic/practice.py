"""The atlas held against practice: the family of a room, read off at an equal drop and at equal steps.

Every forget loss is run alone and with +RT, at its own paper's hyperparameters, all at one step size of each optimiser.
Losses differ by far in the scale of their gradients: under plain descent that is part of their speed, Adam divides it
out. Columns of a run, over k looks; nats:

    steps (k,)             steps taken
    drop (k,)              mean over forget examples of log π_ref − log π_θ
    retain_kl (k,)         E KL(π_ref ‖ π_θ) on what is to be kept: the damage
    forget_distance (k,)   E KL(π_retr ‖ π_θ) on what is to be forgotten: the lower, the better it is forgotten
    predicted (k,)         the drop that the atlas's scalar model has by that step, see `synthetic.free_answers`
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr

from records.errors import UserError
from records.store import Data
from records.work import Unit
from theory.methods import FORGET
from theory.objective import Objective, defaults, kernels, method, takes

__all__ = [
    "BETA",
    "COLUMNS",
    "MEASURED",
    "MOVERS",
    "SHARE",
    "TERMS",
    "Correlation",
    "Mover",
    "at_drop",
    "at_end",
    "correlated",
    "each_mover",
    "family",
    "forget_loss",
    "runs_of",
    "supplied",
]

Array = np.ndarray
Run = Mapping[str, Array]

BETA = 0.1
"""Of losses whose β has no default, as in arXiv:2404.05868 for its language models."""

TERMS = ("", "+RT")
MEASURED = ("steps", "drop", "retain_kl", "forget_distance")
SHARE = 0.5
"""The equal drop, of the retrained model's u*: where most of the family gets."""
COLUMNS = (*MEASURED, "predicted")


@dataclass(frozen=True)
class Mover:
    """An optimiser of torch; `signed` where every number moves at full speed, however small its gradient."""

    name: str
    kind: Callable[..., torch.optim.Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict)
    signed: bool = True


MOVERS = (
    Mover("GD", torch.optim.SGD, signed=False),
    Mover("Adam", torch.optim.Adam),
)
"""Plain descent, and one that divides by a second moment which it forgets."""


def each_mover(
    room: str, settings: Mapping[str, Any], work: Callable[..., None], needs: tuple[str, ...], *, seconds: float
) -> list[Unit]:
    """A unit of a room for every optimiser, `<room>/practice-<optimiser>`; `work` is told its `mover`."""
    return [
        Unit(
            f"{room}/practice-{mover.name}",
            {**settings, "optimizer": mover.name},
            partial(work, mover=mover),
            needs,
            seconds=seconds,
        )
        for mover in MOVERS
    ]


def family() -> dict[str, Objective]:
    """Every forget loss, alone and with +RT, by the name of the method, at its paper's hyperparameters.

    >>> family()["NPO+RT"].hyperparameters
    {'beta': 0.1}
    """
    found = {}
    for name in (f"{loss}{term}" for loss in FORGET for term in TERMS):
        needed = takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name)
        found[name] = method(name, **({"beta": BETA} if needed else {}))
    return found


def forget_loss(name: str) -> str:
    """The forget loss of a method that is run here.

    >>> forget_loss("NPO+RT"), forget_loss("NPO")
    ('NPO', 'NPO')
    """
    return name.removesuffix(TERMS[1])


def supplied(check: Callable[[Objective], object]) -> tuple[dict[str, Objective], dict[str, str]]:
    """The methods for which a room has all that they ask for, and of the others why not."""
    there, without = dict[str, Objective](), dict[str, str]()
    for name, objective in family().items():
        try:
            check(objective)
            there[name] = objective
        except UserError as error:
            without[name] = str(error)
    return there, without


def runs_of(data: Data) -> dict[str, dict[str, dict[str, Array]]]:
    """Seed -> method -> the columns of its run, of a unit that holds all seeds."""
    return {
        str(seed): {
            name: {column: data.arrays[f"{seed}.{name}.{column}"] for column in COLUMNS}
            for name in data.values["methods"]
            if f"{seed}.{name}.steps" in data.arrays
        }
        for seed in data.values["seeds"]
    }


# --- what is read off a run ---------------------------------------------------------------------------------------


def at_end(run: Run, column: str) -> float:
    """A column after the last step; NaN where a run ended before, or was never looked at."""
    return float(run[column][-1]) if len(run[column]) else float("nan")


def at_drop(run: Run, column: str, nats: float) -> float:
    """A column where the run first has dropped so far, linear in the drop between two looks; NaN where it never has.

    >>> run = {"drop": np.array([0.0, 2.0, 1.0]), "retain_kl": np.array([0.0, 1.0, 5.0])}
    >>> at_drop(run, "retain_kl", 1.5), at_drop(run, "retain_kl", 3.0)
    (0.75, nan)
    """
    past = np.flatnonzero(run["drop"] >= nats)
    if not past.size:
        return float("nan")
    k = max(int(past[0]), 1)
    (u0, u1), (y0, y1) = run["drop"][k - 1 : k + 1], run[column][k - 1 : k + 1]
    return float(y0 + (y1 - y0) * (nats - u0) / (u1 - u0))


# --- rank correlations --------------------------------------------------------------------------------------------


class Correlation(NamedTuple):
    """Spearman's ρ over so many methods, and its two-sided p; NaN of fewer than four."""

    rho: float
    p: float
    methods: int


def correlated(x: Mapping[str, float], y: Mapping[str, float]) -> Correlation:
    """The rank correlation over the methods that have both; one that has none of either says nothing.

    >>> correlated({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 1, "b": 4, "c": 9, "d": np.inf}).rho
    1.0
    """
    both = [name for name in x if name in y and not (np.isnan(x[name]) or np.isnan(y[name]))]
    a, b = np.array([x[name] for name in both]), np.array([y[name] for name in both])
    if len(both) < 4 or len(set(a)) < 2 or len(set(b)) < 2:
        return Correlation(float("nan"), float("nan"), len(both))
    found = spearmanr(a, b)
    return Correlation(float(found.statistic), float(found.pvalue), len(both))
