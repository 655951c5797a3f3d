"""Finished unlearning runs made up by hand, as `npo run` would leave them, without any model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from records.files import write_json
from records.ownership import MANIFEST, listed
from records.store import Data, save

QUESTIONS = 4
SETS = ("forget", "retain", "real_authors", "world_facts")
SHARED = {
    "data": {"source": "made up", "hash": "0", "forget_rows": 4, "retain_rows": 8, "asked": {"forget": 4}},
    "model": {"base": "tiny", "shape": {"hidden": 32}, "prompt": "plain"},
    "precision": "float32",
    "asked": {"protocol": "tofu", "questions": QUESTIONS},
}
SCHEDULE = {"lr": 1e-3, "epochs": 2, "batch": 4, "piece": 4}


def scores(level: float) -> dict[str, float | None]:
    found: dict[str, float | None] = {"model_utility": level}
    for name in SETS:
        found |= {f"{name}_{measure}": level for measure in ("probability", "rouge", "truth_ratio", "degenerate")}
    return found


def moment(epoch: int, level: float = 0.5, **changed: Any) -> dict[str, Any]:
    judged = {"forget_quality": level, "log10_forget_quality": float(np.log10(level)), "ks_statistic": 0.5}
    moved = {"forget_kl": float(epoch), "retain_kl": float(epoch)}
    return {"step": 2 * epoch, "epoch": epoch, **judged, **scores(level), **moved, **changed}


def values_of(label: str, seed: int = 0, **changed: Any) -> dict[str, Any]:
    found = {
        "stage": "unlearn",
        "label": label,
        "seed": seed,
        "protocol": "tofu",
        "data": {"source": "made up", "forget_rows": 4, "retain_rows": 8},
        "model": {"kind": "llama", "parameters": 1000},
        "moments": [moment(epoch, 0.5 - 0.1 * epoch) for epoch in range(3)],
        "stopped": None,
        "finetuned": scores(0.5),
        "retrained": scores(0.6),
        "n": QUESTIONS,
        "log10_floor": -1.5,
        "not_rankable": [],
        "texts": [{"set": "forget", "question": "Who?", "answer": "Ada.", "generated": "Bob."}],
    }
    return {**found, **changed}


def _arrays(shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found = {}
    for name in SETS:
        for column, more in (("answer", ()), ("paraphrase", ()), ("perturbed", (3,))):
            found[f"{name}.{column}_nll"] = random.uniform(0.5, 2, (*shape, QUESTIONS, *more))
            found[f"{name}.{column}_tokens"] = np.full((*shape, QUESTIONS, *more), 5.0)
        found |= {
            f"{name}.{column}": np.full((*shape, QUESTIONS), 0.5) for column in ("rouge1", "rougeL", "degenerate")
        }
    return found


def piece(folder: Path, data: Data, settings: Mapping[str, Any]) -> Path:
    """A finished piece of work, with its manifest."""
    folder.mkdir(parents=True)
    save(folder, data)
    facts = {"key": "0" * 16, "settings": dict(settings), "seconds": 1.0, "environment": {}}
    write_json(folder / MANIFEST, {**facts, "files": listed(folder)})
    return folder


def unlearned(run: Path, name: str, seed: int = 0, settings: Mapping[str, Any] | None = None, **changed: Any) -> Path:
    """A run of one method; `settings` are merged into the usual ones, `changed` into its values."""
    method = {"method": {"name": name, "label": name, "beta": 0.1}, "own_source": "", "weights": [1.0, 1.0]}
    usual = {**SHARED, **method, "schedule": SCHEDULE, "reduction": "sum", "reference": "cached", "seed": seed}
    values = {**values_of(name, seed), **changed}
    data = Data(_arrays((len(values["moments"]),), seed), values)
    return piece(run / "unlearn" / f"{name}-s{seed}", data, {**usual, **(settings or {})})


def judged(run: Path, settings: Mapping[str, Any] | None = None, levels: Sequence[float] = (0.5, 0.6)) -> Path:
    """The examinations of finetuned and retrained model."""
    for name, level in zip(("finetune", "retrain"), levels, strict=True):
        data = Data(_arrays((), 1), {"scores": scores(level), "questions": {}})
        piece(run / "evaluate" / name, data, {**SHARED, **(settings or {})})
    return run
