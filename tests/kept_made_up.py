"""Kept results of language models, made up so that every claim on them is true."""

from typing import Any

import numpy as np

from records.store import Data
from theory.theorems.beta.adam_clock import Confidence, drops_under_adam
from theory.theorems.time.intrinsic_time import curve, time_on_curve

BETAS = (0.003, 0.01, 0.02, 0.05, 0.1, 0.3)
WANTED = 350.0


def beta_sweeps() -> dict[str, Data]:
    """Two settings with one β u* = 7, on the law with one budget; the forget quality is best at the wanted drop."""
    return {
        f"llm/beta/{setting}/NPO+RT,beta={beta}-s{seed}": _swept(beta * scale, WANTED / scale, seed)
        for setting, scale in (("one", 1.0), ("other", 1.1))
        for beta in BETAS
        for seed in range(3)
    }


def adam_sweeps() -> dict[str, Data]:
    """A setting on Adam's own law instead, which is another one."""
    return {f"llm/beta/adam/{label}-s{seed}": run for seed in range(3) for label, run in _under_adam(seed).items()}


RATES = [1.0] * 40
SURE = Confidence(0.5, 40.0)


def _under_adam(seed: int) -> dict[str, Data]:
    """Drops by Adam's own law, as wanted at β = 0.05."""
    speeds = [(20.0 + 0.1 * seed) * rate for rate in RATES]
    betas = {"GA+RT": 0.0} | {f"NPO+RT,beta={beta}": beta for beta in (0.0125, 0.04, 0.05, 0.1)}
    drops = {label: float(drops_under_adam(beta, speeds, confidence=SURE)[-1]) for label, beta in betas.items()}
    return {label: _ended(betas[label], drops["NPO+RT,beta=0.05"], drop, seed) for label, drop in drops.items()}


def _swept(beta: float, wanted: float, seed: int) -> Data:
    budget = time_on_curve(7.0 + 0.01 * seed) * wanted / (7.0 + 0.01 * seed)
    return _ended(beta, wanted, float(curve(beta * budget) / beta), seed)


def _ended(beta: float, wanted: float, drop: float, seed: int) -> Data:
    far = abs(np.log(drop / wanted))
    start = {"step": 0, "epoch": 0, "model_utility": 0.8, "log10_forget_quality": -12.0, "forget_degenerate": 0.0}
    wrecked = float(np.clip(np.log(drop / wanted), 0, 1))
    end = {"step": 9, "epoch": 9, "model_utility": 0.78, "log10_forget_quality": -far, "forget_degenerate": wrecked}
    moments = [{**start, "forget_probability": SURE.probability}, end]
    values: dict[str, Any] = {"method": "NPO+RT" if beta else "GA+RT", "beta": beta or None, "seed": seed}
    values |= {"rates": RATES, "tokens": SURE.tokens, "moments": moments}
    return Data({}, values | {"drop": [0.0, drop], "wanted": {"mean": wanted, "sd": 1.0}})


AUTO = "NPO+RT,beta=auto"
FORGET_ENDS: dict[str, dict[str, float]] = {
    "GA": {"retain_probability": 0.0, "model_utility": 0.01, "forget_quality": 0.2, "forget_degenerate": 1.0},
    "GA+RT": {"model_utility": 0.5, "forget_quality": 0.3, "forget_degenerate": 0.9},
    "IDK+RT": {"forget_quality": 1e-9},
    "DPO+RT": {"forget_quality": 1e-8},
    "NPO": {"model_utility": 0.3, "forget_quality": 1e-4},
    "NPO+RT": {"forget_quality": 1e-7},
    AUTO: {"forget_quality": 0.3, "forget_degenerate": 0.05, "forget_rouge": 0.3},
}
"""How each method ends; else as it began."""


def tofu_runs() -> dict[str, Data]:
    """Three forget sets and three seeds in which the paper's sentences are true, and a large set at two weights."""
    runs = {
        f"tofu/{name}/{label}-s{seed}": _forgotten(label, seed, changed)
        for name in ("forget01", "forget05", "forget10")
        for label, changed in FORGET_ENDS.items()
        for seed in range(3)
    }
    for weight, utility in ((1.0, 0.3), (5.0, 0.7)):
        label = "NPO+RT" if weight == 1 else "NPO+RT,retain_weight=5"
        for seed in range(3):
            changed = {"model_utility": utility, "forget_quality": 0.2}
            runs[f"tofu/weights-forget50/{label}-s{seed}"] = _forgotten(label, seed, changed, weight)
    return runs


def _forgotten(label: str, seed: int, changed: dict[str, float], weight: float = 1.0) -> Data:
    start = {"model_utility": 0.8, "forget_quality": 1e-12, "forget_degenerate": 0.0, "forget_rouge": 0.9}
    start |= {"retain_probability": 0.9}
    last = {name: x * (1 - 0.01 * seed) for name, x in (start | changed).items()}
    grown = (lambda t: 2.0 * t) if label.startswith("GA") else (lambda t: np.log(t))
    moments: list[dict[str, Any]] = []
    for epoch in range(7):
        scores = last if epoch == 6 else start
        quality = {"log10_forget_quality": float(np.log10(scores["forget_quality"]))}
        kl = {"forget_kl": float(grown(10 * epoch)) if epoch else 0.0}
        moments.append({"step": 10 * epoch, "epoch": epoch, **scores, **quality, **kl})
    values = {"label": label, "method": label.partition(",")[0], "seed": seed, "moments": moments}
    values |= {"beta": {"GA": None, AUTO: 0.018}.get(label, 0.1), "weights": [1.0, weight], "not_rankable": []}
    more = {"refusals": 0.9 if label == "IDK+RT" else 0.0, "retrained": {"forget_rouge": 0.3, "model_utility": 0.8}}
    return Data({}, values | more | {"log10_floor": -20.0, "data": {}, "drop": [0.2 * k for k in range(7)]})


def wanted_drops() -> dict[str, Data]:
    """Two settings in which every estimate is near the wanted drop, and the rule's runs end there."""
    found = {"held-out": 110.0, "base": 125.0, "paraphrase": 80.0}
    estimates = {name: {"drop": drop} for name, drop in found.items()}
    values = {"wanted": 100.0, "estimates": estimates, "rule": {"ended": {"0": 95.0, "1": 108.0}}}
    return {f"llm/wanted-drop/{setting}": Data({}, dict(values)) for setting in ("one", "two")}


def pools() -> dict[str, Data]:
    """Pools of models of both kinds in which metrics are worth what is published of them."""
    return {f"llm/pools/{recipe}": _pool() for recipe in ("tofu-mini", "tofu-smollm2-mini")}


def _pool() -> Data:
    aucs = {
        "extraction_strength_floored": 0.89,
        "exact_memorization": 0.82,
        "probability": 0.81,
        "truth_ratio_prob_mean": 0.95,
        "auc_loss": 0.9,
        "auc_min_k_plus_plus": 0.82,
        "extraction_strength": 0.88,
    }
    metrics: dict[str, dict[str, Any]] = {
        name: {"auc": {"as it is": [auc, 0.7, 1.0], "relearned": [auc - 0.02, 0.7, 1.0], "four bits": [auc, 0.7, 1.0]}}
        for name, auc in aucs.items()
    }
    robust = {"one-sided": [0.2, 0.1, 0.3], "symmetric": [0.23, 0.1, 0.4]}
    metrics["truth_ratio_prob_mean"] |= {"R": robust}
    metrics["extraction_strength"] |= {"auc_by_taught": {"other-words": [0.6, 0.4, 0.8]}}
    looks = {
        "retrained": ("retrained", 0.4),
        "nothing-s1": ("don't know", 0.5),
        "wrong-answers-s3": ("don't know", 0.9),
        "wrong-answers-s5": ("don't know", 0.8),
        "other-words-s4": ("know", 0.6),
        "other-words-s6": ("know", 0.6),
    }
    models = {
        name: {"name": name, "pool": pool, "states": {"as it is": {"auc_loss": auc}}}
        for name, (pool, auc) in looks.items()
    }
    return Data({}, {"metrics": metrics, "models": models})


def audited() -> dict[str, Data]:
    """An audit in which four bits bring most back, relearning all, ascent undershoots, and NPO+RT can be extracted."""

    def model(pool: str, name: str, probability: tuple[float, ...], auc: float, extracted: float) -> dict[str, Any]:
        states = {
            state: {"probability": p, "auc_min_k": auc, "extraction_strength": extracted}
            for state, p in zip(("as it is", "relearned", "four bits"), probability, strict=True)
        }
        return {"pool": pool, "name": name, "states": states}

    models = (
        model("finetuned", "finetuned", (0.8, 0.9, 0.8), 1.0, 0.9),
        model("retrained", "retrained", (0.1, 0.2, 0.1), 0.4, 0.1),
        model("unlearned", "GA-s0", (0.0, 0.3, 0.5), 0.1, 0.0),
        model("unlearned", "NPO+RT-s0", (0.2, 0.6, 0.4), 0.7, 0.3),
    )
    return {"smollm2/audited": Data({}, {"models": {f"{one['pool']}/{one['name']}": one for one in models}})}
