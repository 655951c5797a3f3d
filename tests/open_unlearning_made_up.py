"""Evaluations as open-unlearning writes them, of models that never were."""

from typing import Any

import numpy as np

SETS = {"forget": 20, "retain": 20, "ra": 10, "wf": 12}


def _by_index(**columns: Any) -> dict[str, dict[str, Any]]:
    n = len(next(iter(columns.values())))
    return {str(i): {name: np.asarray(x[i]).tolist() for name, x in columns.items()} for i in range(n)}


def _losses(values: np.ndarray) -> dict[str, Any]:
    return {
        "agg_value": float(np.exp(-values).mean()),
        "value_by_index": _by_index(prob=np.exp(-values), avg_loss=values),
    }


def evaluation(seed: int, level: float = 1.0) -> dict[str, Any]:
    """The parts that are measured: losses and ROUGE of four sets, each with its mean; nothing that is made of them."""
    random, found = np.random.default_rng(seed), {}
    for name, n in SETS.items():
        found[f"{name}_Q_A_Prob"] = _losses(random.gamma(2.0, level / 2, n).round(4))
        if name in ("forget", "retain"):
            found[f"{name}_Q_A_PARA_Prob"] = _losses(random.gamma(3.0, level / 2, n).round(4))
        found[f"{name}_Q_A_PERT_Prob"] = _losses(random.gamma(4.0, 0.5, (n, 3)).round(4))
        recall = random.uniform(0.2, 1.0, n).round(4)
        texts = {key: [f"{key} {i}" for i in range(n)] for key in ("input", "ground_truth", "generation")}
        scores = {"rouge1_recall": recall, "rougeL_f1": recall / 2, "rougeL_recall": recall}
        found[f"{name}_Q_A_ROUGE"] = {"agg_value": float(recall.mean()), "value_by_index": _by_index(**scores, **texts)}
    return found
