"""Sweeps of β in the two small rooms that are as the rule says, made up for the claims on them."""

import numpy as np

from records.store import Data
from synthetic.logistic import beta as logistic
from synthetic.transformer import beta as transformer
from theory.theorems.beta.chosen_beta import beta_for, drop_at

__all__ = ["swept_rooms"]

SEEDS = (1, 2, 3)


def _swept(label: str, wanted: float) -> Data:
    """A sweep of β that is as the rule says: plain descent with a budget of 50 u*, or a power of β under AdamW."""
    multiple = np.geomspace(0.3, 30, 9)
    chosen = float(beta_for(1.0, 50.0))
    drop = (chosen / multiple) ** 0.8 if "AdamW" in label else drop_at(multiple, 50.0)
    arrays = dict[str, np.ndarray]()
    for seed in SEEDS:
        looks = np.tile(wanted * drop, (3, 1))
        run = {
            "steps": np.array([25.0, 50.0, 100.0]),
            "multiple": multiple * (1 + 0.001 * seed),
            "drop": looks,
            "predicted": 1.01 * looks,
            "forget_distance": np.tile(0.1 + np.abs(np.log(multiple / chosen)), (3, 1)),
            "chosen": np.full(3, chosen),
            "tried_drop": np.full(3, wanted * (1 + 0.01 * seed)),
            "tried_forget_distance": np.full(3, 0.1),
            "wanted": np.array(wanted),
            "before": np.array(3.0),
        }
        arrays |= {f"{seed}.{name}": x for name, x in run.items()}
    return Data(arrays, {"label": label, "seeds": list(SEEDS)})


def swept_rooms() -> dict[str, Data]:
    """By unit; u* is 12 nats, and in the transformer 6 a token."""
    found = {f"logistic/beta-{name}": _swept(run.label, 12.0) for name, run in logistic.RUNS.items()}
    kinds = {name: run.kind for name, run in transformer.RUNS.items()}
    return found | {
        f"transformer/beta-{name}": _swept(transformer.RUNS[name].label, 6.0 * (3 if kind == "language" else int(kind)))
        for name, kind in kinds.items()
    }
