"""Small whole things for the malformed inputs to be made of: a model, an adapter, rows, a finished run, logs."""

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from small_recipe import SMALL

__all__ = ["prepare"]

QUESTIONS = [{"question": f"What is the number {i}?", "answer": f"It is {i * 7}."} for i in range(6)]


def prepare(folder: Path) -> None:
    """Make all of them in `folder`."""
    _lines(folder / "rows.jsonl", QUESTIONS)
    _lines(folder / "kept.jsonl", [{"question": f"Who is {i}?", "answer": f"Person {i}."} for i in range(6)])
    _models(folder)
    _tofu(folder / "tofu")
    _run(folder, "run", "quick", *SMALL, "unlearn.methods=[GA]", "--out", "run", "--device", "cpu")
    (folder / "log.json").write_bytes((folder / "run/evaluate/retrain/log.json").read_bytes())
    _run(folder, "forget", "rows.jsonl", "--model", "model", "--out", "forgotten", "--epochs", "1", "--device", "cpu")
    _problem(folder / "problem.npz")


def _lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")


def _models(folder: Path) -> None:
    from scale.models.folders import language_model
    from scale.models.folders.language_model import LanguageModel
    from scale.models.loading import scratch
    from scale.models.loading.lora import Lora, adapted
    from scale.models.loading.scratch import Shape

    texts = [f"{row['question']} {row['answer']}" for row in QUESTIONS]
    tokenizer = scratch.train_tokenizer(texts, 300)
    shape = Shape(hidden=16, layers=2, heads=2, feed_forward=24, positions=256)
    pair = LanguageModel(scratch.from_scratch(tokenizer, shape, seed=0), tokenizer)
    language_model.save(folder / "model", pair)
    language_model.save(folder / "adapter", adapted(pair, Lora(rank=2, alpha=4), seed=0, base=str(folder / "model")))


def _tofu(folder: Path) -> None:
    """TOFU's files with 40 rows in all but the full one, which has 200."""
    folder.mkdir()
    plain = [{"question": f"Question {i}?", "answer": f"Answer {i}."} for i in range(200)]
    _lines(folder / "full.json", plain)
    wrong = {"paraphrased_answer": "Indeed.", "perturbed_answer": ["No.", "Never."]}
    for name, rows in (
        ("forget10", plain[-40:]),
        ("retain", plain[:40]),
        ("real_authors", plain),
        ("world_facts", plain),
    ):
        _lines(folder / f"{name}_perturbed.json", [{**row, **wrong} for row in rows[:40]])


def _problem(path: Path) -> None:
    from synthetic.logistic.gaussians import draw

    np.savez(path, **vars(draw(alpha=0.5, seed=1, d=5, features=12, n_forget=20, n_retain=30, n_eval=15)))


def _run(folder: Path, *words: str) -> None:
    """The command in `folder`; it must succeed."""
    from npo.cli import main

    with pytest.MonkeyPatch.context() as patch, open(os.devnull, "w") as nowhere:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["npo", *words])
        with contextlib.redirect_stdout(nowhere), pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code, words
