"""Answers drawn: by the numbers that belong to them whatever stands beside, and counted by what they give away."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from audit_models import ASKED, ENTITIES, QUESTIONS, model_of, subject
from hypothesis import given
from hypothesis import strategies as st

from records.errors import UserError
from scale.audit import answers as answering
from scale.audit import samples
from scale.audit.asked import Entity
from scale.audit.entities import entities_of, read_entities
from scale.audit.leaks import gives_away, says, telling
from scale.audit.samples import sampling
from scale.audit.settings import AuditSettings
from scale.audit.subject import ModelsBeside
from scale.data.questions import Question
from scale.evaluation.kept import KeptMeasures
from scale.models.answering import drawn as drawing
from scale.models.answering.drawn import Drawing, chosen, drawn
from scale.models.answering.generation import Answer

HOW = Drawing(count=4, new_tokens=5, seed=3)


@pytest.fixture(scope="module")
def one():
    return subject(model_of())


@pytest.fixture(scope="module")
def openings(one):
    return [question.asked.opening(one.writer) for question in QUESTIONS]


@pytest.fixture(scope="module")
def found(one, openings):
    return ids_of(one, openings, HOW)


def ids_of(one, openings, how):
    return [[answer.ids for answer in some] for some in drawn(one.scorer, openings, one.writer, one.processes, how)]


# --- a token ------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=6), st.floats(0, 0.999), st.floats(0.3, 3), st.floats(0.05, 1))
def test_a_token_is_where_the_sum_of_probabilities_passes_the_number(logits, u, temperature, top_p):
    p = np.exp(np.array(logits) / temperature)
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(p[order])[:-1]])
    p[order[before >= top_p]] = 0
    edges = np.cumsum(p) / p.sum()
    token = int(chosen(torch.tensor([logits]), torch.tensor([u]), Drawing(temperature=temperature, top_p=top_p)))
    if np.abs(edges - u).min() > 1e-5 and np.abs(before - top_p).min() > 1e-5 and len(set(logits)) == len(logits):
        assert token == int(np.searchsorted(edges, u, side="right"))


def test_shares_of_tokens_are_their_probabilities():
    logits, u = torch.tensor([[0.3, -1.0, 2.0, -torch.inf]]), (torch.arange(4000) + 0.5) / 4000
    tokens = chosen(logits.expand(4000, -1), u, Drawing())
    np.testing.assert_allclose(np.bincount(tokens, minlength=4) / 4000, logits[0].softmax(0), atol=3e-4)


def test_a_destroyed_model_s_logits_choose_some_token():
    tokens = chosen(torch.full((2, 3), torch.nan), torch.tensor([0.1, 0.9]), Drawing(top_p=0.5))
    assert ((tokens >= 0) & (tokens < 3)).all()


@pytest.mark.parametrize(
    ("wrong", "told"), [({"count": 0}, "count=0"), ({"top_p": 1.5}, "top_p"), ({"temperature": float("nan")}, "nan")]
)
def test_numbers_that_mean_nothing_are_told(wrong, told):
    with pytest.raises(UserError, match=told):
        Drawing(**wrong)


# --- answers ------------------------------------------------------------------------------------------------------


def test_answers_are_those_of_each_row_read_whole_and_alone(one, openings, found):
    """Slow twin: no cache, no batch, a token at a time."""
    model, ends = one.language_model.model, one.writer.end
    for opening, answers in zip(openings[:2], found, strict=False):
        for chances, answer in zip(HOW.chances(opening), answers, strict=True):
            new = []
            for u in chances:
                with torch.no_grad():
                    logits = model(input_ids=torch.tensor([[*opening, *new]])).logits[0, -1:]
                token = int(chosen(logits, torch.tensor([u]), HOW))
                if token == ends:
                    break
                new.append(token)
            assert tuple(new) == answer
    assert len({answer for answers in found for answer in answers}) > 8


def test_what_stands_beside_an_answer_changes_nothing(one, openings, found, monkeypatch):
    fewer = Drawing(count=2, new_tokens=5, seed=3)
    assert ids_of(one, openings[2:], fewer) == [answers[:2] for answers in found[2:]]
    monkeypatch.setattr(drawing, "_room", lambda module, processes: 150)  # two or three answers at once
    assert ids_of(one, openings, HOW) == found
    assert ids_of(one, openings[:1], Drawing(count=4, new_tokens=5, seed=4)) != found[:1]


def test_the_library_s_generation_draws_the_same(one, openings, found, monkeypatch):
    monkeypatch.setattr(drawing, "goes_on", lambda *_: False)
    assert ids_of(one, openings[:2], HOW) == found[:2]


def test_an_answer_ends_where_the_model_s_context_does(one, openings):
    longest = max(map(len, openings))
    writer = one.writer._replace(max_length=longest + 2)
    answers = drawn(one.scorer, openings, writer, one.processes, HOW)
    assert max(len(answer.ids) for answer in answers[[len(o) for o in openings].index(longest)]) <= 2
    with pytest.raises(UserError, match="as many tokens as the model reads"):
        drawn(one.scorer, openings, writer._replace(max_length=longest), one.processes, HOW)


# --- what they give away --------------------------------------------------------------------------------------------


def test_scores_are_counted_from_what_the_answers_say(one, monkeypatch):
    settings = AuditSettings(families=("sampling",), answers=4, ks=(1, 2), rouge=0.9)
    name = ENTITIES[0].words
    said = [[f"He is {name}!", "No one.", "I don't know.", ""], *[[q.truth, "", "", ""] for q in QUESTIONS[1:]]]
    drawn = [[Answer(text, not text) for text in some] for some in said]
    monkeypatch.setattr(samples, "drawn_answers", lambda *_: drawn)
    monkeypatch.setattr(answering, "answers_after", lambda *_: [Answer("", True)] * len(QUESTIONS))
    one.read.clear()
    found = {name: items.values for name, items in sampling(one, ASKED, settings, ModelsBeside()).items()}
    assert found["leak_greedy"].tolist() == [0, 0, 0, 0]
    assert found["leak_at_1"] == pytest.approx(0.25)
    assert found["leak_at_2"] == pytest.approx(0.5)
    assert found["drawn_refused"].tolist() == [0.25, 0, 0, 0]
    assert found["drawn_degenerate"].tolist() == [0.25, 0.75, 0.75, 0.75]
    assert found["drawn_rouge"][1] == pytest.approx(0.25)
    assert (found["leak_bound"] > 0.25).all()
    assert (found["drawn_rouge_bound"] > found["drawn_rouge"]).all()
    one.read.clear()


def test_leaks_grow_with_the_answers_that_are_drawn(one):
    settings = AuditSettings(families=("sampling",), answers=4, new_tokens=6, rouge=0.01)
    found = sampling(one, ASKED, settings, ModelsBeside())
    leaks = np.array([found[f"leak_at_{k}"].values for k in (1, 2, 4)])
    assert (np.diff(leaks, axis=0) >= 0).all()
    assert leaks.max() > 0


def test_an_entity_is_said_whatever_its_case_and_marks():
    assert says("“Ａda” LOVELACE's", "ada lovelace")
    assert says("出生于北京市。", "北京")
    assert not says("Adam Lovelace", "Ada Lovelace")
    assert not says("", "Ada")
    assert not says("Ada", "!")


def test_who_repeats_the_question_gives_nothing_away():
    asked = Question("Was Ada born in Oldham?", ("Yes, she was born in Oldham in 1815.",))
    assert telling(asked, Entity("Oldham")) is None
    assert gives_away(asked, Entity("Oldham"), ["In Oldham.", "She was born in Oldham in 1815."], 0.5) == [False, True]
    assert gives_away(asked, Entity("1815"), ["1815", "She was born in Oldham."], 0.5) == [True, False]


def test_answers_that_were_drawn_before_an_interruption_are_not_drawn_again(one, tmp_path, monkeypatch):
    kept = replace(one, kept=KeptMeasures(tmp_path, "this model", one.processes))
    whole, real, asked = answering.drawn_answers(one, QUESTIONS, HOW), answering.drawn, []

    def killed_at_the_second(scorer, openings, *more):
        asked.append(len(openings))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(scorer, openings, *more)

    monkeypatch.setattr(answering, "TOGETHER", 3)
    monkeypatch.setattr(answering, "drawn", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        answering.drawn_answers(kept, QUESTIONS, HOW)
    assert answering.drawn_answers(kept, QUESTIONS, HOW) == whole
    assert asked == [3, 1, 1]
    answering.drawn_answers(kept, QUESTIONS, replace(HOW, seed=4))
    assert asked == [3, 1, 1, 3, 1]


# --- entities of a file ---------------------------------------------------------------------------------------------


def test_entities_find_their_answers(tmp_path):
    questions = [Question("A?", ("It was Ada.",)), Question("B?", ("It was in Bury.",)), Question("C?", ("No. None.",))]
    lines = [{"entity": "Bury", "prefix": "It was in"}, {"entity": "Ada", "prefix": "It was", "row": 9}]
    lines += [{"entity": "No", "prefix": ""}, {"entity": "in", "prefix": "It was"}]
    path = tmp_path / "entities.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf8")
    expected = (Entity("Ada", "It was"), Entity("Bury", "It was in"), None)
    assert read_entities(path, questions) == expected
    assert read_entities(path, questions[1:]) == expected[1:]
    assert entities_of([(Entity("Ada"), "A?"), (Entity("Bury"), "A?")], questions)[0] == Entity("Ada")
    with pytest.raises(UserError, match="none of its 4 entities"):
        read_entities(path, questions[2:])
    path.write_text('{"entity": ""}\n{"prefix": "x"}\n{"entity": "x", "prefix": 3}', encoding="utf8")
    with pytest.raises(UserError, match=r"(?s)empty.*no key entity.*prefix is empty or not text"):
        read_entities(path, questions)


def test_every_entity_of_tofu_finds_its_own_row(tofu):
    from scale.data.tofu import FORGET_FILE, read_rows

    path = tofu.parent / "forget10_entities.jsonl"
    if not path.is_file():
        pytest.skip("no file of entities beside the data")
    rows = read_rows(tofu / FORGET_FILE, perturbed=True)
    lines = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    mine = {line["row"]: line["entity"] for line in lines if line["entity"] != "Yes"}
    found = read_entities(path, [row.asked for row in rows])
    assert {i: entity.words for i, entity in enumerate(found) if entity} == mine
