"""The battery: memorisation from one reading, what stands beside it, intervals against slow twins."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import bootstrap

from scale.audit.asked import AskedSets, Entity, set_of
from scale.audit.battery import audit, plain_scores
from scale.audit.derived import UTILITY, derived, derived_scores
from scale.audit.families import FAMILIES
from scale.audit.items import Items, Score, _times, difference, drawn, score_of, statistic
from scale.audit.reading import read_set
from scale.audit.saved import arrays_of, items_of, told
from scale.audit.settings import FAMILY_NAMES, AuditSettings
from scale.audit.subject import ModelsBeside, loaded
from scale.data.questions import Question, QuestionSet
from scale.data.user_rows import read_user_rows
from scale.evaluation.exam import Exam, examine
from scale.evaluation.metrics.membership import auc, min_k
from scale.evaluation.protocols import protocol_of
from scale.runtime.processes import Processes
from theory.logprobs import IGNORE

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
def test_an_auc_drawn_anew_is_the_auc_of_the_rows_drawn(values, others, seed):
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


# --- membership ---------------------------------------------------------------------------------------------------


def test_membership_is_its_metrics_on_one_reading(subject):
    settings = AuditSettings(families=("membership",), gradients=3)
    asked = AskedSets(a_set(*FORGET), holdout=a_set(*PLAIN))
    found = audit(subject, asked, settings, ModelsBeside(finetuned=subject)).models["model"]["membership"]
    one = read_set(subject, FORGET)[1]
    assert found["auc_loss"].values[1] == pytest.approx(one.loss[0])
    assert found["auc_min_k"].values[1] == pytest.approx(min_k(one.of_tokens["token_logp"], 0.4))
    assert found["auc_zlib"].values[1] == pytest.approx(one.loss[0] / len(zlib.compress(FORGET[1].truth.encode())))
    assert not found["auc_reference"].values.any()  # beside itself
    assert [len(x) for x in (found["auc_loss"].values, found["auc_loss"].others)] == [len(FORGET), len(PLAIN)]
    assert audit(subject, AskedSets(a_set(*FORGET)), settings).scores == {}


def test_the_gradient_s_size_is_autograd_s_own(subject):
    settings = AuditSettings(families=("membership",), gradients=1)
    asked = AskedSets(a_set(*FORGET), holdout=a_set(*PLAIN))
    found = audit(subject, asked, settings).models["model"]["membership"]["auc_gradient_norm"]
    ((row,), *_) = FORGET[0].encode(subject.writer)
    model, ids = subject.language_model.model, torch.tensor([row.ids])
    labels = ids.masked_fill(torch.arange(ids.shape[1]) < row.first, IGNORE)
    labels[:, -1] = IGNORE  # the end token
    model.zero_grad()
    model(ids, labels=labels).loss.backward()
    norms = [float(weight.grad.norm()) for weight in model.parameters()]
    model.zero_grad()
    assert found.values[0] == pytest.approx(np.mean(norms), rel=1e-4)
    assert np.isnan(found.values[1:]).all()
    assert model.lm_head.weight.grad is None


# --- what is made of them -----------------------------------------------------------------------------------------


def test_aggregates_are_drawn_on_the_same_questions_for_all_models():
    random = np.random.default_rng(0)
    names = ("auc_loss", "auc_zlib", "auc_min_k", "auc_min_k_plus_plus")
    items = {name: Items(random.normal(size=9), random.normal(1, size=9)) for name in names}
    models = {"model": items, "retrained": items}
    found = derived_scores(models, {}, "model", draws=30, seed=0)
    assert found["privacy_relative"] == (1.0, 1.0, 1.0)
    assert found["priv_leak_loss"] == (0.0, 0.0, 0.0)
    assert "privacy_scaled" not in found
    assert "memorisation" not in found
    assert derived_scores({"model": items}, {}, "model", draws=30, seed=0) == {}


def test_utility_is_that_of_an_examination_where_it_is_known():
    kept = {"retain_probability": 0.5}
    whole = {UTILITY: 0.4} | kept
    assert derived(whole, None, {UTILITY: 0.8, "retain_probability": 1.0}) == {"utility": 0.5, "utility_on_retain": 0.5}
    assert derived(kept, None, {"retain_probability": 1.0}) == {"utility_on_retain": 0.5}


def test_scores_are_saved_as_arrays_and_come_back():
    items = {"a": Items(np.arange(2.0)), "auc_b": Items(np.arange(2.0), np.arange(3.0))}
    again = items_of(arrays_of(items))
    assert again.keys() == items.keys()
    assert again["a"].others is None
    assert again["auc_b"].others.tolist() == [0, 1, 2]
    assert told(Score(float("nan"), 0.0, 1.0)) is told(None) is None
    assert told(Score(1.0, float("nan"), 2.0)) == {"value": 1.0, "low": None, "high": 2.0}


def test_the_example_of_the_battery_runs_on_rows_of_a_file(prepared):
    forget = set_of(read_user_rows(prepared / "rows.jsonl").rows)
    found = audit(loaded(prepared / "model", Processes("cpu")), AskedSets(forget), MEMORY)
    assert found.score("extraction_strength").value == found.scores["extraction_strength"]
