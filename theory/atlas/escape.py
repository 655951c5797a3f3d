"""How long a saturated reference holds: the time from π_ref ≈ 1 until the forget answer has a given probability.

Near saturation V ≈ W e^(−d(c − m)): a kernel with the factor (1 − π)^d waits e^(dc)/(dW). Softmax saturation is d = 1,
the delay e^c of GA, NPO and all weights that do not vanish at π = 1; a weight with a further (1 − π)^β₂ waits
e^((1+β₂)c); CE-U and the preference losses, whose speed has no such factor, are out in a time of order c.
"""

from dataclasses import replace

import numpy as np

from theory.atlas.scalar import ScalarLoss
from theory.atlas.trajectory import time_to

__all__ = ["escape_law", "escape_time"]


def escape_time(loss: ScalarLoss, c: float, *, probability: float = 0.5) -> float:
    """τ from confidence c until π = `probability`, by quadrature; infinite where the loss stops before.

    ValueError where π is below already, or `probability` is none.

    >>> from theory.losses import ce_u
    >>> round(escape_time(ScalarLoss("CE-U", ce_u), 6.0), 4)  # c + 1 − e^(−c)
    6.9975
    """
    if not 0 < probability < 1:
        raise ValueError(f"A probability to escape to must be between 0 and 1, got {probability}.")
    margin = c - float(np.log(probability) - np.log1p(-probability))
    if margin < 0:
        raise ValueError(f"At confidence {c:g} the answer is less likely than {probability:g} already.")
    return time_to(replace(loss, confidence=c).speed, margin)


def escape_law(c: float, *, order: float, weight: float) -> float:
    """The leading time of a speed W e^(−d(c − m)) from m = 0: e^(dc)/(dW), `order` d > 0 and `weight` W.

    >>> round(escape_law(6.0, order=2.0, weight=1.0))  # SatImp(5, 1), whose exact time is 84381
    81377
    """
    return float(np.exp(order * c) / (order * weight))
