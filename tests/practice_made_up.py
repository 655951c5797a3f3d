"""Runs of the whole family, made up so that the atlas's order is that of everything that is measured."""

from typing import Any

import numpy as np

from records.store import Data
from synthetic.practice import TERMS
from synthetic.practised import practised, predicted_speed

METHODS = tuple(f"{name}{term}" for name in ("GA", "NPO", "SimNPO", "WGA", "TNPO", "SatImp", "CE-U") for term in TERMS)
LOOKS, WANTED, NATS = np.arange(5.0), 8.0, 100.0
RATES = [1.0, 1.0, 1.0, 1.0]


def family_rooms() -> dict[str, Data]:
    """One unit of each small room, and the kept runs of a language model."""
    return {f"{room}/practice-GD": _unit() for room in ("logistic", "transformer")} | _kept()


def _unit() -> Data:
    arrays = {}
    for k, name in enumerate(METHODS):
        speed = 5.0 + k // len(TERMS)
        run = {"steps": LOOKS, "drop": speed * LOOKS, "predicted": speed * LOOKS}
        run |= {"retain_kl": speed**2 * LOOKS, "forget_distance": speed**2 * LOOKS}
        arrays |= {f"0.{name}.{column}": x for column, x in run.items()}
    values = {"optimizer": "GD", "seeds": [0], "wanted": {"0": WANTED}, "methods": list(METHODS)}
    return Data(arrays, values)


def _kept() -> dict[str, Data]:
    """What the scalar model says of gradient ascent and its kin, asked of runs that all go as far."""
    (alike,) = practised({f"llm/family/AdamW/{name}-s0": _run(name, NATS) for name in METHODS})
    speeds = {name: x for term in TERMS for name, x in predicted_speed(alike, term).items()}
    most = speeds["GA"]
    return {f"llm/family/AdamW/{name}-s0": _run(name, NATS * x / most) for name, x in speeds.items()}


def _run(name: str, nats: float) -> Data:
    moments = [
        {"step": int(k), "epoch": 1, "retain_kl": nats**2 * k, "log10_forget_quality": -(nats**2) * k} for k in LOOKS
    ]
    moments[0] |= {"forget_probability": 0.9}
    values: dict[str, Any] = {"method": name, "label": name, "seed": 0, "moments": moments, "rates": RATES}
    values |= {"drop": [float(x) for x in nats * LOOKS / LOOKS[-1]], "wanted": {"mean": 4 * WANTED, "sd": 1.0}}
    return Data({}, values | {"tokens": 5.0, "model": {"vocabulary": 50}})
