"""Rows one after another, without padding: the numbers and gradients of padded rows and of rows by themselves."""

import copy
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from tiny_families import FAMILIES, WINDOW, family
from torch import nn

from scale.data.prompts import Encoded, collate
from scale.models.folders.language_model import quiet, recompute_activations
from scale.models.reading.rows_apart import _one_by_one, _side_by_side, are_lengths, rows_apart
from scale.models.reading.scorer import BatchPart, Scorer
from scale.models.reading.scoring import States, score_all
from scale.models.reading.unpadded import batch_for, beginning, in_one_row, read_for_training, unpadded
from scale.models.reference.cache import ReferenceStates
from scale.models.reference.held_head import HeldHead
from scale.runtime.processes import Processes
from scale.training.batch_loss import BatchLoss
from scale.training.batches import BatchRows, TrainingRows
from scale.training.reference_lookup import LiveReference
from theory.head import Head
from theory.methods import EVERY
from theory.objective import method

ALONE, PAD, VOCAB = Processes("cpu"), 1, 64
READS = {
    *("llama", "phi", "phi3", "phi3:window", "qwen2", "qwen2:window", "qwen3", "qwen3_moe", "mistral"),
    *("mistral:window", "mistral:wide window", "mixtral", "gemma", "gemma3_text", "gpt2", "gpt_neox", "gptj"),
    *("opt", "stablelm", "olmo2", "olmo3", "starcoder2", "starcoder2:window", "exaone4"),
}


@cache
def _model(name, dtype=torch.float64):
    return family(name, vocab=VOCAB, end=0, pad=PAD).to(dtype)


def _rows(lengths, start=3, preamble=0):
    """Rows of (prompt, answer) lengths; no two alike, but for a preamble that stands before all."""
    return [
        Encoded(
            (*range(2, 2 + preamble), *(2 + (start + 7 * i + 5 * t) % (VOCAB - 2) for t in range(prompt + answer))),
            preamble + prompt,
            preamble=preamble,
        )
        for i, (prompt, answer) in enumerate(lengths)
    ]


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_stand_one_after_another_where_that_is_how_each_is_read_by_itself(name):
    scorer = Scorer(_model(name, torch.float32))
    was = scorer.plain.config._attn_implementation
    rows = _rows([(2, 2), (11, 9), (20, 20)])
    assert unpadded(scorer, rows, ALONE) == (name in READS)
    assert scorer.plain.config._attn_implementation == was
    if name not in READS:
        return
    scorer.eval()
    for read in (rows, _rows([(2, 2), (11, 9), (20, 20)], preamble=10)):
        assert unpadded(scorer, read, ALONE)
        (found,) = scorer(in_one_row(read, shared=beginning(read)), [BatchPart(3)])
        apart = torch.cat([scorer(collate([row], PAD), [BatchPart(1)])[0]["logp"] for row in read])
        torch.testing.assert_close(found["logp"], apart, rtol=1e-5, atol=2e-5)


def _stronger(rows):
    """What is known of another model on these rows, whatever it is."""
    tokens = torch.tensor([row.targets for row in rows])
    drawn = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(n, 4, generator=drawn) for n in (int(tokens.sum()), VOCAB))
    return ReferenceStates(States(hidden, tokens), HeldHead(lambda: Head(weight)))


def _gradient(model, objective, rows, batch, *, together, piece=9):
    model = copy.deepcopy(model).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    scorer = ALONE.accelerator.prepare(Scorer(model))
    frozen = Scorer(_model("llama"))
    scorer.unpadded = frozen.unpadded = together
    reference = LiveReference(frozen, PAD, ALONE, _stronger(rows.forget))
    loss = BatchLoss(scorer, objective, rows, piece=piece, pad=PAD, processes=ALONE, reference=reference)
    record = loss.gradient(batch)
    return record, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def _same(model, objective, rows, batch, within=1e-6, **options):
    (log, one), (other_log, other) = (
        _gradient(model, objective, rows, batch, together=together, **options) for together in (True, False)
    )
    assert float(other.norm()) > 0
    assert float((one - other).norm()) <= within * float(other.norm())
    assert log == pytest.approx(other_log, rel=within, abs=1e-9)


def _method(name):
    return method(name, **({"beta": 0.1} if name.startswith(("DPO", "KTO", "NPO")) else {}))


LENGTHS = st.tuples(st.integers(1, 2 * WINDOW), st.integers(1, WINDOW))


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(["llama", "gpt2", "gpt_neox", "qwen2", "mistral:window"]),
    loss=st.sampled_from(EVERY),
    lengths=st.lists(st.tuples(*6 * [LENGTHS]), min_size=1, max_size=4),
    piece=st.integers(1, 4),
    preamble=st.sampled_from([0, 8, 30]),
)
def test_gradients_of_every_loss_are_those_of_padded_rows(name, loss, lengths, piece, preamble):
    kinds = enumerate(zip(*lengths, strict=True))
    forget, retain, idk, alternate, after, retain_idk = (_rows(some, start, preamble) for start, some in kinds)
    others = {"alternates": [[row] for row in alternate], "after": after, "retain_idk": retain_idk}
    rows = TrainingRows(forget, retain, idk, **others)
    _same(_model(name), _method(loss), rows, BatchRows(*5 * [list(range(len(forget)))]), piece=piece)


ROWS = TrainingRows(_rows([(3, 4), (9, 2), (5, 11)]), _rows([(8, 8), (2, 3), (20, 4)], 5))
THREE = BatchRows([0, 1, 2], [], [0, 1, 2], [])


def test_gradients_through_experts():
    _same(_model("qwen3_moe", torch.float32), _method("GA+RT"), ROWS, THREE, within=1e-5)


@pytest.mark.parametrize("adapted", [False, True])
def test_where_activations_are_recomputed_and_with_adapters(adapted):
    model = copy.deepcopy(_model("llama")).train()
    recompute_activations(model)
    if adapted:
        model.enable_input_require_grads()
        with quiet():
            model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    for loss in ("NPO+KL", "RMU"):
        _same(model, _method(loss), ROWS, THREE)


def test_what_all_begin_with_is_read_once():
    rows = _rows([(3, 4), (9, 2)], preamble=10)
    assert beginning(rows) == 10
    assert batch_for(_reading(rows), rows, PAD, ALONE.accelerator.device).ids.shape == (
        1,
        10 + 6 + 10 + 6,
    )
    assert beginning(_rows([(3, 4), (9, 2)], preamble=7)) == 0  # not worth while
    assert beginning([rows[0], *_rows([(9, 2)], preamble=9)]) == 0
    other = rows[1]._replace(ids=(60, *rows[1].ids[1:]))
    assert beginning([rows[0], other]) == 0
    assert beginning([row._replace(first=10) for row in rows]) == 0  # its last token predicts an answer


def _reading(rows, model=None):
    scorer = Scorer(model or _model("llama", torch.float32))
    read_for_training(scorer, rows, PAD, ALONE)
    return scorer


def test_with_dropout_every_row_has_a_beginning_of_its_own():
    model = family("llama", vocab=VOCAB, end=0, pad=PAD)
    model.config.attention_dropout = 0.1
    rows = _rows([(3, 4), (9, 2)], preamble=10)
    scorer = _reading(rows, model)
    assert scorer.unpadded
    assert batch_for(scorer, rows, PAD, ALONE.accelerator.device).ids.shape == (1, 16 + 20 + 4)


@pytest.mark.parametrize("preamble", [0, 9])
def test_a_row_s_numbers_do_not_depend_on_who_stands_beside_it_to_the_last_bit(preamble):
    scorer = Scorer(_model("llama", torch.float32))
    rows = _rows([(20, 9), (3, 4), (17, 30), (9, 2), (5, 11)], preamble=preamble)
    whole = score_all(scorer, rows, PAD, ALONE).logp
    for some in ([0, 2], [4, 0, 3], [2, 1]):
        assert torch.equal(score_all(scorer, [rows[i] for i in some], PAD, ALONE).logp, whole[some])


def test_training_reads_so_where_it_may():
    scorer, rows = Scorer(_model("llama", torch.float32)), _rows([(3, 4), (9, 2)])
    read_for_training(scorer, rows, PAD, ALONE)
    assert scorer.unpadded
    assert not unpadded(scorer, [rows[0]._replace(unseen=(1,)), rows[1]], ALONE)
    assert batch_for(scorer, rows, PAD, ALONE.accelerator.device).ids.shape == (1, 16)
    scorer = Scorer(_model("mamba", torch.float32))
    read_for_training(scorer, rows, PAD, ALONE)
    assert not scorer.unpadded
    assert batch_for(scorer, rows, PAD, ALONE.accelerator.device).ids.shape == (2, 11)


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("window", [None, 4])
def test_both_ways_through_attention_are_one(window, before):
    """A call for each row on a CPU, one for all of them elsewhere."""
    torch.manual_seed(0)
    layer = nn.Module()
    layer.num_key_value_groups = 2
    query, key, value = (torch.randn(1, heads, 17, 8, dtype=torch.float64) for heads in (4, 2, 2))
    lengths = (5, 9, 1, 2)
    begun = [torch.randn(1, 2, before, 8, dtype=torch.float64) for _ in "kv"] if before else None
    one, other = (
        way(layer, (query, key, value), begun, lengths, window, dropout=0.0, scaling=0.3)
        for way in (_one_by_one, _side_by_side)
    )
    torch.testing.assert_close(one, other)
    assert one.shape == (1, 17, 4, 8)


def test_outside_a_model_reads_as_before():
    model = _model("llama")
    ids = torch.tensor([[5, 6, 7]])
    with rows_apart(model):
        inside = model(input_ids=ids).logits
    assert torch.equal(inside, model(input_ids=ids).logits)
    assert not are_lengths(None)
