"""What open-unlearning's and MUSE's own code make of `tests/audit_made_up.py`: membership, aggregates, defects.

    NPO_PEER=DIR NPO_MUSE=DIR ENV/bin/python tests/peer_audited.py     # writes tests/data/peer_audited.json

NPO_PEER is a folder with locuslab/open-unlearning at d3d7cf9, NPO_MUSE one with swj0419/muse_bench at fcd6651, and the
Python has what the first requires. Their files run as they are; nothing of the project is imported but the inputs.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from audit_made_up import ROWS, TEXTS, ids_of, model, text_of

VALUES = Path(__file__).parent / "data" / "peer_audited.json"
KS = (0.2, 0.4)
AREAS = {"loss": 0.9965, "zlib": 0.9979, "min_k": 0.9967, "min_k_plus_plus": 0.9980}
RETAINED = {"loss": 0.38736, "zlib": 0.30889, "min_k": 0.38261, "min_k_plus_plus": 0.47763}


def collated(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Padded on the right; prompts are not predicted."""
    most = max(len(row["prompt"]) + len(row["answer"]) for row in rows)
    ids, labels = torch.zeros(len(rows), most, dtype=torch.long), torch.full((len(rows), most), -100)
    for i, row in enumerate(rows):
        whole, first = (*row["prompt"], *row["answer"]), len(row["prompt"])
        ids[i, : len(whole)] = torch.tensor(whole)
        labels[i, first : len(whole)] = torch.tensor(row["answer"])
    mask = (torch.arange(most) < torch.tensor([[len(r["prompt"]) + len(r["answer"])] for r in rows])).long()
    index = torch.tensor([row["index"] for row in rows])
    return {"input_ids": ids, "labels": labels, "attention_mask": mask, "index": index}


def membership() -> dict[str, Any]:
    """Every attack: scores by row and AUC."""
    from evals.metrics.mia import utils
    from evals.metrics.mia.gradnorm import GradNormAttack
    from evals.metrics.mia.loss import LOSSAttack
    from evals.metrics.mia.min_k import MinKProbAttack
    from evals.metrics.mia.min_k_plus_plus import MinKPlusPlusAttack
    from evals.metrics.mia.reference import ReferenceAttack
    from evals.metrics.mia.zlib import ZLIBAttack

    decoder = SimpleNamespace(decode=lambda ids, skip_special_tokens: text_of(ids))
    attacks = {"loss": (LOSSAttack, {}), "zlib": (ZLIBAttack, {"tokenizer": decoder})}
    attacks |= {f"min_k {k}": (MinKProbAttack, {"k": k}) for k in KS}
    attacks |= {f"min_k_plus_plus {k}": (MinKPlusPlusAttack, {"k": k}) for k in KS}
    attacks |= {"reference": (ReferenceAttack, {"reference_model": model(0.5)}), "gradient": (GradNormAttack, {"p": 2})}
    data = {
        name: [{"prompt": p, "answer": a, "index": i} for i, (p, a) in enumerate(rows)] for name, rows in ROWS.items()
    }
    found = {}
    for name, (attack, options) in attacks.items():
        rows = 1 if name == "gradient" else 3
        out = utils.mia_auc(attack, model(0.0), data, collated, rows, **options)
        scores = {part: [one["score"] for one in out[part]["value_by_index"].values()] for part in ROWS}
        found[name] = {"auc": float(out["auc"]), **scores}
    together = _how_it_ends(lambda: utils.mia_auc(GradNormAttack, model(0.0), data, collated, 3, p=2))
    return {**found, "gradient of three rows at once": together}


def _how_it_ends(run: Callable[[], Any]) -> str:
    try:
        run()
    except Exception as error:  # which is what is asked
        return f"{type(error).__name__}: {error}".split(" (")[0].split(". ")[0]
    return "ran"


def certain() -> list[dict[str, Any]]:
    """Min-K++ of logits given outright, a certain token and no token among them: where the floor decides."""
    from evals.metrics.mia.min_k import MinKProbAttack
    from evals.metrics.mia.min_k_plus_plus import MinKPlusPlusAttack

    found = []
    for scale in (1.0, 8.0, 40.0):
        logits = scale * torch.sin(1.7 * torch.arange(30, dtype=torch.float64) ** 1.2).view(5, 6)
        logp, targets = logits.log_softmax(-1), [0, 3, 3, 5, 1]
        attack = MinKPlusPlusAttack.__new__(MinKPlusPlusAttack)
        attack.setup(k=0.4)
        stats = {"vocab_log_probs": logp, "token_log_probs": logp[torch.arange(5), targets]}
        found.append({"logits": logits.tolist(), "targets": targets, "score": float(attack.compute_score(stats))})
    plain = MinKProbAttack.__new__(MinKProbAttack)
    plain.setup(k=0.4)
    return [*found, {"logits": [], "targets": [], "score": float(plain.compute_score(torch.tensor([])))}]


def aggregates() -> dict[str, Any]:
    """PrivLeak, the relative difference and the harmonic mean, of published areas."""
    from evals.metrics.privacy import privleak, rel_diff
    from evals.metrics.utility import hm_aggregate

    def told(value: float) -> dict[str, float]:
        return {"agg_value": value}

    found = {}
    for name, metric in (("priv_leak", privleak), ("relative_difference", rel_diff)):
        found[name] = {
            key: metric._metric_fn(
                None,
                pre_compute={"forget": told(area)},
                reference_logs={"retain_model_logs": {"retain": told(RETAINED[key])}},
            )["agg_value"]
            for key, area in AREAS.items()
        }
        found[f"{name} without"] = metric._metric_fn(None, pre_compute={"forget": told(0.75)}, ref_value=0.5)[
            "agg_value"
        ]
    parts = {name: told(1 - area) for name, area in RETAINED.items()}
    return {"auc": AREAS, "retained": RETAINED, **found, "harmonic": hm_aggregate._metric_fn(None, pre_compute=parts)}


def truth_ratio_of_none() -> dict[str, Any]:
    """Three questions, the middle one without a value: whose are the ratios that come out?"""
    from evals.metrics.memorization import truth_ratio

    losses = {"0": (1.0, 2.0), "1": None, "2": (3.0, 1.5)}
    sides = [
        {"value_by_index": {key: None if one is None else {"avg_loss": one[side]} for key, one in losses.items()}}
        for side in (0, 1)
    ]
    told = truth_ratio._metric_fn(
        None, aggregator="closer_to_1_better", pre_compute={"correct": sides[0], "wrong": sides[1]}
    )
    return {"losses": losses, "by_index": {key: float(one["score"]) for key, one in told["value_by_index"].items()}}


def muse(folder: Path) -> dict[str, Any]:
    """Its scores of whole texts, its AUC of them, and whether its evaluation runs."""
    sys.path[:0] = [str(folder)]
    spec = importlib.util.spec_from_file_location("muse_privleak", folder / "metrics" / "privleak.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    made, reader = model(0.0), SimpleNamespace(encode=ids_of)
    plain = theirs.compute_ppl
    theirs.compute_ppl = lambda text, *rest, **_: plain(text, *rest, device="cpu")
    kept = ("PPL", "PPL/zlib", "Min-20%", "Min-40%")
    log = {name: [theirs.inference(text, made, reader) for text in texts] for name, texts in TEXTS.items()}
    columns = {name: {key: [one[key] for one in found] for key in kept} for name, found in log.items()}
    areas = {}
    for key in kept:
        scores = [columns[name][key] for name in ("forget", "holdout")]
        seen = np.array([0] * len(scores[0]) + [1] * len(scores[1]))
        areas[f"forget_holdout_{key}"] = float(theirs.sweep(np.array(scores[0] + scores[1]), seen)[2])
    texts = [list(TEXTS[name]) for name in ("forget", "forget", "holdout")]
    return {
        "scores": columns,
        "auc": areas,
        "evaluation": _how_it_ends(lambda: theirs.eval(*texts, made, reader)),
    }


def main() -> None:
    """Write all of it."""
    for name in ("deepspeed", "lm_eval", "lm_eval.models", "lm_eval.models.hf_vlms", "lm_eval.tasks"):
        sys.modules[name] = MagicMock() if name != "deepspeed" else ModuleType(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    sys.path.insert(0, str(Path(os.environ["NPO_PEER"]) / "src"))
    torch.set_num_threads(1)
    found = {
        "about": "What locuslab/open-unlearning at d3d7cf9 and swj0419/muse_bench at fcd6651 make of "
        "tests/audit_made_up.py; written by tests/peer_audited.py.",
        "membership": membership(),
        "certain": certain(),
        "aggregates": aggregates(),
        "truth_ratio_of_none": truth_ratio_of_none(),
        "muse": muse(Path(os.environ["NPO_MUSE"])),
    }
    VALUES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
