"""MUSE's two kinds of memorisation on texts: its own code's numbers, and what must always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scale.evaluation.metrics.continuation import ENDS, first_answer, knowmem, rouge_l_f1, verbmem

WORDS = ["ada", "sat", "on", "the", "mat", "in", "1897", "Question:", "\n"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)

# Of swj0419/muse_bench@fcd6651 (metrics/logger.py), run on 2026-11-28
SCORED = (
    ("a second pier before the frost", "a second pier paid for by a lottery", 0.42857142857142855),
    ("Ada Lovelace", "ada lovelace, of course", 0.6666666666666666),
    ("forty tenants", "90 tenants were running", 0.3333333333333333),
    ("it ran", "nothing alike", 0.0),
    ("the cat sat on the mat", "on the mat sat the cat the cat", 0.42857142857142855),
    ("runs", "running", 0.0),  # not stemmed
    ("x", "", 0.0),
    ("García Márquez", "Garcia Marquez", 0.0),  # letters beyond a–z are gaps
)
# and metrics/knowmem.py
CUT = (
    ("Ada\n\nQuestion: x", "Ada"),
    ("Ada\nQuestion: x", "Ada"),
    ("Ada Question: y", "Ada "),
    ("\n\nAda", ""),
    ("no end", "no end"),
    ("a\nb Question c", "a\nb Question c"),
    ("a\nQuestionnaire", "a"),
    ("Question: a\n\nb", ""),
)


@pytest.mark.parametrize(("truth", "text", "theirs"), SCORED)
def test_rouge_is_that_of_muse(truth, text, theirs):
    assert rouge_l_f1(truth, text) == verbmem(truth, text) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(("text", "theirs"), CUT)
def test_answers_are_cut_as_in_muse(text, theirs):
    assert first_answer(text) == theirs


def test_another_script_is_cut_by_its_own_words():
    assert rouge_l_f1("東京タワー", "東京タワー") == rouge_l_f1("Ада в 1897", "Ада в 1897") == 1
    assert rouge_l_f1("Ада в 1897", "Пётр и 1897") == pytest.approx(1 / 3)


@given(TEXTS, TEXTS)
def test_f1_is_between_0_and_1_and_the_same_both_ways(one, other):
    assert 0 <= rouge_l_f1(one, other) <= 1
    assert rouge_l_f1(one, other) == pytest.approx(rouge_l_f1(other, one), abs=1e-12)
    assert rouge_l_f1(one, one) == (1 if any(c.isalnum() for c in one) else 0)


@given(TEXTS, TEXTS, st.sampled_from(ENDS))
def test_what_comes_after_the_answer_counts_for_nothing(truth, text, end):
    assert knowmem(truth, text + end + truth) == knowmem(truth, text + end) == rouge_l_f1(truth, first_answer(text))
    assert not any(end in first_answer(text) for end in ENDS)
