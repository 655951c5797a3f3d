"""Rows that are read on each at its own pace say what the library's greedy generation says, whatever is guessed."""

from functools import cache

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_families import family

from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.answering import generation
from scale.models.answering.faster import goes_on, seen_of
from scale.models.answering.generation import Generation, answers_after
from scale.models.answering.greedy import Going, read_all_on, reads_on
from scale.models.answering.guesses import Guesses
from scale.models.answering.kept_rows import Kept, Stretch, reading_on
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

TOKENIZER = train_tokenizer(["Who?", "Where was Ada born, and in which of the towns by the sea?"], 320)
WRITER = Writer(TOKENIZER, FORMATS["plain"], 512)
ALONE = Processes("cpu")
END, LONGEST = 0, 12
TOKENS = st.integers(1, 40)
ROWS = st.lists(st.lists(TOKENS, min_size=1, max_size=9), min_size=1, max_size=7)


@cache
def _scorer():
    """A model that says few tokens, so that it repeats itself, is guessed right, and ends."""
    model = family("llama", vocab=len(TOKENIZER), end=END, pad=1)
    with torch.no_grad():
        model.get_output_embeddings().weight[41:] = 0
    return Scorer(model).eval()


@cache
def _greedy(row, left, ends):
    """By hand: the likeliest tokens from the logits of the whole row, each time anew."""
    ids, scorer = list(row), _scorer()
    while len(ids) < len(row) + left:
        ids_now = torch.tensor([ids])
        token = int(scorer.states(ids_now, torch.ones_like(ids_now), last=1)[0, -1].argmax())
        if token in ends:
            break
        ids.append(token)
    return ids[len(row) :]


@settings(deadline=None, max_examples=40)
@given(
    rows=ROWS,
    shared=st.lists(TOKENS, max_size=5),
    left=st.lists(st.integers(1, LONGEST), min_size=7, max_size=7),
    ends=st.frozensets(st.integers(0, 40), max_size=4),
    room=st.sampled_from([1, 40, 400]),
    together=st.sampled_from([0, 5, 48]),
    right=st.booleans(),
)
def test_every_row_says_what_it_says_by_itself(rows, shared, left, ends, room, together, right):
    rows = [tuple(shared + row) for row in rows]
    expected = [_greedy(row, more, ends) for row, more in zip(rows, left, strict=False)]
    hints = [own if right else own[::-1] for own in expected]
    going = [Going(list(row), more, hint) for row, more, hint in zip(rows, left, hints, strict=False)]
    read_all_on(_scorer(), going, ends, least=1e-4, room=room, together=together)
    assert [row.new for row in going] == expected


def test_a_right_hint_saves_steps(monkeypatch):
    taken = []
    own = Kept.begin
    monkeypatch.setattr(Kept, "begin", lambda self, parts, first=0: taken.append(len(parts)) or own(self, parts, first))
    row = (5, 6, 7)
    says = _greedy(row, LONGEST, frozenset())
    for together, most in ((0, LONGEST + 1), (48, LONGEST // 2 + 1)):
        taken.clear()
        going = Going(list(row), LONGEST, tuple(says))
        read_all_on(_scorer(), [going], (), least=1e-4, room=400, together=together)
        assert going.new == says
        assert len(taken) <= most


def test_what_has_ended_makes_room_at_once(monkeypatch):
    read = []
    own = Kept.begin
    monkeypatch.setattr(Kept, "begin", lambda self, parts, first=0: read.append(len(parts)) or own(self, parts, first))
    going = [Going([5, 6, 7 + i], left) for i, left in enumerate((1, 9, 1, 9, 1))]
    read_all_on(_scorer(), going, (), least=1e-4, room=400, together=0)
    assert read == [1, 5, *[2] * 8]  # what all begin with, then one token of each


def test_an_unsure_token_after_a_guess_is_read_again_as_the_first_of_a_step():
    row = (5, 6, 7)
    says = _greedy(row, LONGEST, frozenset())
    going = Going(list(row), LONGEST, tuple(says))
    read_all_on(_scorer(), [going], (), least=torch.inf, room=400)  # no guess ever counts for more than one token
    assert going.new == says


@settings(deadline=None)
@given(
    hint=st.lists(st.integers(0, 3), max_size=8), row=st.lists(st.integers(0, 3), max_size=9), most=st.integers(0, 9)
)
def test_a_guess_is_what_followed_the_last_tokens_before(hint, row, most):
    guesses = Guesses(hint)
    guesses.extend(row)
    found, text = guesses.next(most), [*hint, *row]
    assert len(found) in (0, most)
    pair = tuple(text[-2:])
    if found and any(tuple(text[i : i + 2]) == pair for i in range(len(text) - 2)):
        whole = [*text, *found]
        assert any(whole[i : i + 2 + most] == [*pair, *found] for i in range(len(text) - 2))


def test_only_a_model_that_reads_so_is_read_so():
    rows = [[5, 6, 7], [8, 9, 10, 11, 12]]
    for name, right in {"llama": True, "gpt2": True, "mistral:window": False, "bloom": False, "mamba2": False}.items():
        scorer = Scorer(family(name, vocab=len(TOKENIZER), end=END, pad=1))
        assert goes_on(scorer, [Going(row, 40) for row in rows], ALONE) is right, name
    assert not goes_on(_scorer(), [], ALONE)
    assert not goes_on(_scorer(), [Going([], 4)], ALONE)


def test_a_wrong_mask_is_noticed(monkeypatch):
    own = Kept.begin

    def leaks(self, parts, first=0):
        found = own(self, parts, first)
        self.step.mask.zero_()
        return found

    assert reads_on(_scorer(), [[5, 6, 7], [8, 9, 10, 11, 12]], 20)
    monkeypatch.setattr(Kept, "begin", leaks)
    assert not reads_on(_scorer(), [[5, 6, 7], [8, 9, 10, 11, 12]], 20)


def test_lines_keep_what_rows_read_and_give_it_on():
    scorer, row = _scorer(), [5, 6, 7, 8, 9]
    kept = Kept(3, 8, torch.device("cpu"))
    mask = torch.ones(1, 1, 1, 1, dtype=torch.long)
    with reading_on(scorer.plain, kept):
        places = kept.begin([Stretch(0, 5), Stretch(0, 2)], first=1)
        assert places.tolist() == [0, 1, 2, 3, 4, 0, 1]
        both = scorer.states(torch.tensor([[*row, 3, 4]]), mask, places[None])[0]
        kept.move(1, 0)
        places = kept.begin([Stretch(2, 3)])
        again = scorer.states(torch.tensor([row[2:]]), mask, places[None])[0]
    assert torch.allclose(again, both[2:5], atol=1e-5)
    plain = scorer.states(torch.tensor([row]), torch.ones(1, 5, dtype=torch.long))[0]
    assert torch.allclose(both[:5], plain, atol=1e-5)
    assert scorer.plain.config._attn_implementation == "sdpa"


def test_tokens_that_are_unseen_are_not_read():
    assert seen_of((5, 1, 6), frozenset({1})) == [5, 6]
    assert seen_of((5, 1), frozenset({1})) == []
    assert seen_of((), frozenset({1})) == []


def test_answers_are_those_of_the_library(monkeypatch):
    openings = [[5, 6, 7, 8 + i] for i in range(4)]
    hints, how = [(9, 9, 9), (), (5, 6, 7), (3,)], Generation(9, prompt_counts=False)
    own = answers_after(_scorer(), openings, WRITER, ALONE, how, (), hints)
    monkeypatch.setattr(generation, "goes_on", lambda *_: False)
    assert own == answers_after(_scorer(), openings, WRITER, ALONE, how)


def test_where_equal_logits_are_common_the_library_generates():
    half = Scorer(family("llama", vocab=len(TOKENIZER), end=END, pad=1).to(torch.bfloat16))
    assert not goes_on(half, [Going([5, 6, 7], 4)], ALONE)
