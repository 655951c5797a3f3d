"""Small Llamas, their folders, and log-probabilities of answers under them."""

import pytest
import torch

from records.errors import UserError
from scale import models
from scale.answers import by_length, score, score_all
from scale.fictional import authors
from scale.models import LanguageModel, Shape
from scale.prompts import collate, encode, prompt
from theory.logprobs import from_logits

ROWS = authors(1, seed=0)
TOKENIZER = models.train_tokenizer([prompt(row.question) + row.answer for row in ROWS], 400)
PAD = TOKENIZER.pad_token_id
ENCODED = [encode(TOKENIZER, row.question, row.answer) for row in ROWS]
SHAPE = Shape(hidden=32, layers=2, heads=2, feed_forward=48)


def _model(seed=0):
    return models.small_llama(TOKENIZER, SHAPE, seed=seed)


def _same(first, second):
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_weights_depend_on_the_seed_alone_and_leave_the_random_state():
    before = torch.get_rng_state()
    assert _same(_model(), _model())
    assert not _same(_model(), _model(seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert {parameter.dtype for parameter in _model().parameters()} == {torch.float32}


def test_a_saved_model_is_safetensors_and_comes_back_the_same(tmp_path):
    models.save(tmp_path, LanguageModel(_model(), TOKENIZER))
    assert (tmp_path / "model.safetensors").is_file()
    assert not list(tmp_path.glob("*.bin"))
    model, tokenizer = models.load(tmp_path)
    assert _same(model, _model())
    assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert [encode(tokenizer, row.question, row.answer) for row in ROWS] == ENCODED


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=r"holds no model: config\.json is missing"):
        models.load(tmp_path)


def test_heads_share_the_width_evenly():
    with pytest.raises(UserError, match=r"shape\.hidden=100 is no multiple of 2 · 4 heads.*e\.g\. 96"):
        Shape(hidden=100, layers=1, heads=4, feed_forward=8).check()
    SHAPE.check()


def test_scores_are_those_of_all_logits():
    """The head on answer positions only, against the library's own forward pass and `from_logits`."""
    model, batch = _model(), collate(ENCODED, PAD)
    logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits
    expected, found = from_logits(logits, batch.labels), score(model, batch)
    assert torch.equal(found.tokens, expected.tokens)
    torch.testing.assert_close(found.logp, expected.logp)
    slopes = [
        torch.autograd.grad(each.logp.sum(), list(model.parameters()), retain_graph=True) for each in (found, expected)
    ]
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)


def test_neither_order_nor_batching_nor_padding_changes_a_score(monkeypatch):
    model = _model()
    alone = torch.cat([score(model, collate([row], PAD)).logp for row in ENCODED]).detach()
    found = score_all(model, ENCODED, PAD)
    monkeypatch.setattr("scale.answers.TOKENS_PER_BATCH", 80)
    few = score_all(model, ENCODED[::-1], PAD)
    for logp in (found.logp, few.logp.flip(0), score(model, collate(ENCODED, TOKENIZER.eos_token_id)).logp.detach()):
        torch.testing.assert_close(logp, alone)  # float32: sums of different order
    assert found.tokens.tolist() == [row.targets for row in ENCODED]
    assert not found.logp.requires_grad


def test_batches_hold_every_row_once_and_little_padding():
    batches = list(by_length(ENCODED, 120))
    assert sorted(i for batch in batches for i in batch) == list(range(len(ENCODED)))
    for batch in batches:
        assert len(batch) * max(len(ENCODED[i].ids) for i in batch) <= 120
    assert [len(batch) for batch in by_length(ENCODED, 1)] == [1] * len(ENCODED)
