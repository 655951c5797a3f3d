"""Models: from configurations, in folders and out again; log-probabilities of answers under them; the packed way."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from records.errors import UserError
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.general import world_facts
from scale.data.prompts import Writer, collate
from scale.evaluation.asked import tofu_sets
from scale.evaluation.exam import Exam, examine
from scale.evaluation.protocols import PROTOCOLS
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading import whole as loading
from scale.models.loading.scratch import Shape
from scale.models.reading.packed import question_of
from scale.models.reading.scorable import check_head
from scale.models.reading.scorer import BatchPart, Scorer
from scale.models.reading.scoring import score_all
from scale.models.reading.seen import see
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.runtime.processes import WASTE, Processes, by_length
from theory.logprobs import Summed, from_logits

ROWS = authors(1, seed=0)
PLAIN = FORMATS["plain"]
SAID = [PLAIN.prompt(None, row.question) + row.answer for row in ROWS]
TOKENIZER = scratch.train_tokenizer(SAID, 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
PAD = WRITER.pad
ENCODED = [WRITER.encode(row.question, row.answer) for row in ROWS]
FAMILIES = ("llama", "phi", "qwen2")
ALONE = Processes("cpu")


def _model(family="llama", seed=0):
    shape = Shape(family=family, hidden=32, layers=2, heads=2, feed_forward=48)
    return scratch.from_scratch(TOKENIZER, shape, seed=seed)


def _same(first, second):
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def _one(model, rows):
    (found,) = Scorer(model)(collate(rows, PAD), [BatchPart(len(rows))])
    return Summed(found["logp"], torch.tensor([row.targets for row in rows]))


def test_weights_depend_on_the_seed_alone_and_leave_the_random_state():
    before = torch.get_rng_state()
    assert _same(_model(), _model())
    assert not _same(_model(), _model(seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert {parameter.dtype for parameter in _model().parameters()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_safetensors_and_loads_with_the_library_alone(tmp_path, family):
    own = scratch.train_tokenizer(SAID, 400, family=family)
    language_model.save(tmp_path, LanguageModel(_model(family), own))
    assert (tmp_path / "model.safetensors").is_file()
    assert not list(tmp_path.glob("*.bin"))
    model, tokenizer = loading.load(tmp_path)
    assert _same(model, _model(family))
    assert _same(AutoModelForCausalLM.from_pretrained(tmp_path), model)
    assert AutoTokenizer.from_pretrained(tmp_path).get_vocab() == tokenizer.get_vocab() == own.get_vocab()
    before, after = (
        [WRITER._replace(tokenizer=t).encode(row.question, row.answer) for row in ROWS] for t in (own, tokenizer)
    )
    assert before == after


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "/nowhere/at/all"])
def test_a_model_that_is_not_there_is_named_with_what_there_is(name):
    with pytest.raises(UserError, match=r"There is no model .*tiny"):
        loading.load(name)


def test_a_folder_without_a_model_and_one_that_is_damaged_are_told(tmp_path):
    with pytest.raises(UserError, match=r"holds no model: config\.json is missing"):
        loading.load(tmp_path)
    language_model.save(tmp_path, LanguageModel(_model(), TOKENIZER))
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="is damaged or cut short"):
        loading.load(tmp_path)


@pytest.mark.parametrize(
    ("error", "words"), [("GatedRepoError", "is gated"), ("RepositoryNotFoundError", "hub has no")]
)
def test_what_the_hub_refuses_is_told_in_words(monkeypatch, error, words):
    from huggingface_hub import errors

    def refuse(*args, **kwargs):
        kind = getattr(errors, error)
        raise OSError("no") from kind.__new__(kind)  # without a response, whose class differs between hub versions

    monkeypatch.setattr(AutoConfig, "from_pretrained", refuse)
    with pytest.raises(UserError, match=words):
        loading.load("owner/name")


def test_no_network_is_told_in_words(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"The model owner/name can't be loaded.*name a folder"):
        loading.load("owner/name")


def test_a_model_whose_logits_are_more_than_its_head_is_refused(monkeypatch):
    model = _model()
    check_head(model)
    plain = LlamaForCausalLM.forward

    def scaled(self, *args, **kwargs):
        found = plain(self, *args, **kwargs)
        found.logits = found.logits * 2
        return found

    monkeypatch.setattr(LlamaForCausalLM, "forward", scaled)
    with pytest.raises(UserError, match="more than its output head"):
        check_head(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_all_logits(family):
    """The head on answer positions only, against the library's own forward pass and `from_logits`."""
    model, batch = _model(family), collate(ENCODED, PAD)
    logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits
    expected, found = from_logits(logits, batch.labels), _one(model, ENCODED)
    assert torch.equal(found.tokens, expected.tokens)
    torch.testing.assert_close(found.logp, expected.logp)
    slopes = [
        torch.autograd.grad(each.logp.sum(), list(model.parameters()), retain_graph=True) for each in (found, expected)
    ]
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)


def test_neither_order_nor_batching_nor_padding_changes_a_score():
    model = _model()
    alone = torch.cat([_one(model, [row]).logp for row in ENCODED]).detach()
    found = score_all(Scorer(model), ENCODED, PAD, ALONE)
    few = score_all(Scorer(model), ENCODED[::-1], PAD, ALONE, tokens=80)
    for logp in (found.logp, few.logp.flip(0), _one(model, ENCODED).logp.detach()):
        torch.testing.assert_close(logp, alone)  # float32: sums of different order
    assert found.tokens.tolist() == [row.targets for row in ENCODED]
    assert not found.logp.requires_grad


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_questions_score_as_separate_rows(family):
    """Seven answers behind one prompt, against each by itself: the NLL a token within 5e-6."""
    model = _model(family)
    rows = [
        WRITER.encode(row.question, text)
        for row in ROWS
        for text in (row.answer, row.paraphrased_answer, *row.perturbed_answer)
    ]
    seven = [rows[i : i + 7] for i in range(0, len(rows), 7)]
    questions, scorer = [q for some in seven for q in question_of(some)], Scorer(model)
    expected = score_all(Scorer(model), rows, PAD, ALONE, tokens=1)
    for tokens in (1, 2048):
        found = see(scorer, [tuple((row,) for row in some) for some in seven], PAD, ALONE, tokens=tokens)
        assert torch.equal(found.tokens, expected.tokens)
        assert float(((found.logp - expected.logp) / found.tokens).abs().max()) < 5e-6
    assert all(right for way, right in scorer.ways.items() if way[0] == "packed")
    assert sum(q.tokens for q in questions) < sum(len(row.ids) for row in rows) / 1.5


def test_answers_whose_prompts_differ_in_tokens_are_packed_apart():
    rows = [WRITER.encode("Who?", answer) for answer in ("The end.", "7 ends.", "The other.")]
    assert len({row.ids[: row.first] for row in rows}) == 2  # a lone space before "7", none before " The"
    questions = question_of(rows)
    assert [len(q.answers) for q in questions] == [1, 1, 1]
    found = see(Scorer(_model()), [tuple((row,) for row in rows)], PAD, ALONE, tokens=99)
    torch.testing.assert_close(found.logp, score_all(Scorer(_model()), rows, PAD, ALONE).logp)


def test_an_examination_without_the_packed_way_gives_the_same_numbers():
    model = _model()
    asked = {"forget": ROWS, "retain": ROWS[:3], "world_facts": world_facts()[:2]}
    exam = Exam.of(tofu_sets(asked), PROTOCOLS["tofu"], WRITER)
    packed = examine(Scorer(model), exam, ALONE, generate=False)
    model.config._attn_implementation = "eager"
    plain = examine(Scorer(model), exam, ALONE, generate=False)
    assert list(packed) == ["forget", "retain", "world_facts"]
    for name in packed:
        for a, b in zip(packed[name].losses, plain[name].losses, strict=True):
            assert abs(a - b).max() < 5e-6


def test_states_turn_into_the_reference_s_logits(tmp_path):
    model = _model("phi")
    scorer = Scorer(model)
    states = ReferenceCache(tmp_path).states(ReferenceModel(scorer, "weights", PAD, ALONE), ENCODED).states
    batch = collate(ENCODED, PAD)
    logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits
    where = torch.cat([logits[i, row.first - 1 : len(row.ids) - 1] for i, row in enumerate(ENCODED)])
    torch.testing.assert_close(scorer.head().logits(states.hidden), where)


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 2000))
def test_batches_hold_every_row_once_and_little_padding(lengths, tokens):
    batches = by_length(lengths, tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert padded <= tokens or len(batch) == 1
        assert padded - sum(lengths[i] for i in batch) <= WASTE * padded
    assert all(len(batch) == 1 for batch in by_length(lengths, 1)) or 1 in lengths


def test_generation_settings_and_configuration_are_written(tmp_path):
    language_model.save(tmp_path, LanguageModel(_model(), TOKENIZER))
    assert json.loads((tmp_path / "generation_config.json").read_text())["eos_token_id"] == TOKENIZER.eos_token_id
    assert LlamaConfig.from_pretrained(tmp_path).vocab_size == len(TOKENIZER)
