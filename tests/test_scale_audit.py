"""The battery: memorisation from one reading, what stands beside it, intervals against slow twins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import bootstrap

from scale.audit.asked import AskedSets, Entity
from scale.audit.battery import audit, plain_scores
from scale.audit.families import FAMILIES
from scale.audit.items import Items, _times, difference, drawn, score_of, statistic
from scale.audit.settings import FAMILY_NAMES, AuditSettings
from scale.audit.subject import ModelsBeside, loaded
from scale.data.questions import Question, QuestionSet
from scale.evaluation.exam import Exam, examine
from scale.evaluation.metrics.membership import auc
from scale.evaluation.protocols import protocol_of
from scale.runtime.processes import Processes

FORGET = tuple(
    Question(f"What is the number {i}?", (f"It is {i * 7}.", f"{i * 7} it is.", "It is none.", f"It is {i}."), 1)
    for i in range(4)
)
PLAIN = tuple(Question(f"Who is {i}?", (f"Person {i}.",)) for i in range(5))
MEMORY = AuditSettings(families=("memorisation",))
NUMBERS = st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.0]), min_size=1, max_size=9).map(np.array)


def a_set(*questions: Question) -> QuestionSet:
    return QuestionSet(tuple(questions), {})


@pytest.fixture(scope="module")
def subject(prepared):
    return loaded(prepared / "model", Processes("cpu"), name="the model")


# --- items --------------------------------------------------------------------------------------------------------


@given(NUMBERS, NUMBERS, st.integers(0, 5))
def test_an_auc_drawn_anew_is_the_auc_of_the_rowsdrawn(values, others, seed):
    (found,) = drawn(Items(values, others), 1, seed)
    times = [_times(len(x), 1, (seed, i))[0] for i, x in enumerate((values, others))]
    assert [time.sum() for time in times] == [len(values), len(others)]
    assert found == pytest.approx(auc(np.repeat(values, times[0]), np.repeat(others, times[1])))


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(1).gamma(1.0, size=60)
    found = score_of(Items(values), draws=20000)
    theirs = bootstrap((values,), np.mean, n_resamples=20000, method="percentile", rng=0).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


@given(NUMBERS, st.floats(-1, 1))
def test_a_difference_is_drawn_in_pairs(values, shift):
    found = difference(Items(values + shift), Items(values), draws=20)
    assert found == pytest.approx((shift,) * 3, abs=1e-12)


def test_questions_without_the_score_do_not_count_and_other_questions_are_no_pair():
    some = Items(np.array([1.0, np.nan, 3.0]))
    assert (statistic(some), some.n) == (2.0, 2)
    assert score_of(some).low >= 1.0
    assert all(np.isnan(score_of(Items(np.array([np.nan])))))
    assert np.isnan(statistic(Items(np.array([1.0]), np.array([]))))
    with pytest.raises(ValueError, match="can't be compared"):
        difference(some, Items(np.array([1.0])))


# --- settings and sets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"families": ["memorization"]}, "Did you mean memorisation"),
        ({"families": []}, "name one of"),
        ({"protocol": "tofo"}, "Did you mean tofu"),
        ({"answers": 4, "ks": (8,)}, "leak@8 needs as many answers"),
        ({"min_k": float("nan")}, "min_k"),
        ({"temprature": 1.0}, "temprature"),
    ],
)
def test_settings_that_can_not_be_met(wrong, told):
    with pytest.raises(ValidationError, match=told):
        AuditSettings(**wrong)


def test_every_family_that_there_is_has_its_name_and_one_entity_is_for_one_question():
    assert set(FAMILIES) <= set(FAMILY_NAMES)
    with pytest.raises(ValueError, match="1 entities for 4 questions"):
        AskedSets(a_set(*FORGET), entities=(Entity("0"),))
    first = AskedSets(a_set(*FORGET), entities=(Entity("0"), None, None, None)).first(2)
    assert (len(first.forget.questions), first.entity_of) == (2, (Entity("0"), None))


# --- the battery --------------------------------------------------------------------------------------------------


def test_memorisation_is_what_an_examination_finds(subject):
    metrics = {name: name for name in ("extraction_strength", "exact_memorization", "probability", "truth_share")}
    exam = Exam.of({"forget": QuestionSet(FORGET, metrics)}, protocol_of("all-questions"), subject.writer)
    scores = exam.scores(examine(subject.scorer, exam, subject.processes, generate=False))
    found = audit(subject, AskedSets(a_set(*FORGET), retain=a_set(*PLAIN)), MEMORY).scores
    for name in ("extraction_strength", "exact_memorization", "probability"):
        assert found[name] == pytest.approx(scores[f"forget_{name}"])
    assert found["truth_ratio_prob_mean"] == pytest.approx(scores["forget_truth_share"])
    assert 0 < found["retain_probability"] < 1
    assert "retain_truth_ratio" not in found  # no wrong answers


def test_rows_without_other_words_leave_out_what_needs_them(subject):
    found = audit(subject, AskedSets(a_set(*PLAIN)), MEMORY).scores
    assert set(found) == {
        "extraction_strength",
        "extraction_strength_floored",
        "exact_memorization",
        "probability",
    }
    mixed = audit(subject, AskedSets(a_set(*FORGET, *PLAIN)), MEMORY).models["model"]["memorisation"]
    assert mixed["truth_ratio_closer_to_1"].n == mixed["paraphrase_probability"].n == len(FORGET)
    assert mixed["probability"].n == len(FORGET) + len(PLAIN)


def test_a_set_is_read_once_and_the_models_beside_are_measured_alike(subject, monkeypatch):
    from scale.audit import reading

    asked, times = AskedSets(a_set(*FORGET)), []
    real = reading.see
    monkeypatch.setattr(reading, "see", lambda *given, **named: times.append(1) or real(*given, **named))
    fresh = replace(subject, read={})
    found = audit(fresh, asked, MEMORY, ModelsBeside(retrained=fresh))
    assert len(times) == 1
    assert found.scores == plain_scores(found.models["retrained"])
    assert found.against_retrained("probability") == (0.0, 0.0, 0.0)
    assert found.score("nothing") is None
    assert audit(fresh, asked, MEMORY).against_retrained("probability") is None
