"""Choosing β by a probe, as the small rooms try it: a run tells the budget, the law then the β of a wanted drop.

β goes over two decades in units of 1/u*, u* = mean over forget examples of log π_ref − log π_retr. The run in the
middle is the probe, at βu* = 3. What it dropped is all that the law is told: under descent that is a budget T, with
βT = ½(βu + e^{βu} − 1), under Adam a speed. The rule's β is then run too. Columns of one setting and seed, over k looks
and m values of β; nats:

    steps (k,), multiple (m,)              steps taken; βu*
    drop (k, m)                            u, mean over forget examples
    forget_distance, retain_distance (k, m)  E KL(π_retr ‖ π_θ)
    predicted (k, m)                       the drop by the law, from what the probe had dropped at that look
    chosen (k,)                            βu* of the rule by that look; NaN where no β gets to u*
    tried_drop, … (k,)                     the run at the rule's β of the last look; NaN where there is none
    wanted, before                         u*; the forget distance of π_ref
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial

import numpy as np
from scipy.optimize import brentq

from records.store import Data
from theory.theorems.beta.adam_clock import beta_under_adam, drops_under_adam
from theory.theorems.beta.chosen_beta import beta_for, drop_at
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.intrinsic_time import time_on_curve

__all__ = [
    "LOOKS",
    "LawOf",
    "ProbedLaw",
    "Ran",
    "by_setting",
    "ending_at",
    "looks",
    "multiples",
    "of_adam",
    "of_descent",
    "ruled",
    "tried",
]

Array = np.ndarray
LEAST, MOST = 0.3, 30.0
LOOKS = (4, 2, 1)
"""The looks: a quarter of the steps, half of them, all."""


def multiples(count: int) -> Array:
    """Values of βu*, evenly in the logarithm; an odd number of them has the probe's 3 in the middle.

    >>> multiples(3).round(12).tolist()
    [0.3, 3.0, 30.0]
    """
    return np.geomspace(LEAST, MOST, count)


def looks(steps: int) -> list[int]:
    """The numbers of steps after which the runs are looked at.

    >>> looks(100)
    [25, 50, 100]
    """
    return [steps // part for part in LOOKS]


@dataclass(frozen=True)
class ProbedLaw:
    """What a probe makes known: the drop at which a β ends, and the β of a wanted drop (NaN where none gets there)."""

    drop: Callable[[float], float]
    beta: Callable[[float], float]


LawOf = Callable[[float, float, int], ProbedLaw]
"""The law that a probe tells, from its β, the nats that it dropped, and its steps."""


def of_descent(beta: float, drop: float, steps: int) -> ProbedLaw:
    """The intrinsic-time law with the budget T = (βu + e^{βu} − 1)/2β of a probe, however many steps it took.

    >>> law = of_descent(0.1, 40.0, 1000)
    >>> round(law.drop(0.1), 6), round(law.beta(40.0), 6)
    (40.0, 0.1)
    """
    del steps
    budget = float(time_on_curve(beta * drop)) / beta
    if not 0 < budget < math.inf:
        return _NOWHERE
    return ProbedLaw(lambda b: float(drop_at(b, budget)), lambda wanted: float(beta_for(wanted, budget)))


def of_adam(beta: float, drop: float, steps: int) -> ProbedLaw:
    """Adam's law in one coordinate, its default β₁ and β₂, with the constant speed (nats a step) of a probe.

    >>> law = of_adam(0.1, 40.0, 100)
    >>> round(law.drop(0.1), 6), round(law.beta(40.0), 6)
    (40.0, 0.1)
    """
    if not 0 < drop < math.inf:
        return _NOWHERE
    end = partial(_adam_s_end, steps=steps)
    # the first step drops one speed whatever β is, and momentum drops little more than all speeds together
    speed = float(brentq(lambda s: end(beta, speed=s) - drop, 0.2 * drop / steps, drop, xtol=1e-12))

    def choice(wanted: float) -> float:
        try:
            return beta_under_adam(wanted, [speed] * steps)
        except HypothesisError:
            return math.nan

    return ProbedLaw(partial(end, speed=speed), choice)


def _adam_s_end(beta: float, *, speed: float, steps: int) -> float:
    return float(drops_under_adam(beta, [speed] * steps)[-1])


def _nowhere(_: float) -> float:
    return math.nan


_NOWHERE = ProbedLaw(_nowhere, _nowhere)


@dataclass(frozen=True)
class Ran:
    """What runs at several β left: (looks, β), nats."""

    drop: Array
    forget_distance: Array
    retain_distance: Array


def ruled(ran: Ran, at: Sequence[int], multiple: Array, wanted: float, law_of: LawOf) -> dict[str, Array]:
    """The columns of a sweep, and what the law says at each look by what its probe had dropped."""
    probe, beta = len(multiple) // 2, multiple / wanted
    laws = [law_of(float(beta[probe]), float(drop[probe]), steps) for drop, steps in zip(ran.drop, at, strict=True)]
    return {
        "steps": np.asarray(at, dtype=np.float64),
        "multiple": multiple,
        **vars(ran),
        "predicted": np.array([[law.drop(float(b)) for b in beta] for law in laws]),
        "chosen": np.array([wanted * law.beta(wanted) for law in laws]),
        "wanted": np.asarray(wanted),
    }


def tried(ran: Ran | None, count: int) -> dict[str, Array]:
    """The columns of the run at the rule's β, all NaN where there is none."""
    if ran is None:
        return {f"tried_{name}": np.full(count, np.nan) for name in Ran.__dataclass_fields__}
    return {f"tried_{name}": x[:, 0] for name, x in vars(ran).items()}


def ending_at(multiple: Array, drop: Array, wanted: float) -> float:
    """The βu* whose run ends at the wanted drop, log-linear between the runs; NaN outside of them.

    Where drops are not in order the first crossing from above counts.

    >>> round(ending_at(np.array([1.0, 4.0]), np.array([100.0, 25.0]), 50.0), 6)
    2.0
    """
    above = drop >= wanted
    crossings = np.flatnonzero(above[:-1] & ~above[1:])
    if not crossings.size or drop[crossings[0] + 1] <= 0:
        return math.nan
    k = int(crossings[0])
    (x0, x1), (y0, y1) = np.log(multiple[k : k + 2]), np.log(drop[k : k + 2])
    return float(np.exp(x0 + (x1 - x0) * (y0 - np.log(wanted)) / (y0 - y1)))


def by_setting(results: Mapping[str, Data], room: str = "*") -> dict[str, list[dict[str, Array]]]:
    """Label of each setting -> the columns of its seeds, of the units `<room>/beta-…` among the results."""
    found = {}
    for name, data in results.items():
        if fnmatch(name, f"{room}/beta-*"):
            starts = [f"{seed}." for seed in data.values["seeds"]]
            found[data.values["label"]] = [
                {key.removeprefix(start): x for key, x in data.arrays.items() if key.startswith(start)}
                for start in starts
            ]
    return found
