"""Few bits, made up so that every claim on them is true: they bring back what was unlearned, but not under LoRA."""

from typing import Any

import numpy as np

from records.store import Data

GRIDS = ("int8", "int4", "nf4", "fp4", "int3", "int2")


def rounded() -> dict[str, Data]:
    """The theory's unit, those of the rooms, and two kept models on two grids."""
    sizes, ones = np.geomspace(0.02, 2, 9), np.ones(9)
    theory = {"sizes": sizes} | {f"{g}.{name}": ones for g in GRIDS for name in ("kept", "variance", "length")}
    theory |= {f"{g}.again": np.clip(sizes, 0, 1) for g in GRIDS}
    fall = np.geomspace(1, 1e-2, 5)[:, None] * np.ones(9)  # scales, draws
    logistic = {f"{g}.{name}": fall for g in GRIDS for name in ("falls", "expected")}
    logistic |= {f"{g}.sizes": fall[:, 0] for g in GRIDS} | {f"{g}.spread": 0.1 / fall[:, 0] for g in GRIDS}
    transformer = {f"{g}.{name}": fall[:, :1] * np.ones((5, 2)) for g in GRIDS for name in ("sizes", "spread")}
    transformer |= {f"{g}.{name}": fall[:, :2, None] * np.ones(3) for g in GRIDS for name in ("falls", "expected")}
    transformer |= {f"{g}.{name}": (fall[:, :2] < 0.5).astype(float) for g in GRIDS for name in ("back", "from4")}
    models = {"NPO+RT": (_line("int4", -1.0), _line("nf4", -1.5)), "NPO+RT LoRA": (_line("int4", -90.0),)}
    kept = {
        f"llm/rounding/tofu/{name}": Data({}, {"known": [-0.5, 0.99], "lines": list(lines)})
        for name, lines in models.items()
    }
    rooms = {"theory": theory, "logistic": logistic, "transformer": transformer}
    return {f"{room}/rounding": Data(arrays, {}) for room, arrays in rooms.items()} | kept


def _line(grid: str, end: float) -> dict[str, Any]:
    """A model that ends here (nats) once it is rounded."""
    known, moved, back = [-0.6, 0.98], [-90.0, 0.01], [end, float(np.exp(end / 40))]
    return {
        "grid": grid,
        "scale": 1.0,
        "block": 64,
        "born": None,
        "size": 0.1,
        "moved": moved,
        "rounded_known": [known],
        "rounded_moved": [back],
        "moved_rounded": [moved],
        "again": known,
        "spread": 0.01,
    }
