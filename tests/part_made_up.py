"""A part relearnt as the law says, made up: the logistic room, the small transformer, tofu-mini."""

import numpy as np

from records.store import Data
from synthetic.logistic import relearnt_part as linear
from synthetic.transformer.field import relearnt_part as network
from theory.theorems.recovery.relearnt_part import even_share

__all__ = ["relearnt_parts"]

SEEDS = (1, 2, 3)
UNLEARNED = {"GA": (0.9, 800.0), "GA+RT": (0.8, 600.0), "NPO": (0.5, 150.0)}


def relearnt_parts() -> dict[str, Data]:
    """By unit."""
    seeds = {"seeds": list(SEEDS)}
    runs = {f"llm/relearn-part/tofu-mini/{name}-s0": _tofu(name, *x) for name, x in UNLEARNED.items()}
    runs["llm/relearn-part/tofu-mini/retrained-s0"] = _tofu("retrained", 0.02, 8.0)
    return runs | {
        "logistic/relearnt-part": Data(_linear(), seeds | {"couplings": list(linear.COUPLINGS)}),
        "transformer/relearnt-part": Data(_network(), seeds),
    }


def _linear() -> dict[str, np.ndarray]:
    found = dict[str, np.ndarray]()
    for run, coupling in [(f"{m}-{k:g}-{s}", k) for m in linear.MODELS for k in linear.COUPLINGS for s in SEEDS]:
        share = np.array(even_share(coupling, linear.FORGET // 2))
        rise = 20 * share * np.ones(linear.FORGET // 2)
        columns = {"share": share, "even": share, "rise": rise, "exact": rise, "law": rise, "part": np.array(20.0)}
        found |= {f"{run}.{name}": x for name, x in columns.items()}
    return found


def _network() -> dict[str, np.ndarray]:
    found = dict[str, np.ndarray]()
    for data in network.DATA:
        for place, model in enumerate(network.MODELS):
            coupling = 0.3 * place + 0.02 * (data == "random") + 0.01
            for seed in SEEDS:
                rise = (coupling + 0.001 * seed) * np.array([0.0, 10.0])
                columns = {"rest": rise, "law": rise, "along": rise, "part": np.array([0.0, 10.0])}
                found |= {f"{data}-{model}-{seed}.{name}": x for name, x in columns.items()}
                found[f"{data}-{model}-{seed}.coupling"] = np.array(coupling + 0.001 * seed)
    return found


def _tofu(label: str, coupling: float, rise: float) -> Data:
    rows = {"tokens": [10.0] * 8, "law": [float(k) for k in range(8)], "rise": [float(k) for k in range(8)]}
    values = {"label": label, "seed": 0, "coupling": coupling, "law": [0.0, 1.1 * rise], "rest_rise": [0.0, rise]}
    values |= {"part_rise": [0.0, rise / coupling], "rest": [1e-4, 0.1 * coupling], "finetuned_right": 1.0}
    values["lost"] = {"part": 1.2 * rise, "rest": 1.1 * rise}
    return Data({}, values | {"rest_right": [0.1, 0.95], "rows": rows})
