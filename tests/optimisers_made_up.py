"""Results of the atlas's optimisers in which its claims are true, made by hand."""

import numpy as np

from records.store import Data
from theory.atlas.growth import KINDS
from theory.atlas.optimisers.grid import FLOORS, LOSSES, NGDIFF_LR, OVERLAP, ROWS, STEPS
from theory.atlas.optimisers.laws import adam_speed

TAILS = {"NPO(0.1)": 0.1, "NPO(1)": 1.0, "WGA(1)": 1.0, "CE-U": 1.0}


def place(loss: str, row: str) -> tuple[int, int]:
    """Where a cell of the grid is."""
    return LOSSES.index(loss), ROWS.index(row)


def optimisers_made_up() -> dict[str, Data]:
    """Both units."""
    shape = (len(LOSSES), len(ROWS))
    kind, coefficient, margin = np.full(shape, float(KINDS.index("logarithmic"))), np.ones(shape), np.ones(shape)
    for loss, k in TAILS.items():
        coefficient[LOSSES.index(loss)] = 1 / k
        kind[place(loss, "Adam, ε = 0")] = KINDS.index("linear")
        coefficient[place(loss, "Adam, ε = 0")] = adam_speed(k, 1e-2)
    kind[:, ROWS.index("NGDiff")] = KINDS.index("linear")
    coefficient[:, ROWS.index("NGDiff")] = NGDIFF_LR * (1 - OVERLAP)
    margin[place("NPO(0.1)", "Sophia (SOUL)")] = 8.0
    a, t = np.geomspace(1e-2, 1e2, 9), np.unique(np.geomspace(1, 300_000, 40).astype(int)).astype(float)
    straight = np.stack([adam_speed(1.0, x / 1000) * t for x in a])
    arrays = {"kind": kind, "coefficient": coefficient, "margin": margin, "exponent": 0 * kind, "sure": 0 * kind + 1}
    arrays["steps"] = np.array(float(STEPS))
    regimes = {"a": a, "steps": t, "margins": np.stack([straight] * len(FLOORS))}
    return {"theory/atlas-grid": Data(arrays, {"seed": 0}), "theory/adam-regimes": Data(regimes, {"seed": 0})}
