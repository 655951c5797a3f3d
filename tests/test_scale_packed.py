"""Whatever the architecture, an examination gives what rows by themselves give; packed where that is the same."""

import warnings
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_families import FAMILIES, family

from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.general import world_facts
from scale.data.prompts import Encoded, Writer, collate
from scale.evaluation.asked import tofu_sets
from scale.evaluation.exam import Exam, examine
from scale.evaluation.protocols import PROTOCOLS
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading import faster as faster_reading
from scale.models.reading.packed import PackedQuestion, packable, question_of
from scale.models.reading.scorer import BatchPart, Scorer
from scale.models.reading.scoring import score_all
from scale.models.reading.seen import see
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule
from theory.logprobs import from_logits

ROWS = authors(1, seed=0)[:1]
PLAIN = FORMATS["plain"]
TOKENIZER = train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in ROWS], 320)
ASKED = tofu_sets({"forget": ROWS, "world_facts": world_facts()[:2]})
EXAM = Exam.of(ASKED, PROTOCOLS["tofu"], Writer(TOKENIZER, PLAIN, 512))
ALONE = Processes("cpu")
PACKED = {
    *("llama", "phi", "phi3", "qwen2", "qwen3", "qwen3_moe", "mistral", "mistral:wide window", "mixtral", "gemma"),
    *("falcon", "gpt2", "gpt_neox", "gptj", "opt", "stablelm", "olmo2", "starcoder2"),
    "phi3:longrope",  # where all rows are on the same side of what it calls long
}
NEVER_TRIED = {"gemma2", "gpt_neo", "bloom", "mpt", "mamba", "mamba2", "rwkv", "gpt_oss"}  # not "sdpa": never packed


@cache
def _model(name):
    return family(name, vocab=len(TOKENIZER), end=TOKENIZER.eos_token_id, pad=TOKENIZER.pad_token_id)


def _by_itself(model, row):
    """NLL a token from the library's own logits of one row, with neither padding nor mask nor cache."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits
    found = from_logits(logits.float(), collate([row], 0).labels)
    return -float(found.logp[0] / found.tokens[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_an_examination_is_that_of_rows_by_themselves(name):
    model = _model(name)
    scorer = Scorer(model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = examine(scorer, EXAM, ALONE, generate=False)
    for key, questions in EXAM.encoded.items():
        expected = np.array([[_by_itself(model, row) for (row,) in question] for question in questions])
        losses = found[key].losses
        ours = np.column_stack([losses.answer, losses.paraphrase, losses.perturbed])
        np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-5)
    packed = [value for key, value in scorer.ways.items() if key[0] == "packed"]
    assert packed == ([] if name in NEVER_TRIED else [name in PACKED])
    told = [str(warning.message) for warning in said if "packed questions" in str(warning.message)]
    assert len(told) == (packed == [False])


def test_a_window_matters_only_to_rows_that_reach_past_it():
    scorer = Scorer(_model("mistral:window"))
    short, long = (
        PackedQuestion((5, 6, 7), ((8, 9, 3), (4, 5, 6, 3))),
        PackedQuestion(tuple(range(3, 30)), ((8, 9, 3), (4, 3))),
    )
    assert packable(scorer, [short], 0, ALONE)
    with pytest.warns(UserWarning, match=r"mistral: packed questions are not read as rows by themselves"):
        assert not packable(scorer, [short, long], 0, ALONE)
    assert not packable(scorer, [short, long], 0, ALONE)  # neither tried nor said again


def test_rows_on_both_sides_of_what_a_model_calls_long_are_read_apart():
    scorer = Scorer(_model("phi3:longrope"))
    questions = [PackedQuestion(tuple(range(3, 3 + n)), ((8, 9, 3), (4, 3))) for n in (4, 30)]
    rows = [Encoded(question.prompt + answer, 4) for question in questions for answer in question.answers]
    with pytest.warns(UserWarning, match="phi3: packed questions are not read as rows by themselves"):
        assert not packable(scorer, questions, 0, ALONE)
    with pytest.warns(UserWarning, match="phi3: a row's numbers depend on padding behind it"):
        found = score_all(scorer, rows, 0, ALONE)
    apart = torch.cat([score_all(scorer, [row], 0, ALONE).logp for row in rows])
    torch.testing.assert_close(found.logp, apart)
    score_all(scorer, rows[1:], 0, ALONE)  # other rows are tried, and nothing is said again


def test_neither_a_destroyed_nor_a_training_model_changes_the_way():
    model = _model.__wrapped__("llama").train()
    question = PackedQuestion((5, 6, 7), ((8, 9, 3), (4, 5, 6, 3)))
    with torch.no_grad():
        model.lm_head.weight.fill_(torch.nan)
        model.model.norm.weight.fill_(torch.nan)
    assert packable(Scorer(model), [question], 0, ALONE)
    assert model.training
    encoded = tuple((Encoded(question.prompt + answer, 3),) for answer in question.answers)
    assert see(Scorer(model), [encoded], 0, ALONE, tokens=99).logp.isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["llama", "lfm2", "mistral:window", "qwen3_5_text", "falcon:alibi"])
def test_rounding_is_told_from_a_leak_in_every_precision(name, dtype):
    question = PackedQuestion(tuple(range(3, 30)), ((8, 9, 3), (4, 5, 6, 7, 8, 9, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert packable(Scorer(_model.__wrapped__(name).to(dtype)), [question], 0, ALONE) == (name == "llama")


def test_only_what_is_apart_beyond_rounding_differs():
    scorer = Scorer(_model("llama"))
    plain = torch.ones(3, 4)
    assert faster_reading.alike(plain * (1 + 1e-4), plain, scorer)
    assert not faster_reading.alike(plain * (1 + 1e-3), plain, scorer)
    assert not faster_reading.alike(torch.full_like(plain, torch.nan), plain, scorer)
    assert faster_reading.alike(plain, torch.full_like(plain, torch.nan), scorer)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_s_log_probability_does_not_depend_on_its_neighbours(name):
    """Padding behind a row: what training rests on."""
    scorer = Scorer(_model(name))
    rows = [Encoded(tuple(range(3, 3 + n)), 2) for n in (4, 20, 40)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Training(scorer, likelihood, TrainingRows(rows), Schedule(lr=1e-3, epochs=1), seed=0, pad=1, processes=ALONE)
    assert scorer.one_by_one == (len(said) == 1) == (name in {"doge", "phi3:longrope"})
    scorer.eval()
    (together,) = scorer(collate(rows, 1), [BatchPart(3)])
    apart = torch.cat([scorer(collate([row], 1), [BatchPart(1)])[0]["logp"] for row in rows])
    torch.testing.assert_close(together["logp"], apart, rtol=1e-5, atol=2e-5)
    assert together["logp"].requires_grad


SHORT = st.lists(st.integers(3, 5), max_size=5)


@settings(deadline=None, max_examples=30)
@given(prompt=st.lists(st.integers(3, 9), min_size=1, max_size=4), answers=st.lists(SHORT, min_size=1, max_size=5))
def test_what_answers_begin_with_alike_is_read_once_and_changes_nothing(prompt, answers):
    scorer = Scorer(_model("llama")).eval()
    rows = [Encoded((*prompt, *answer, 2), len(prompt)) for answer in answers]
    (question,) = question_of(rows)
    prefixes = {row.ids[:n] for row in rows for n in range(1, len(row.ids))}
    assert question.tokens == len(prefixes) <= question.places
    found = see(scorer, [tuple((row,) for row in rows)], 0, ALONE, tokens=99).logp
    apart = [see(scorer, [((row,),)], 0, ALONE, tokens=99).logp[0] for row in rows]
    torch.testing.assert_close(found, torch.stack(apart), rtol=0, atol=2e-5)
