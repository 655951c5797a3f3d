"""The language of fictitious people: deterministic, readable, and as much shared as was asked for."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthetic.transformer.language import ATTRIBUTES, FIRST, REFUSALS, VOCABULARY, WORDS, Community, draw, kind, tokens
from theory.logprobs import IGNORE

COMMUNITY = Community(forget=20, retain=80, overlap=0.5)


def _people(questions):
    """Who is asked about: the two words of a name in each question."""
    names = set()
    for question in questions:
        words = question.split()
        k = next(i for i, word in enumerate(words) if word in FIRST)
        names.add((words[k], words[k + 1]))
    return names


def test_a_seed_decides_everything_and_no_global_state_moves():
    before = torch.get_rng_state()
    first, second, other = (draw(COMMUNITY, seed).split for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.forget.tokens, other.forget.tokens)


def test_vocabulary_has_every_word_once_and_no_slot():
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert not any(word.isupper() for word in VOCABULARY)


def test_questions_and_answers_are_six_words_whose_labels_are_the_answer():
    language = draw(COMMUNITY, 0)
    for part in language.split:
        assert part.tokens.shape[1] == 2 * WORDS
        assert bool((part.labels[:, :WORDS] == IGNORE).all())
        assert torch.equal(part.labels[:, WORDS:], part.tokens[:, WORDS:])
    sentences = language.answers(language.split.forget)
    assert torch.equal(tokens(sentences), language.split.forget.tokens[:, WORDS:])


@given(seed=st.integers(0, 2**63 - 1), overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_the_overlap_is_the_share_of_forget_rows_whose_person_is_kept_too(seed, overlap):
    language = draw(Community(forget=20, retain=80, overlap=overlap), seed)
    kept = _people(language.questions(language.split.retain))
    shared = [_people([question]) <= kept for question in language.questions(language.split.forget)]
    assert sum(shared) == round(20 * overlap)
    assert len({*language.questions(language.split.forget), *language.questions(language.split.retain)}) == 100


@given(seed=st.integers(0, 2**63 - 1))
def test_every_answer_of_the_language_is_right_for_itself_and_well_formed_for_another(seed):
    language = draw(COMMUNITY, seed)
    answers = language.answers(language.split.everything)
    for answer, other in pairwise(answers):
        assert kind(answer, answer) == "right"
        assert answer == other or kind(answer, other) == "well-formed"


@given(words=st.lists(st.sampled_from(VOCABULARY), min_size=WORDS, max_size=WORDS))
def test_what_has_no_full_stop_at_its_end_is_gibberish(words):
    assert kind(" ".join([*words[:-1], "was"]), "anna was born in oslo .") == "gibberish"


def test_kinds_of_answers():
    truth = "anna was born in oslo ."
    assert kind(truth, truth) == "right"
    assert kind("boris was born in lima .", truth) == "well-formed"
    assert kind("boris likes to eat rice .", truth) == "well-formed"
    assert kind("anna was born in rice .", truth) == "gibberish"  # a value of another attribute
    assert all(kind(refusal, truth) == "refusal" for refusal in REFUSALS)
    assert all(len(text.split()) == WORDS for text in REFUSALS)
    assert all(len(text.split()) == WORDS for a in ATTRIBUTES for text in (a.question, a.answer))


def test_positive_answers_are_refusals_to_the_forget_questions():
    language = draw(COMMUNITY, 3)
    assert language.questions(language.split.positive) == language.questions(language.split.forget)
    assert set(language.answers(language.split.positive)) <= set(REFUSALS)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"forget": 0, "retain": 5}, "at least 1"),
        ({"forget": 5, "retain": 5, "overlap": 1.5}, "overlap must be from 0 to 1"),
        ({"forget": 5, "retain": 6}, "no whole people"),
        ({"forget": 5, "retain": 5000}, "more than the 256 names"),
        ({"forget": 10, "retain": 5, "overlap": 1.0}, "needs 40 retain rows"),
    ],
)
def test_communities_that_can_not_be_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        Community(**sizes)
