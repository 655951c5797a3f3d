"""Inside a model: the lens ends in its own log-probabilities, patching its own states changes nothing, depth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from audit_models import ASKED, QUESTIONS, TOKENIZER, beside, model_of, subject
from tiny_families import family

from records.errors import UserError
from scale.audit.asked import AskedSets, Entity
from scale.audit.depth import patched
from scale.audit.hidden import hidden, inside
from scale.audit.lens import block_states, lens
from scale.audit.settings import AuditSettings
from scale.audit.subject import ModelsBeside
from scale.audit.words import logp_of_words, places_of, spoken_of, words_in
from scale.data.formats import FORMATS
from scale.data.prompts import Encoded, collate
from scale.data.questions import Question, QuestionSet
from scale.evaluation.metrics.depth import unlearning_depth
from scale.models.reading.blocks import blocks_of
from scale.models.reading.handed_on import instead, may_rest
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

SETTINGS = AuditSettings(families=("hidden",), tau=0.01)
MORE = ("gemma2", "opt", "mamba", "rwkv", "gpt_neox", "falcon", "qwen3_moe", "olmo2")
FAMILIES = ("llama", "gpt2", *(pytest.param(name, marks=pytest.mark.integration) for name in MORE))


@pytest.fixture(scope="module")
def models():
    return beside()


def by_hand(model, other, spoken, number):
    """Mean log-probability of the words by the library alone: as it is, patched after a block, and under the lens."""

    def read(model, ids, hooks=()):
        handles = [block.register_forward_hook(hook) for block, hook in hooks]
        try:
            with torch.no_grad():
                return model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
        finally:
            for handle in handles:
                handle.remove()

    def mean(logp):
        return float(np.mean([logp[place, int(ids[0, place + 1])] for place in places]))

    def tensor(output):
        return output[0] if isinstance(output, tuple) else output

    def put(output, states):
        return (states, *output[1:]) if isinstance(output, tuple) else states

    ids = torch.tensor([spoken.row.ids])
    places = [spoken.row.first + j - 1 for j in range(spoken.start, spoken.stop)]
    blocks = [blocks_of(Scorer(one).body, 2) for one in (model, other)]
    seen = []
    read(other, ids, [(blocks[1][number - 1], lambda _, __, output: seen.append(tensor(output)))])

    def patch(_, __, output):
        states = tensor(output).clone()
        states[0, places] = seen[0][0, places]
        return put(output, states)

    last = (blocks[0][-1], lambda _, __, output: put(output, seen[0]))
    return [mean(read(model, ids, hooks)) for hooks in ([], [(blocks[0][number - 1], patch)], [last])]


@pytest.mark.parametrize("name", [FAMILIES[0], *(pytest.param("gpt2", marks=pytest.mark.integration), *FAMILIES[2:])])
def test_lens_and_drops_are_those_of_hooks_by_hand(name):
    one, two = subject(model_of(name)), subject(model_of(name, 0.05))
    found, spoken = inside(one, two, ASKED), spoken_of(ASKED, one.writer)
    for number in (1, 2):
        expected = [by_hand(one.language_model.model, two.language_model.model, each, number) for each in spoken]
        plain, patch, read = np.array(expected).T
        np.testing.assert_allclose(found.lens[:, number - 1], read, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.drop[:, number - 1], plain - patch, rtol=1e-3, atol=2e-5)
    assert np.abs(found.drop).max() > 0.01


def test_the_finetuned_model_has_depth_0_and_the_retrained_one_1_exactly(models):
    for one, value in ((models.finetuned, 0.0), (models.retrained, 1.0)):
        found = hidden(one, ASKED, SETTINGS, models)
        for score in ("unlearning_depth", "lens_erasure"):
            values = found[score].values
            assert np.isfinite(values).any()
            assert set(values[np.isfinite(values)]) == {value}, score
    between = hidden(subject(model_of(noise=0.02)), ASKED, SETTINGS, models)
    assert 0 < np.nanmean(between["unlearning_depth"].values) < 1
    own = inside(models.finetuned, models.retrained, ASKED).drop
    drops = inside(models.finetuned, subject(model_of(noise=0.02)), ASKED).drop
    np.testing.assert_array_equal(between["unlearning_depth"].values, unlearning_depth(own, drops, 0.01))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_s_own_states_change_nothing_and_the_lens_ends_in_its_own_words(name):
    one = subject(model_of(name))
    spoken, scorer = spoken_of(ASKED, one.writer), Scorer(one.language_model.model).eval()
    batch = collate([each.row for each in spoken], one.writer.pad)
    if name in ("rwkv", "mamba"):  # which read padding
        spoken = spoken[:1]
        batch = collate([spoken[0].row], one.writer.pad)
    with torch.no_grad():
        places = places_of(batch, spoken)
        plain, states = logp_of_words(scorer, batch, places), block_states(scorer, batch)
        for rest in {False, may_rest(scorer, [each.row for each in spoken], Processes("cpu"))}:
            kept = patched(scorer, batch, places, states, states, rest=rest)
            assert torch.equal(kept, plain.expand_as(kept))
            assert torch.equal(lens(scorer, batch, places, states, rest=rest)[-1], plain)


def test_blocks_below_rest_and_are_as_they_were_afterwards():
    scorer, ids = Scorer(model_of()), torch.tensor([[5, 6, 7]])
    blocks, ran = blocks_of(scorer.body, 2), []
    own = vars(blocks[0]).setdefault("forward", blocks[0].forward)  # as a library that wraps it leaves it
    blocks[0].mlp.register_forward_hook(lambda *_: ran.append(1))
    with torch.no_grad():
        plain = scorer.hidden(ids, torch.ones_like(ids))
        states = block_states(scorer, collate([Encoded((5, 6, 7), 1)], 0))[1]
        ran.clear()
        with instead(scorer.body, 2, 1, states, rest=True):
            assert torch.equal(scorer.hidden(ids, torch.ones_like(ids)), plain)
        assert not ran
        with pytest.raises(RuntimeError, match="stop"), instead(scorer.body, 2, 2, states, rest=True):
            raise RuntimeError("stop")
        assert vars(blocks[0])["forward"] is own
        assert "forward" not in vars(blocks[1])
        assert torch.equal(scorer.hidden(ids, torch.ones_like(ids)), plain)


def test_blocks_that_hand_on_more_than_their_states_never_rest():
    rows = [Encoded((5, 6, 7, 8, 0), 1)]
    found = {name: may_rest(Scorer(model_of(name)), rows, Processes("cpu")) for name in ("llama", "rwkv")}
    assert found == {"llama": True, "rwkv": False}


# --- words --------------------------------------------------------------------------------------------------------


def test_the_words_are_the_tokens_with_letters_of_the_entity():
    writer = subject(model_of()).writer
    row = writer.encode("Who?", "Ada met Ada of Oldham.")
    tokens = row.ids[row.first :]

    def text(entity):
        start, stop = words_in(row, entity, writer)
        return writer.tokenizer.decode(tokens[start:stop])

    assert text(Entity("Oldham")).strip(" .") == "Oldham"
    starts = [words_in(row, Entity("Ada", prefix), writer)[0] for prefix in ("", "Ada met", "nowhere")]
    assert starts[0] == 0 < starts[1]
    assert starts[2] == starts[1]  # it is sought behind as many letters, and found there too
    for absent in (None, Entity("Bury")):
        assert words_in(row, absent, writer) == (0, len(tokens) - 1)


def test_a_mean_is_over_each_answer_s_own_words():
    one = subject(model_of())
    spoken = spoken_of(ASKED, one.writer)
    batch = collate([each.row for each in spoken], one.writer.pad)
    places = places_of(batch, spoken)
    assert places.target.tolist() == [t for s in spoken for t in s.row.ids[s.row.first :][s.start : s.stop]]
    assert batch.ids.flatten()[places.place + 1].tolist() == places.target.tolist()
    found = places.mean(places.answer.float(), len(spoken))
    assert found.tolist() == [0, 1, 2, 3]


# --- what can't be had --------------------------------------------------------------------------------------------


def test_without_models_beside_there_is_less():
    one = subject(model_of(noise=0.1))
    assert hidden(one, ASKED, SETTINGS, ModelsBeside()) == {}
    found = hidden(one, ASKED, SETTINGS, ModelsBeside(finetuned=subject(model_of())))
    assert list(found) == ["lens_block_1", "lens_block_2"]


def test_models_that_do_not_fit_are_told(models):
    other = subject(family("llama", vocab=len(TOKENIZER) + 8, end=0, pad=1), "a wider one")
    with pytest.raises(UserError, match=r"a wider one is a llama of 2 blocks, 32 wide, \d+ tokens, the finetuned"):
        hidden(other, ASKED, SETTINGS, models)
    written = replace(models.retrained, writer=models.retrained.writer._replace(format=FORMATS["llama2-chat"]))
    with pytest.raises(UserError, match="don't write the same tokens"):
        hidden(written, ASKED, SETTINGS, models)


def test_what_was_read_of_a_model_is_not_read_again(monkeypatch, models):
    first = inside(models.finetuned, models.retrained, ASKED)
    monkeypatch.setattr("scale.audit.hidden._inside", None)
    assert inside(models.finetuned, models.retrained, ASKED) is first
    with pytest.raises(TypeError):
        inside(models.finetuned, models.retrained, AskedSets(QuestionSet((Question("Who?", ("Ada.",)),), {})))
    assert len(QUESTIONS) == len(first.drop)
