"""Five steps beside open-unlearning's own trainers: the same losses and weights to 1e-4.

What its trainers found is kept in `data/open_unlearning_steps.json`; where NPO_PEER names a folder with open-unlearning
in it and NPO_PEER_PYTHON its Python, they are run again (`peer_steps.py`).
"""

import copy
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from scale.data.prompts import Encoded
from scale.models.folders.language_model import LanguageModel, save
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading.scorer import Scorer
from scale.recipes.method import Method, methods_of
from scale.recipes.recipe import UnlearnSettings
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows, batches
from scale.training.loop import Training
from scale.training.reference_lookup import LiveReference

KEPT = Path(__file__).parent / "data" / "open_unlearning_steps.json"
PAD, VOCABULARY, BATCH, STEPS = 0, 97, 4, 5
METHODS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "GA": ({}, "GradAscent", {}),
    "GA+RT": ({}, "GradDiff", {}),
    "GA+RT,weights": ({"forget_weight": 0.5, "retain_weight": 3.0}, "GradDiff", {"gamma": 0.5, "alpha": 3.0}),
    "NPO": ({"beta": 0.1}, "NPO", {"beta": 0.1, "alpha": 0.0}),
    "NPO+RT": ({"beta": 0.5, "retain_weight": 2.0}, "NPO", {"beta": 0.5, "alpha": 2.0}),
    "SimNPO+RT": ({"forget_weight": 0.125, "retain_weight": 1.0}, "SimNPO", {"beta": 4.5, "gamma": 0.125}),
    "WGA+RT": ({"retain_weight": 1.0}, "WGA", {"beta": 1.0}),
    "SatImp+RT": (
        {"hyperparameters": {"beta1": 5.0, "beta2": 1.0}, "forget_weight": 0.1, "retain_weight": 1.0},
        "SatImp",
        {"beta1": 5.0, "beta2": 1.0, "gamma": 0.1, "alpha": 1.0},
    ),
}
"""By our names: what is said of the method here, the trainer there, and what is said of it there."""
SCHEDULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "SGD": (
        {"optimizer": "SGD", "lr": 0.05, "weight_decay": 0.0},
        {"optim": "sgd", "learning_rate": 0.05, "max_grad_norm": 0.0},
    ),
    "AdamW": (
        {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.1, "decay": "matrices", "warmup_steps": 2},
        {"optim": "adamw_torch", "learning_rate": 1e-3, "weight_decay": 0.1, "warmup_steps": 2, "max_grad_norm": 0.0},
    ),
    "AdamW clipped": (
        {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "clip": 0.25},
        {"optim": "adamw_torch", "learning_rate": 1e-3, "max_grad_norm": 0.25},
    ),
    "SGD clipped": (
        {"optimizer": "SGD", "lr": 0.05, "weight_decay": 0.0, "clip": 0.25},
        {"optim": "sgd", "learning_rate": 0.05, "max_grad_norm": 0.25},
    ),
}
"""A schedule as it is said here and there."""
CASES = [
    (name, schedule)
    for name in METHODS
    for schedule in SCHEDULES
    if "clipped" not in schedule or name in ("GA", "NPO+RT")
]


@cache
def _model() -> LlamaForCausalLM:
    """A small Llama whose weights depend on nothing but numpy's generator: the same in every version of torch."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rope_parameters={"rope_theta": 5e4, "rope_type": "default"},
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=1,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    rng = np.random.default_rng(19)
    with torch.no_grad():
        for _, p in sorted(model.named_parameters()):
            drawn = rng.normal(0.0, 0.2, p.shape) if p.ndim > 1 else 1.0 + 0.1 * rng.normal(size=p.shape)
            p.copy_(torch.tensor(drawn, dtype=torch.float32))
    return model


@cache
def _rows() -> TrainingRows:
    """Rows of invented ids, of very different lengths; none of them is the padding's."""
    rng = np.random.default_rng(20)

    def row() -> Encoded:
        prompt, answer = int(rng.integers(2, 9)), int(rng.integers(2, 14))
        return Encoded(tuple(map(int, rng.integers(2, VOCABULARY, prompt + answer))), prompt)

    return TrainingRows([row() for _ in range(BATCH * STEPS)], [row() for _ in range(BATCH * STEPS)])


def _method(name: str, schedule: str) -> Method:
    """The method through the settings of a recipe, with the reduction that is the peer's."""
    settings = {
        "methods": [{"name": name.partition(",")[0], **METHODS[name][0]}],
        "reduction": "token_mean",
        "steps": STEPS,
        "batch": BATCH,
        "piece": 3,
        "warmup": 0,
        **SCHEDULES[schedule][0],
    }
    (found,) = methods_of(UnlearnSettings.model_validate(settings))
    return found


def _ours(name: str, schedule: str) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses of our steps, and how far each weight has moved."""
    chosen, processes = _method(name, schedule), Processes("cpu")
    model, second = (Scorer(copy.deepcopy(_model())) for _ in range(2))
    training = Training(
        model,
        chosen.objective,
        _rows(),
        chosen.schedule,
        seed=0,
        pad=PAD,
        processes=processes,
        reference=LiveReference(second.requires_grad_(False).eval(), PAD, processes),
    )
    losses = [float(step["loss"]) for moment in training.run() for step in moment.steps]
    return losses, _moved({name.removeprefix("model."): p for name, p in training.scorer.named_parameters()})


def _moved(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: weights[name].detach() - p.detach() for name, p in sorted(_model().named_parameters())}


def _seen(moved: dict[str, torch.Tensor]) -> list[float]:
    """Eight numbers that weights which moved otherwise would not give: sums with random signs, in units of the move."""
    flat = torch.cat([x.flatten() for x in moved.values()]).double()
    signs = torch.tensor(np.random.default_rng(21).choice([-1.0, 1.0], (8, len(flat))))
    return (signs @ flat).tolist()


def _norm(moved: dict[str, torch.Tensor]) -> float:
    return float(torch.cat([x.flatten() for x in moved.values()]).double().norm())


@pytest.mark.parametrize(("name", "schedule"), CASES)
def test_five_steps_are_those_that_the_peer_s_trainers_took(name: str, schedule: str) -> None:
    kept = json.loads(KEPT.read_text("utf8"))["cases"][f"{name} | {schedule}"]
    losses, moved = _ours(name, schedule)
    assert losses == pytest.approx(kept["losses"], rel=1e-4)
    assert _norm(moved) == pytest.approx(kept["moved"], rel=1e-4)
    assert _seen(moved) == pytest.approx(kept["seen"], abs=3e-4 * kept["moved"])


def test_each_option_matters_here() -> None:
    """The kept numbers tell what is asked for from what is not: another mean, no clipping, all decaying."""
    kept = json.loads(KEPT.read_text("utf8"))["cases"]
    assert kept["GA | AdamW clipped"]["losses"][1:] != pytest.approx(kept["GA | AdamW"]["losses"][1:], rel=1e-4)
    changed = _method("NPO+RT", "AdamW").schedule.model_copy(update={"decay": "all"})
    assert changed.described() != _method("NPO+RT", "AdamW").schedule.described()


# --- the peer, live -------------------------------------------------------------------------------------------------


def _cases(below: Path) -> list[dict[str, Any]]:
    """What the peer is to do, with rows in the order in which ours are taken."""
    tokenizer = train_tokenizer([], 258)
    save(below / "model", LanguageModel(_model(), tokenizer))
    found = []
    for name, schedule in CASES:
        objective = _method("NPO+RT", schedule).objective  # one that takes rows to retain
        order = list(batches(_rows(), objective, size=BATCH, seed=0, epoch=0))
        pick = {kind: [i for batch in order for i in batch.of(kind)] for kind in ("forget", "retain")}
        rows = {kind: [[_rows().of(kind)[i].ids, _rows().of(kind)[i].first] for i in pick[kind]] for kind in pick}
        case: dict[str, Any] = {
            "model": str(below / "model"),
            "trainer": METHODS[name][1],
            "arguments": METHODS[name][2],
        }
        case |= {"batch": BATCH, "steps": STEPS, "out": str(below / f"{len(found)}.pt"), **rows}
        found.append({**case, "settings": SCHEDULES[schedule][1]})
    return found


def _peer(below: Path, folder: str, python: str) -> list[dict[str, Any]]:
    """What the peer's trainers found of each case."""
    cases = _cases(below)
    (below / "cases.json").write_text(json.dumps(cases), encoding="utf8")
    script = Path(__file__).with_name("peer_steps.py")
    alone = {"PYTHONPATH": "", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TRANSFORMERS_VERBOSITY": "error"}
    command = [python, str(script), folder, str(below / "cases.json")]
    done = subprocess.run(command, env={**os.environ, **alone}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(case["out"]) for case in cases]


@pytest.mark.integration
def test_five_steps_beside_the_peer_s_own_trainers(tmp_path: Path) -> None:
    folder, python = os.environ.get("NPO_PEER"), os.environ.get("NPO_PEER_PYTHON")
    if not folder or not python:
        pytest.skip("NPO_PEER and NPO_PEER_PYTHON name no open-unlearning and its Python here")
    for (name, schedule), theirs in zip(CASES, _peer(tmp_path, folder, python), strict=True):
        losses, moved = _ours(name, schedule)
        assert losses == pytest.approx(theirs["losses"], rel=1e-4), (name, schedule)
        other = _moved(theirs["weights"])
        apart = _norm({key: moved[key] - other[key] for key in moved}) / _norm(other)
        assert apart < 1e-4, (name, schedule, apart)


if __name__ == "__main__":  # python tests/test_scale_peer_steps.py FOLDER PYTHON BELOW: what is kept
    found = _peer(Path(sys.argv[3]), *sys.argv[1:3])
    about = "by the trainers of github.com/locuslab/open-unlearning at d3d7cf9, transformers 4.45.1, torch 2.13, CPU"
    each = {
        f"{name} | {schedule}": {
            "losses": one["losses"],
            "moved": _norm(_moved(one["weights"])),
            "seen": _seen(_moved(one["weights"])),
        }
        for (name, schedule), one in zip(CASES, found, strict=True)
    }
    KEPT.write_text(json.dumps({"about": about, "cases": each}, indent=1) + "\n", encoding="utf8")
