"""Kept results of language models, made up so that every claim on them is true."""

from typing import Any

import numpy as np

from records.store import Data
from theory.theorems.intrinsic_time import curve, time_on_curve

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


def _swept(beta: float, wanted: float, seed: int) -> Data:
    budget = time_on_curve(7.0 + 0.01 * seed) * wanted / (7.0 + 0.01 * seed)
    drop = float(curve(beta * budget) / beta)
    far = abs(np.log(drop / wanted))
    start = {"step": 0, "epoch": 0, "model_utility": 0.8, "log10_forget_quality": -12.0, "forget_degenerate": 0.0}
    wrecked = float(np.clip(np.log(drop / wanted), 0, 1))
    end = {"step": 9, "epoch": 9, "model_utility": 0.78, "log10_forget_quality": -far, "forget_degenerate": wrecked}
    values: dict[str, Any] = {"method": "NPO+RT", "beta": beta, "seed": seed, "moments": [start, end]}
    return Data({}, values | {"drop": [0.0, drop], "wanted": {"mean": wanted, "sd": 1.0}})
