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


def battery() -> dict[str, Data]:
    """Three models of SmolLM2 in the one file that is kept of them, with the other families."""
    units = {name.removeprefix(PLACE): data.values for name, data in audits().items()}
    for model in AUC:
        units[f"attack/{model}/relearn,rows=part"] = units[f"attack/{model}/relearn"]
        _asked_more(units[f"audit/{model}"], model)
    return {"smollm2/battery": Data({}, {"units": units})}


FAMILIES = {
    "memorisation": ["probability"],
    "membership": ["auc_loss"],
    "sampling": ["leak_greedy", "leak_at_1", "leak_at_8"],
    "prompts": [f"{score}_{way}" for score in ("probability", "rouge") for way in ("plain", "format", "prefix")],
    "hidden": ["lens_block_1", "lens_erasure", "unlearning_depth"],
}


def _asked_more(values: dict[str, Any], model: str) -> None:
    """Drawn answers leak, a prefix helps, little is gone inside, and NPO+RT is nearest to the retrained model."""
    off = {"GA+RT-s0": 0.4, "NPO-s0": 0.3, "NPO+RT-s0": 0.1}.get(model, 0.0)
    scores = {"leak_greedy": 0.02, "leak_at_1": 0.02 + off / 2, "leak_at_8": 0.05 + off}
    scores |= dict.fromkeys(("probability_plain", "rouge_plain"), 0.9 if model == "finetune" else 0.1)
    scores |= dict.fromkeys(("probability_prefix", "rouge_prefix", "probability_format", "rouge_format"), 0.1 + off)
    scores |= dict.fromkeys(("unlearning_depth", "lens_erasure"), off if off else 1.0) | {"lens_block_1": -3.0}
    values["families"] = FAMILIES
    values["scores"] |= {name: {"value": x, "low": x - 0.05, "high": x + 0.05} for name, x in scores.items()}
    names = [name for family in FAMILIES.values() for name in family]
    values["against_retrained"] = {name: {"value": off, "low": off - 0.2, "high": off + 0.2} for name in names}
    values["against_retrained"]["leak_greedy"] = {"value": off / 5, "low": off / 5 - 0.05, "high": off / 5 + 0.05}


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
