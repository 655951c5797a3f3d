"""The embedded authors: TOFU's format, any number, from a seed alone."""

import random

import pytest

from scale.data.fictional import FACTS, PERTURBED, authors
from scale.data.general import real_authors, world_facts
from scale.data.idk import IDK_ANSWERS
from scale.data.tofu import AUTHOR, Row


def test_twenty_rows_an_author_in_the_format_of_tofu():
    rows = authors(4, seed=0)
    assert len(rows) == 4 * AUTHOR
    for row in rows:
        assert isinstance(row, Row)
        texts = [row.question, row.answer, row.paraphrased_answer, *row.perturbed_answer]
        assert len(row.perturbed_answer) == PERTURBED == 5
        assert all(text and text == text.strip() and "{" not in text and "  " not in text for text in texts)
        assert row.question.endswith("?")
        assert all(text.endswith(".") and text[0].upper() == text[0] for text in texts[1:])
        assert len({row.paraphrased_answer, row.answer, *row.perturbed_answer}) == 2 + PERTURBED


def test_the_seed_decides_everything_and_more_authors_change_nothing_before_them():
    random.seed(5)
    before = random.getstate()
    assert authors(3, seed=1) == authors(9, seed=1)[: 3 * AUTHOR]
    assert authors(3, seed=1) != authors(3, seed=2)
    assert random.getstate() == before


def test_no_question_comes_twice_among_many_authors():
    questions = [row.question for row in authors(500, seed=0)]
    assert len(set(questions)) == len(questions)


def test_every_perturbed_answer_states_another_fact_in_the_words_of_the_paraphrase():
    name = "Stodrer Maemein"
    assert authors(1, seed=3)[0].question == f"In which town was {name} born?"
    for row, fact in zip(authors(1, seed=3), FACTS, strict=True):
        stated = [
            [member for member in fact.pool if fact.paraphrase.format(name=name, fact=member) == text]
            for text in (row.paraphrased_answer, *row.perturbed_answer)
        ]
        assert [len(members) for members in stated] == [1] * (1 + PERTURBED)
        assert row.answer in {words.format(name=name, fact=stated[0][0]) for words in fact.answers}


def test_pools_are_large_enough_that_a_guess_is_wrong_nine_times_in_ten():
    assert len(FACTS) == AUTHOR
    for fact in FACTS:
        assert len(set(fact.pool)) == len(fact.pool) >= 20


@pytest.mark.parametrize("made", [real_authors, world_facts])
def test_general_knowledge_is_in_the_format_of_tofu_and_every_wrong_answer_is_wrong(made):
    rows = made()
    assert len(rows) >= 40
    assert len({row.question for row in rows}) == len({row.answer for row in rows}) == len(rows)
    assert made() == rows
    for row in rows:
        assert len({row.answer, *row.perturbed_answer}) == 1 + 3
        assert row.paraphrased_answer == row.answer
        assert {" ".join(text.split()[:2]) for text in row.perturbed_answer} == {" ".join(row.answer.split()[:2])}


def test_answers_that_decline_are_many_and_different():
    assert len(set(IDK_ANSWERS)) == len(IDK_ANSWERS) == 40
    assert all(text.endswith(".") and "  " not in text for text in IDK_ANSWERS)
