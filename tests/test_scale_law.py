"""The ladder of the law on models so small that every rung is a matter of seconds."""

import numpy as np
import pytest
import torch

from npo.ledger.every_loss.loss_times import one_answer
from npo.runs.losses import saved_losses
from npo.runs.run import saved_law
from npo.verbs.law import distances
from records.store import load
from scale.data.formats import format_of
from scale.data.prompts import Writer
from scale.law import rungs
from scale.law.flow import descend, descend_adamw, name_of
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.lora import Lora
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.recipes.recipe import LawSettings
from theory.theorems.time.intrinsic_time import bounds_on_curve, curve, follow, rates, time_on_curve, weight_by_drop

QUESTIONS = ["Where was Ada born?", "Who wrote it?", "When was it?"]
ANSWERS = ["In the town of Brackwater.", "A clerk wrote it.", "In the spring."]


def _made(family="llama"):
    tokenizer = train_tokenizer(QUESTIONS + ANSWERS, 300, family=family)
    shape = Shape(family=family, hidden=16, layers=2, heads=2, feed_forward=24, positions=64, vocab=300)
    model = from_scratch(tokenizer, shape, seed=0)
    model.set_attn_implementation("eager")
    language_model = LanguageModel(model.double(), tokenizer)
    writer = Writer(tokenizer, format_of("plain"), 64)
    return language_model, [writer.encode(q, a) for q, a in zip(QUESTIONS, ANSWERS, strict=True)], writer.pad


def _all(language_model, rows, pad):
    yield "head", rungs.head(language_model, rows, pad)
    yield "explicit", rungs.explicit_head(language_model, rows, pad)
    yield "blocks", rungs.blocks(language_model, rows, pad, 1)
    yield "full", rungs.full(language_model, rows, pad)
    yield "adapter", rungs.adapter(language_model, rows, pad, Lora(rank=2, alpha=4), "here")


@pytest.mark.parametrize("family", ["llama", "phi", "qwen2"])
def test_every_rung_starts_at_the_same_log_probabilities(family):
    found = {name: rung.log_probs(rung.parameters).detach() for name, rung in _all(*_made(family))}
    for name, logp in found.items():
        torch.testing.assert_close(logp.double(), found["full"].double(), rtol=1e-6, atol=1e-6, msg=name)


@pytest.mark.parametrize("family", ["llama", "phi"])  # phi's head has a bias
def test_the_gram_matrix_moves_logits_as_descent_moves_the_head(family):
    language_model, rows, pad = _made(family)
    ours, theirs = rungs.head(language_model, rows, pad), rungs.explicit_head(language_model, rows, pad)
    weight = torch.tensor([0.3, 1.0, 0.7], dtype=torch.float64)
    theta, other = dict(ours.parameters), dict(theirs.parameters)
    for _ in range(3):
        mine = ours.rates_of(ours.log_probs, theta, weight)
        expected = rates(theirs.log_probs, other, weight)
        torch.testing.assert_close(mine.clock, expected.clock)
        torch.testing.assert_close(mine.motion, expected.motion)
        theta = {name: p - 0.05 * mine.gradient[name] for name, p in theta.items()}
        other = {name: p - 0.05 * expected.gradient[name] for name, p in other.items()}
        torch.testing.assert_close(ours.log_probs(theta), theirs.log_probs(other))


def test_tokens_at_the_head_are_examples_of_their_own():
    language_model, rows, pad = _made()
    whole, three = rungs.head(language_model, rows[:1], pad), slice(3)
    tokens = rungs.head_of_tokens(language_model, rows[0], pad, three)
    every = rungs.head_of_tokens(language_model, rows[0], pad, slice(None))
    assert tokens.log_probs(tokens.parameters).shape == (3,)
    torch.testing.assert_close(every.log_probs(every.parameters).sum(), whole.log_probs(whole.parameters)[0])
    weight = torch.tensor([0.3, 1.0, 0.7], dtype=torch.float64)
    mine = tokens.rates_of(tokens.log_probs, tokens.parameters, weight)
    eta = 1e-6
    moved = {name: p - eta * mine.gradient[name] for name, p in tokens.parameters.items()}
    fell = tokens.log_probs(tokens.parameters) - tokens.log_probs(moved)
    torch.testing.assert_close(fell / eta, mine.motion, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("beta", [0.0, 0.1, 1.0])
def test_one_answer_keeps_to_the_curve_on_every_rung(beta):
    language_model, rows, pad = _made()
    scale, step = beta or 0.1, 0.1
    for name, rung in _all(language_model, rows[:1], pad):
        path = follow(
            rung.log_probs,
            rung.parameters,
            weight_by_drop(beta),
            step=step,
            until=2.0,
            scale=scale,
            rates_of=rung.rates_of,
        )
        time, drop = (scale * x[1:, 0] if beta else x[1:, 0] for x in (path.clock, path.drop))
        bounds = bounds_on_curve(time, gradient_ascent=beta == 0, step=step)
        assert (drop >= bounds.lower - 1e-9).all(), name
        assert (drop <= bounds.upper + 1e-9).all(), name


def test_a_set_leaves_the_curve_by_its_remainder():
    language_model, rows, pad = _made()
    for rung in (rungs.head(language_model, rows, pad), rungs.blocks(language_model, rows, pad, 1)):
        path = follow(
            rung.log_probs,
            rung.parameters,
            weight_by_drop(0.5),
            step=0.03,
            until=2.0,
            scale=0.5,
            rates_of=rung.rates_of,
        )
        reached = time_on_curve(0.5 * path.drop[-1])
        np.testing.assert_allclose(reached, 0.5 * (path.clock[-1] + path.remainder[-1]), rtol=0.02)
        assert np.abs(0.5 * path.remainder[-1]).max() > 0.02


def test_descent_and_adamw_lower_the_answers_and_npo_more_slowly():
    language_model, rows, pad = _made()
    settings = LawSettings(steps=30, nats_a_step=1.0)
    ends = []
    for beta in (0.0, 1.0):
        found, lr = descend(rungs.head(language_model, rows, pad), weight_by_drop(beta), settings, lambda i, n: None)
        assert lr > 0
        assert found["drop"].shape == (31, 3)
        stepped = descend_adamw(
            rungs.explicit_head(language_model, rows, pad), weight_by_drop(beta), 1e-2, 30, lambda i, n: None
        )
        ends.append((found["drop"][-1].mean(), stepped["drop"][-1].mean()))
    assert ends[0][0] > 2 * ends[1][0] > 0
    assert ends[0][1] > ends[1][1] > 0
    assert float(curve(np.array(0.0))) == 0.0


@pytest.mark.integration
def test_the_command_runs_the_ladder_of_a_recipe(tmp_path, run_npo):
    words = ["model.shape.hidden=32", "model.shape.layers=2", "model.shape.heads=2", "model.shape.feed_forward=48"]
    words += ["finetune.epochs=2", "law.betas=[0.5]", "law.until=1", "law.nats=1", "law.steps=3", "law.rows=2"]
    words += ["law.blocks=1", "law.step=0.2", "data.authors=2", "data.retain_authors=1", "model.shape.vocab=400"]
    code, out, err = run_npo("law", "quick", *words, "--out", str(tmp_path))
    assert code == 0, err
    assert "NPO β = 0.5" in out
    assert (tmp_path / "figures/llm_ladder.png").is_file()
    kept = saved_law(tmp_path / "law.json")
    assert set(kept) == {f"law/{rung}-{name_of(beta)}" for rung in LawSettings().rungs for beta in (0.0, 0.5)}
    for name, thin in kept.items():
        whole = load(tmp_path / name)
        np.testing.assert_allclose(thin.arrays["single.drop"][-1], whole.arrays["single.drop"][-1], rtol=1e-5)
        assert thin.values == whole.values
    losses = saved_losses(tmp_path / "losses.json")
    assert len(losses.values["losses"]) >= 10
    assert one_answer({"": losses}).verdict == "holds"
    assert "every loss at the head" in out
    assert not (tmp_path / "retrain").exists()
    for rung in LawSettings().rungs:
        for beta in (0.0, 0.5):
            found = load(tmp_path / f"law/{rung}-{name_of(beta)}")
            assert found.values["rung"] == rung
            assert ("set.drop" in found.arrays) == (rung in ("head", "blocks"))
            assert ("adamw.drop" in found.arrays) == (rung in ("head", "full"))
            assert found.arrays["single.drop"][-1].max() > 0.1
            assert distances(found)["single"] < 0.3  # a coarse step
