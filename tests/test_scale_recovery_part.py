"""Relearning a part of a language model's rows: the kernel of its answers, and what is kept of it."""

import numpy as np
import pytest
import torch

from npo.runs.relearn_part import entry, models_of
from records.errors import UserError
from records.store import Data, save
from scale.data.formats import format_of
from scale.data.prompts import Writer, collate
from scale.law.relearnt_part import RelearningPart, answers_at, ascend, gradients, relearnt_part
from scale.law.rungs import full
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.models.reading.scorer import Scorer
from theory.theorems.time.intrinsic_time import rates

QUESTIONS = ["Where was Ada born?", "Who wrote it?", "When was it?"]
ANSWERS = ["In the town of Brackwater.", "A clerk wrote it.", "In the spring."]


def _made():
    tokenizer = train_tokenizer(QUESTIONS + ANSWERS, 300)
    shape = Shape(family="llama", hidden=16, layers=1, heads=2, feed_forward=24, positions=64, vocab=300)
    model = from_scratch(tokenizer, shape, seed=0)
    model.set_attn_implementation("eager")
    writer = Writer(tokenizer, format_of("plain"), 64)
    rows = [writer.encode(q, a) for q, a in zip(QUESTIONS, ANSWERS, strict=True)]
    return LanguageModel(model, tokenizer), rows, writer.pad


def test_the_kernel_is_that_of_the_law_and_answers_are_scored_as_elsewhere():
    language_model, rows, pad = _made()
    J = gradients(Scorer(language_model.model.eval()), rows, pad)
    rung = full(language_model, rows, pad)
    expected = rates(rung.log_probs, rung.parameters, torch.ones(3)).clock
    torch.testing.assert_close((J @ J.T).mean(dim=1), expected, rtol=1e-4, atol=1e-4)
    seen = answers_at(Scorer(language_model.model), collate(rows, pad))
    np.testing.assert_allclose(seen.logp, rung.log_probs(rung.parameters).detach().numpy(), rtol=1e-5)
    assert seen.right.shape == (3,)


@pytest.mark.parametrize("how", [RelearningPart(looks=(0, 3)), RelearningPart("sgd", lr=1e-4, looks=(0, 1))])
def test_a_part_is_relearnt_and_the_law_is_of_its_rises(how):
    language_model, rows, pad = _made()
    found = relearnt_part(language_model, rows, pad, 2, how)
    rise = found["logp"] - found["logp"][0]
    assert rise[-1, :2].min() > 0
    K = found["kernel"]
    np.testing.assert_allclose(found["law"][-1], np.linalg.solve(K[:2, :2], K[:2, 2:]).T @ rise[-1, :2], rtol=1e-5)
    if how.optimizer == "sgd":  # a small step along the gradient obeys the law
        np.testing.assert_allclose(found["law"][-1], rise[-1, 2:], rtol=0.1)


def test_what_is_kept_of_a_model():
    logp = np.log([[0.1, 0.1, 0.1], [0.8, 0.4, 0.2]]) * 2
    kernel = np.array([[4.0, 2.0, 1.0], [2.0, 4.0, 1.0], [1.0, 1.0, 9.0]])
    right = np.array([[0.0, 0.0, 0.5], [1.0, 1.0, 0.5]])
    arrays = {"logp": logp, "right": right, "kernel": kernel, "law": np.array([[0.0], [1.0]])}
    kept = entry(arrays, np.full(3, 2.0), {"logp": np.zeros(3), "right": np.ones(3)}, 2)
    assert kept["coupling"] == pytest.approx(1 / 3)
    assert kept["cosine"] == pytest.approx(1 / 6)
    np.testing.assert_allclose(kept["part"], [0.1, 0.6])
    np.testing.assert_allclose(kept["rest_rise"], [0, 2 * np.log(2)])
    assert kept["lost"]["rest"] == pytest.approx(-2 * np.log(0.1))
    assert kept["rest_right"].tolist() == [0.5, 0.5]


def test_models_are_found_by_label_and_seed(tmp_path):
    for place in ("finetune", "retrain", "unlearn/GA-s1"):
        (tmp_path / place / "model").mkdir(parents=True)
    save(tmp_path / "unlearn/GA-s1", Data({}, {"label": "GA", "seed": 1}))
    assert list(models_of(tmp_path)) == ["retrained-s0", "GA-s1"]
    with pytest.raises(UserError, match="name a folder that npo run has written to"):
        models_of(tmp_path / "unlearn")


def test_ascent_pushes_forget_rows_down_and_keeps_the_others():
    language_model, rows, pad = _made()
    scorer = Scorer(language_model.model.eval())
    before = answers_at(scorer, collate(rows, pad)).logp
    ascend(language_model, rows[:1], rows[1:], pad, nats=20.0, lr=1e-2, steps=60, batch=2)
    after = answers_at(scorer, collate(rows, pad)).logp
    assert after[0] < -20 * rows[0].targets
    assert after[1] > before[1]
