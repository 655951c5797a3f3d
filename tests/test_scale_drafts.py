"""With the true answer as a draft answers are those of plain greedy generation, whatever the model and the answer."""

import warnings
from collections import deque
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_families import FAMILIES, family

from scale.data.formats import FORMATS
from scale.data.prompts import Encoded, Writer
from scale.data.questions import Question, QuestionSet, asks
from scale.evaluation.exam import Exam, examine
from scale.evaluation.protocols import PROTOCOLS
from scale.models.answering import generation
from scale.models.answering.drafts import causal, draft, least_lead
from scale.models.answering.generation import Generation, answers_after
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule
from theory.head import Head
from theory.logprobs import answer_rows
from theory.looks import looked_at

QUESTIONS = ["Who?", "Where was Ada born, and in which of the towns by the sea?", "When did she?", "Why not, then?"]
TOKENIZER = train_tokenizer(QUESTIONS, 320)
WRITER = Writer(TOKENIZER, FORMATS["plain"], 512)
OPENINGS = [WRITER.opening(question) for question in QUESTIONS]
ALONE = Processes("cpu")
NEW = 6
HOWS = [Generation(NEW, prompt_counts=False), Generation(len(OPENINGS[1]) + 2, prompt_counts=True)]


@cache
def _model(name="llama"):
    return family(name, vocab=len(TOKENIZER), end=TOKENIZER.eos_token_id, pad=TOKENIZER.pad_token_id)


@torch.no_grad()
def _logits(model, ids):
    return model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].float()


@cache
def _greedy(name):
    """The likeliest tokens after each opening, from the library's logits of the whole row."""
    found = []
    for opening in OPENINGS:
        ids = list(opening)
        while len(ids) < len(opening) + NEW and ids[-1] != WRITER.end:
            ids.append(int(_logits(_model(name), ids)[-1].argmax()))
        found.append(tuple(ids[len(opening) :]))
    return found


def _answers(name, agree):
    """True answers that are the model's own for so many tokens, and all of it where that is None."""
    rows = []
    for opening, own, same in zip(OPENINGS, _greedy(name), agree, strict=True):
        kept = [token for token in own if token != WRITER.end]
        if same is not None and kept:
            at = min(same, len(kept) - 1)
            kept[at] = 5 + (kept[at] - 4) % 200
        rows.append(Encoded((*opening, *kept, WRITER.end), len(opening)))
    return rows


def _drafts(name, rows):
    scorer = Scorer(_model(name)).eval()
    if not causal(scorer, OPENINGS, rows, ALONE):
        return [()] * len(rows)
    found = []
    for opening, row in zip(OPENINGS, rows, strict=True):
        top = _logits(_model(name), row.ids)[row.first - 1 : -1].topk(2)
        lead = (top.values[:, 0] - top.values[:, 1]).tolist()
        found.append(draft(opening, row, top.indices[:, 0].tolist(), lead, least=least_lead(scorer, ALONE)))
    return found


USUAL = {"llama", "gpt2", "bloom", "mistral:window", "gemma3_text", "lfm2", "mamba2", "rwkv", "doge"}


@pytest.mark.parametrize("name", [n if n in USUAL else pytest.param(n, marks=pytest.mark.slow) for n in FAMILIES])
def test_answers_are_those_without_drafts(name):
    scorer = Scorer(_model(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # slower ways of reading are told in test_scale_generation
        for how in HOWS:
            plain = answers_after(scorer, OPENINGS, WRITER, ALONE, how)
            for agree in ([None] * 4, [0, 3, None, 1]):
                drafts = _drafts(name, _answers(name, agree))
                assert answers_after(scorer, OPENINGS, WRITER, ALONE, how, drafts) == plain
                known = [len(tokens) for tokens in drafts]
                assert (max(known) == 0) == (name == "doge"), known


def test_a_model_that_reads_long_texts_otherwise_takes_no_draft_across_that_length():
    long, short = Encoded(tuple(range(3, 30)), 20), Encoded((3, 4, 5, 2), 2)
    with pytest.warns(UserWarning, match="phi3: what it reads changes with what comes behind it"):
        assert not causal(Scorer(_model("phi3:longrope")), [long.ids[:20], short.ids[:2]], [long, short], ALONE)
    assert causal(Scorer(_model("phi3:longrope")), [long.ids[:20]], [long], ALONE)
    assert not causal(Scorer(_model()), [], [], ALONE)


def test_a_known_answer_is_not_generated(monkeypatch):
    rows = _answers("llama", [None, None, 0, 0])
    drafts = [(*row.ids[row.first :],) for row in rows]
    asked = []
    own = generation.Going
    monkeypatch.setattr(generation, "Going", lambda ids, *more: asked.append(tuple(ids)) or own(ids, *more))
    answers_after(Scorer(_model()), OPENINGS[:2], WRITER, ALONE, HOWS[0], drafts[:2])
    assert asked == []
    found = answers_after(Scorer(_model()), OPENINGS, WRITER, ALONE, HOWS[0], [*drafts[:2], (), drafts[3][:3]])
    assert sorted(asked, key=len) == sorted([OPENINGS[2], OPENINGS[3] + drafts[3][:3]], key=len)
    said = [TOKENIZER.decode(ids[:-1]).strip() for ids in drafts]
    assert [answer.text for answer in found[:2]] == said[:2]
    assert found[3].text.startswith(said[3][:4])


def test_drawn_answers_take_no_draft():
    how = Generation(NEW, prompt_counts=False, sample=True)
    plain = answers_after(Scorer(_model()), OPENINGS, WRITER, ALONE, how)
    assert answers_after(Scorer(_model()), OPENINGS, WRITER, ALONE, how, [(7, 8, 9)] * 4) == plain


def test_no_answer_reads_past_the_model_s_end_and_none_is_cut_for_its_neighbours():
    model = family("gpt2", vocab=len(TOKENIZER), end=TOKENIZER.eos_token_id, pad=TOKENIZER.pad_token_id)
    most = len(OPENINGS[1]) + 3
    writer, how = WRITER._replace(max_length=most), Generation(20, prompt_counts=False)
    with torch.no_grad():
        model.transformer.wpe.weight[most:] = torch.nan  # what is read past it can't go unnoticed
    together = answers_after(Scorer(model), OPENINGS, writer, ALONE, how)
    apart = [answers_after(Scorer(model), [opening], writer, ALONE, how)[0] for opening in OPENINGS]
    assert together == apart


def test_what_leads_by_rounding_alone_is_no_draft():
    answer = Encoded((5, 6, 7, 8, 2), 2)
    assert draft((5, 6), answer, [7, 8, 2], [1.0, 0.005, 1.0], least=0.01) == (7,)
    assert draft((5, 6), answer, [7, 8, 2], [float("nan")] * 3, least=0.01) == ()
    assert least_lead(Scorer(_model()), ALONE) == 0.01
    assert least_lead(Scorer(_model()), Processes("cpu", "bf16")) == 0.5
    half = family("llama", vocab=len(TOKENIZER), end=0, pad=1).to(torch.bfloat16)
    assert least_lead(Scorer(half), ALONE) == 0.5


def test_a_question_scored_after_other_tokens_than_its_opening_has_no_draft():
    merged = Encoded((5, 9, 8, 2), 1)  # the prompt's last token, 6, is one with the answer's first
    spaced = Encoded((5, 6, 4, 7, 2), 3)  # a space of its own, left to the answer when it is generated
    for answer in (merged, spaced):
        assert draft((5, 6), answer, [7, 7, 7][: answer.targets], [9.0] * answer.targets, least=0.0) == ()
    tagged = Encoded((5, 6, 7, 8, 2), 1)  # of what is scored the first is the format's tag
    assert draft((5, 6), tagged, [9, 7, 1, 2], [0.0, 1.0, 1.0, 1.0], least=0.0) == (7, 1)


TOKENS = st.integers(3, 6)


@settings(deadline=None)
@given(
    opening=st.lists(TOKENS, min_size=1, max_size=4),
    answer=st.lists(TOKENS, max_size=6),
    said=st.lists(TOKENS, min_size=7, max_size=7),
    lead=st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=7, max_size=7),
    least=st.sampled_from([0.1, 1.0]),
)
def test_a_draft_is_the_answer_up_to_what_differs_or_is_not_sure(opening, answer, said, lead, least):
    row = Encoded((*opening, *answer, 2), len(opening))
    own = row.ids[row.first :]
    found = draft(opening, row, said[: len(own)], lead[: len(own)], least=least)
    assert found == tuple(said[: len(found)])
    assert found[:-1] == own[: max(0, len(found) - 1)]  # all but the last are the answer's
    assert all(ahead > least for ahead in lead[: len(found)])
    if len(found) < len(own):  # it goes as far as it can
        assert lead[len(found)] <= least or (found and found[-1] != own[len(found) - 1])


ASKED = (Question("Who?", ("Ada.",)), Question("When did she?", ("Then, in it.",)))
SETS = {
    "forget": QuestionSet(ASKED, asks("rouge", "probability"), new_tokens=8),
    "unscored": QuestionSet(ASKED, asks("rouge"), new_tokens=8),
}


@pytest.fixture
def known():
    """A model that has learnt one of two answers, and how it is asked."""
    model = from_scratch(TOKENIZER, Shape(hidden=32, layers=1, heads=2, feed_forward=64, vocab=320), seed=0)
    rows = [WRITER.encode(ASKED[0].asked.shown, ASKED[0].truth)] * 2
    schedule = Schedule(lr=1e-2, epochs=20, batch=2)
    deque(Training(Scorer(model), likelihood, TrainingRows(rows), schedule, seed=0, pad=1, processes=ALONE).run(), 0)
    return Scorer(model), Exam.of(SETS, PROTOCOLS["all-questions"], WRITER)


def test_an_examination_generates_only_what_scoring_has_not_shown(known, monkeypatch):
    scorer, exam = known
    read = []
    own = generation.Going
    monkeypatch.setattr(generation, "Going", lambda ids, *more: read.append(ids) or own(ids, *more))
    drafted = examine(scorer, exam, ALONE)
    assert drafted["forget"].answers[0] == ASKED[0].truth
    assert len(read) == 3  # the answer that it knows is generated where it is not scored
    monkeypatch.setattr(generation, "Going", own)
    monkeypatch.setattr("scale.evaluation.exam.drafts_of", lambda scorer, openings, *_: [()] * len(openings))
    plain = examine(scorer, exam, ALONE)
    assert {name: part.answers for name, part in plain.items()} == {n: part.answers for n, part in drafted.items()}
    assert drafted["unscored"].answers == drafted["forget"].answers


def test_the_lead_is_the_distance_of_the_two_likeliest_tokens():
    random = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(2, 5, 4, generator=random), torch.randn(9, 4, generator=random)
    labels = torch.tensor([[-100, -100, 3, 4, 5], [-100, 8, 7, 0, -100]])
    for budget in (0, 2**20):
        found = looked_at(
            hidden, Head(weight), labels, torch.tensor([True, True]), ["predicted", "lead"], budget=budget
        )
        top = (hidden @ weight.T).log_softmax(-1).topk(2)
        rows = answer_rows(labels, 9).rows
        torch.testing.assert_close(found.looks["lead"], (top.values[..., 0] - top.values[..., 1]).flatten()[rows])
        assert torch.equal(found.looks["predicted"], top.indices[..., 0].flatten()[rows])
