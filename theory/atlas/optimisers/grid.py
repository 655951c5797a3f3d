"""Losses × optimisers, and Adam's regimes: what the main job and the figures show of `theory.atlas.optimisers.scalar`.

Each function returns named float64 arrays; those of the grid are (losses, optimisers), in the order of `LOSSES` and
`ROWS`. A class is its place in `theory.atlas.growth.KINDS`.
"""

from dataclasses import replace

import numpy as np

from theory.atlas.family import FAMILY
from theory.atlas.growth import KINDS
from theory.atlas.optimisers.classes import Measured, classify_run
from theory.atlas.optimisers.loop import fast
from theory.atlas.optimisers.pair import simulate_pair
from theory.atlas.optimisers.scalar import OPTIMISERS, adam, simulate
from theory.theorems.demonstrations import TheoryPreset
from theory.theorems.paper.margins import log_grid

__all__ = ["FLOORS", "LOSSES", "MEMORY", "NGDIFF_LR", "OVERLAP", "ROWS", "STEPS", "loss_by_optimiser", "regimes"]

Arrays = dict[str, np.ndarray]
Array = np.ndarray

LOSSES = ("GA", "−log(−log π)", "NPO(0.1)", "NPO(1)", "SimNPO(4.5, 0)", "WGA(1)", "CE-U", "UNDIAL(10)")
PAIR = ("NGDiff", "GRU")
ROWS = (*OPTIMISERS, *PAIR)
CONFIDENCE, OVERLAP, NGDIFF_LR = 2.0, 0.5, 0.05
STEPS = 1_000_000
"""Of the whole grid; a class that is told from fewer is not to be trusted."""
SHORT, PLAIN = 30_000, 1_000  # steps of a quick run, and of one without the extra `fast`
MEMORY = 1000  # 1/(1 − β₂)
FLOORS = {"ε = 0": (0.0, 0.0), "ε = 1e-8": (1e-8, 0.0), "retain gradient σ = 0.01": (0.0, 0.01)}


def _steps(preset: TheoryPreset) -> int:
    return PLAIN if not fast() else STEPS if preset.steps >= STEPS else SHORT


def loss_by_optimiser(preset: TheoryPreset) -> Arrays:
    """`kind`, `coefficient`, `exponent`, `sure` of every cell, the last `margin`, and the number of `steps`."""
    at = log_grid(_steps(preset), 120)
    cells = [[_cell(loss, row, at) for row in ROWS] for loss in LOSSES]
    found = {
        "kind": [[float(KINDS.index(one.growth.kind)) for one, _ in row] for row in cells],
        "coefficient": [[_constant(one) for one, _ in row] for row in cells],
        "exponent": [[one.exponent for one, _ in row] for row in cells],
        "sure": [[one.sure for one, _ in row] for row in cells],
        "margin": [[last for _, last in row] for row in cells],
    }
    return {name: np.array(x) for name, x in found.items()} | {"steps": np.array(float(at[-1]))}


def _constant(found: Measured) -> float:
    """What a cell says: the limit of a finite class, else the coefficient."""
    return found.growth.constant * found.growth.sign if found.growth.kind == "finite" else found.growth.coefficient


def _cell(loss: str, row: str, at: Array) -> tuple[Measured, float]:
    scalar = FAMILY[loss].at(CONFIDENCE)
    if row == "NGDiff":
        at = log_grid(1000, 80)
        margins = simulate_pair(scalar, "NGDiff", lr=NGDIFF_LR, overlap=OVERLAP, at=at)[:, 0]
    elif row == "GRU":  # step for step descent at the speed that is left: tests/test_theory_atlas_optimisers.py
        margins = simulate(scalar, replace(OPTIMISERS["GD"], lr=0.1 * (1 - OVERLAP**2)), at)
    else:
        margins = simulate(scalar, OPTIMISERS[row], at)
    return classify_run(at, margins), float(margins[-1])


def regimes(preset: TheoryPreset) -> Arrays:
    """NPO (β = 1) under Adam for learning rates βη = a(1 − β₂): margins (floor, a, t) at `a` and `steps`."""
    a = np.geomspace(1e-2, 1e2, 21)
    at = log_grid(min(_steps(preset), 300_000), 60)
    loss = FAMILY["NPO(1)"].at(CONFIDENCE)
    margins = [
        [simulate(loss, adam(float(x) / MEMORY, eps=eps, floor=floor), at) for x in a] for eps, floor in FLOORS.values()
    ]
    return {"a": a, "steps": at.astype(np.float64), "margins": np.array(margins)}
