"""How far a schedule lets answers fall, and the β that makes them fall as far as is wanted.

A schedule's budget T is measured, not known: NPO is run through it once at a provisional β₀, ends at a mean drop u₀,
and the intrinsic-time law says T = F(u₀; β₀), F(u; β) = ½(u + (e^{βu} − 1)/β) (`theory.theorems.time.intrinsic_time`).
A β that ends at u* has F(u*; β) = T (`theory.theorems.beta.chosen_beta`). The law is for descent on one answer. With
AdamW, a retain term and many answers T depends on β, but the β asked for only on its logarithm, and the less the nearer
β₀ is: so a run that ended far off is followed by one at the β that it asked for; and between one run that fell too far
and one that fell too little nothing but the two is needed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from theory.theorems.beta import chosen_beta
from theory.theorems.time.intrinsic_time import curve, time_on_curve

__all__ = ["PROVISIONAL", "Between", "beta_for", "between", "budget_of", "drops_at", "provisional"]

PROVISIONAL = 6.0
"""β₀u*: where NPO's weight 2/(1 + e^{βu}) is 1/200, nearly nothing."""


def provisional(drop: float) -> float:
    """β₀, 1/nats, for a wanted drop in nats: where the answers would come to rest in any schedule that is not short."""
    return PROVISIONAL / drop


def budget_of(drop: float, beta: float) -> float:
    """The intrinsic time T, in nats, that NPO at this β has used for this drop (nats).

    >>> round(budget_of(356.0, 0.02))
    31064
    """
    return float(time_on_curve(beta * drop)) / beta


def beta_for(drop: float, budget: float) -> float | None:
    """The β, 1/nats, whose drop after this budget is the wanted one; None where even gradient ascent falls short.

    >>> round(beta_for(356.0, budget_of(356.0, 0.02)), 6)
    0.02
    >>> beta_for(356.0, 300.0), beta_for(356.0, -1.0)
    (None, None)
    """
    if not 0 < drop < budget:
        return None
    return float(chosen_beta.beta_for(drop, budget))


def drops_at(beta: float, drops: Sequence[float], measured_at: float) -> list[float]:
    """The drops (nats) at another β after the budgets that these took at the β they were measured at.

    >>> [round(x) for x in drops_at(0.02, [0.0, 100.0, 400.0], 0.01)]
    [0, 79, 236]
    """
    times = [budget_of(one, measured_at) for one in drops]
    return [float(x) for x in curve(beta * np.array(times)) / beta]


class Between(NamedTuple):
    """A β between two at which the schedule was run, 1/nats, and the drops (nats) by epoch between theirs."""

    beta: float
    drops: list[float]


def between(drop: float, ran: Sequence[tuple[float, Sequence[float]]]) -> Between | None:
    """The β whose drop is the wanted one, from the nearest runs on both sides of it; None where it lies beyond all.

    `ran` are β and drops by epoch (nats). log u is taken as linear in log β from the one to the other, the drops on the
    way as so far between theirs as the last is. Source: none but the two runs; the law brought them near.

    >>> found = between(200.0, [(0.04, [50.0, 100.0]), (0.01, [100.0, 400.0])])
    >>> round(found.beta, 3), [round(x) for x in found.drops]
    (0.02, [67, 200])
    """
    less = max((run for run in ran if 0 < run[1][-1] <= drop), key=lambda run: run[1][-1], default=None)
    more = min((run for run in ran if run[1][-1] >= drop), key=lambda run: run[1][-1], default=None)
    if less is None or more is None:
        return None
    (low, below), (high, above) = less, more
    span = np.log(above[-1] / below[-1])
    share = float(np.log(drop / below[-1]) / span) if span else 0.0
    way = (drop - below[-1]) / (above[-1] - below[-1]) if span else 0.0
    drops = [float(a + way * (b - a)) for a, b in zip(below, above, strict=True)]
    return Between(float(low * (high / low) ** share), drops)
