"""Audits and attacks of one recipe, made up so that every claim on them is true."""

from collections.abc import Sequence
from typing import Any

from records.store import Data

PLACE = "llm/audited/tofu-mini/"
AUC = {"retrain": 0.4, "finetune": 0.99, "GA+RT-s0": 0.01, "NPO-s0": 0.1, "NPO+RT-s0": 0.5}
START = {"retrain": 0.001, "finetune": 0.98, "GA+RT-s0": 1e-5, "NPO-s0": 1e-4, "NPO+RT-s0": 2e-3}
UNLEARNED = ("GA+RT-s0", "NPO-s0", "NPO+RT-s0")


def audits() -> dict[str, Data]:
    """Four models audited, and attacked in five ways."""
    found = {f"{PLACE}audit/{model}": _audit(model) for model in AUC}
    for model in AUC:
        for rows, gain in (("all", 0.4), ("retain", 0.2), ("related", 0.05)):
            label = "relearn" if rows == "all" else f"relearn,rows={rows}"
            mine = gain if model in UNLEARNED else 0.01
            found[f"{PLACE}attack/{model}/{label}"] = _attack(model, "steps", (0, 2, 6), (0, mine / 2, mine), rows)
        found[f"{PLACE}attack/{model}/quantise"] = _attack(model, "bits", (32, 8, 4), (0, 0, -1e-6))
    for model, at, left in zip(UNLEARNED, (0.25, 0.5, 1.0), (0.5, 0.1, 0.0), strict=True):  # the order is turned round
        mixed = _attack(model, "weight", (1.0, 0.5, 0.25, 0.0), (0, left, left, 0.9))
        mixed.values["kept_at"] = {"weight": at, "retain_probability": 0.9, "least": 0.9}
        found[f"{PLACE}attack/{model}/mix"] = mixed
    return found


def _audit(model: str) -> Data:
    scores = {name: {"value": of[model], "low": None, "high": None} for name, of in _SCORES.items()}
    off = AUC[model] - AUC["retrain"]
    against = {"auc_loss": {"value": off, "low": off - 0.1, "high": off + 0.1}}
    return Data({}, {"stage": "audit", "of": model, "scores": scores, "against_retrained": against})


_SCORES = {"auc_loss": AUC, "probability": START}


def _attack(model: str, axis: str, levels: Sequence[float], gains: Sequence[float], rows: str = "all") -> Data:
    value = [START[model] + gain for gain in gains]
    score = {"value": value, "low": [0.9 * x for x in value], "high": [1.1 * x for x in value]}
    values: dict[str, Any] = {"axis": axis, "levels": list(levels), "settings": {"rows": rows}, "robustness": {}}
    return Data({}, values | {"scores": {"probability": score, "extraction_strength": score}})
