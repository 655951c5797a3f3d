"""How far a schedule lets answers fall, and the β that makes them fall as far as is wanted.

A schedule's budget T is measured, not known: NPO is run through it once at a provisional β₀, ends at a mean drop u₀,
and the intrinsic-time law says T = F(u₀; β₀), F(u; β) = ½(u + (e^{βu} − 1)/β) (`theory.theorems.intrinsic_time`). A β
that ends at u* has F(u*; β) = T (`theory.theorems.chosen_beta`). The law is for descent on one answer. With AdamW, a
retain term and many answers T depends on β, but the β asked for only on its logarithm, and the less the nearer β₀ is:
so a run that ended far off is followed by one at the β that it asked for.
"""

from collections.abc import Sequence

import numpy as np

from theory.theorems import chosen_beta
from theory.theorems.intrinsic_time import curve, time_on_curve

__all__ = ["PROVISIONAL", "beta_for", "budget_of", "drops_at", "provisional"]

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
