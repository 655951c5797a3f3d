"""Min-K, AUC and PrivLeak: what must always hold, and the numbers of MUSE's and open-unlearning's own code."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scale.evaluation.metrics.membership import (
    FLOOR,
    auc,
    gradient_norm,
    loss,
    min_k,
    min_k_plus_plus,
    priv_leak,
    reference,
    relative_difference,
    zlib,
)

LOGP = arrays(np.float64, st.integers(1, 40), elements=st.floats(-50, 0))
SCORES = arrays(np.float64, st.integers(1, 12), elements=st.integers(-20, 20).map(float))  # many ties

# Log-probabilities drawn at random, and what swj0419/muse_bench@fcd6651 (metrics/privleak.py) and
# locuslab/open-unlearning@d3d7cf9 (mia/min_k.py, mia/utils.py, privacy.py) make of them, run on 2026-11-28
FORGET = (
    ([-0.82, -0.45, -0.72, -0.17, -2.71, -0.01, -2.25, -0.46], 1.926666667),
    ([-0.24, -0.43, -0.25, -0.72, -0.86, -1.51], 1.185),
    ([-2.52, -0.59, -0.28, -0.71, -0.06, -0.05], 1.615),
    ([-0.98, -0.62, -1.76, -0.38, -0.42, -0.94], 1.37),
    ([-0.02, -0.23, -0.81, -0.51, -1.12], 0.965),
    ([-0.01, -0.72, -0.2, -0.28], 0.72),
)
HOLDOUT = (
    ([-1.97, -5.31, -2.45, -3.14, -0.2, -0.42, -0.33, -1.61], 3.633333333),
    ([-1.71, -0.18, -0.54, -1.5, -0.1, -0.14, -1.22, -2.62], 1.943333333),
    ([-0.99, -1.83, -1.07, -1.31, -0.2, -3.49], 2.66),
    ([-1.24, -1.23, -0.04, -1.52, -1.49, -1.49, -0.8, -1.91], 1.64),
    ([-0.91, -0.49, -2.38], 2.38),
    ([-0.94, -1.05, -0.16, -0.34, -2.87, -1.02], 1.96),
    ([-1.86, -0.69, -4.13], 4.13),
)
THEIR_AUC = 0.9761904761904763
MUSE_RETRAINED = 0.4772  # of MUSE-News, in MUSE's direction


@pytest.mark.parametrize(("logp", "theirs"), FORGET + HOLDOUT)
@pytest.mark.parametrize("least", [0, 1])
def test_min_k_is_that_of_muse_and_of_open_unlearning(logp, theirs, least):
    assert min_k(logp, 0.4, least=least) == pytest.approx(theirs, abs=1e-8)


def test_a_text_of_one_or_two_tokens_has_none_in_muse():
    assert [min_k(logp, 0.4) for logp in ([-1.25], [-0.5, -2.0])] == [1.25, 2.0]  # open-unlearning's
    assert all(math.isnan(min_k(logp, 0.4, least=0)) for logp in ([-1.25], [-0.5, -2.0], []))
    assert math.isnan(min_k([]))
    with pytest.raises(ValueError, match=r"between 0 and 1, not 40"):
        min_k([-1.0], 40)


def test_auc_is_open_unlearnings_and_what_muses_lacks_to_one():
    forget, holdout = ([min_k(logp) for logp, _ in part] for part in (FORGET, HOLDOUT))
    assert auc(forget, holdout) == pytest.approx(THEIR_AUC, abs=1e-12)
    assert 1 - auc(forget, holdout) == pytest.approx(0.0238095238095238, abs=1e-12)
    assert auc([1, 2, 2, 3], [2, 2, 4, 1]) == pytest.approx(0.53125, abs=1e-12)


def test_priv_leak_is_that_of_both():
    ours = 1 - MUSE_RETRAINED
    assert priv_leak(THEIR_AUC, ours) == pytest.approx(-95.01057757553986, abs=1e-9)
    assert priv_leak(THEIR_AUC, ours, epsilon=1e-10) == pytest.approx(-95.01057755562987, abs=1e-9)
    assert priv_leak(0.3, 0.0, epsilon=1e-10) == pytest.approx(-29.999999997000003, abs=1e-12)
    assert relative_difference(THEIR_AUC, 0.5228, epsilon=1e-10) == pytest.approx(86.7235034628448, abs=1e-9)
    assert priv_leak(1, 1, epsilon=1e-10) == relative_difference(0, 0, epsilon=1e-10) == 0  # open-unlearning's 0/0
    assert math.isnan(priv_leak(1, 1))
    assert math.isnan(priv_leak(math.nan, 0.5))


@given(LOGP, st.floats(0, 1), st.floats(0, 1))
def test_min_k_falls_as_more_tokens_are_taken(logp, one, other):
    low, high = sorted([one, other])
    assert min_k(logp, low) >= min_k(logp, high) - 1e-9
    assert -logp.mean() - 1e-9 <= min_k(logp, high) <= -logp.min() + 1e-9
    assert min_k(logp, 1) == pytest.approx(-logp.mean(), abs=1e-12)


@given(LOGP, st.floats(0, 1), st.randoms(use_true_random=False))
def test_min_k_depends_neither_on_order_nor_on_the_likely_tokens(logp, k, random):
    shuffled = logp.tolist()
    random.shuffle(shuffled)
    assert min_k(shuffled, k) == pytest.approx(min_k(logp, k), abs=1e-12)
    taken = max(1, int(k * len(logp)))
    likelier = np.sort(logp)
    likelier[taken:] = 0
    assert min_k(likelier, k) == pytest.approx(min_k(logp, k), abs=1e-12)


@given(SCORES, SCORES)
def test_auc_counts_pairs(members, others):
    pairs = np.mean([(a < b) + (a == b) / 2 for a in members for b in others])
    assert auc(members, others) == pytest.approx(pairs, abs=1e-12)
    assert auc(members, others) + auc(others, members) == pytest.approx(1, abs=1e-12)
    assert 0 <= auc(members, others) <= 1
    assert auc(members, members) == pytest.approx(0.5, abs=1e-12)


@given(SCORES, SCORES)
def test_auc_depends_on_ranks_alone(members, others):
    for rising in (np.arctan, lambda x: x**3, lambda x: np.exp(x / 3)):
        assert auc(rising(members), rising(others)) == pytest.approx(auc(members, others), abs=1e-12)
    assert auc(-members, -others) == pytest.approx(1 - auc(members, others), abs=1e-12)


def test_auc_of_infinite_scores_and_of_none():
    assert auc([0.0, 1.0], [math.inf, math.inf]) == 1
    assert all(math.isnan(auc(*sets)) for sets in (([], [1.0]), ([1.0], []), ([math.nan], [1.0])))


@given(st.floats(0, 1), st.floats(0, 0.99))
def test_priv_leak_is_zero_at_the_retrained_models_auc_and_never_below_minus_100(found, retrained):
    leak = priv_leak(found, retrained)
    assert leak >= -100 - 1e-9
    assert priv_leak(retrained, retrained) == 0
    assert (leak < 0) == (1 - found < 1 - retrained)


@given(LOGP, st.floats(0, 1), st.floats(-3, 3), st.floats(0.1, 4))
def test_min_k_plus_plus_is_min_k_of_standard_scores(logp, k, mean, deviation):
    means, variances = np.full(len(logp), mean), np.full(len(logp), deviation**2)
    expected = min_k(logp, k) / deviation + mean / deviation
    assert min_k_plus_plus(logp, means, variances, k) == pytest.approx(expected, abs=1e-9)
    assert min_k_plus_plus(logp, 0 * logp, 0 * logp, k) == pytest.approx(min_k(logp, k) / math.sqrt(FLOOR), abs=1e-6)


def test_min_k_plus_plus_has_no_value_for_none_and_refuses_what_differs():
    assert math.isnan(min_k_plus_plus([], [], []))
    with pytest.raises(ValueError, match="of the same tokens, not of 1, 2, 1"):
        min_k_plus_plus([-1.0], [0.0, 0.0], [1.0])
    with pytest.raises(ValueError, match=r"between 0 and 1, not 40"):
        min_k_plus_plus([-1.0], [0.0], [1.0], 40)


@given(LOGP, st.sampled_from(["", "Ada.", "no " * 99, "Dvořák, 1841–1904"]))
def test_loss_zlib_and_reference(logp, text):
    import zlib as library

    assert loss(logp) == pytest.approx(-logp.mean()) == pytest.approx(min_k(logp, 1), abs=1e-12)
    assert zlib(loss(logp), text) * len(library.compress(text.encode())) == pytest.approx(loss(logp))
    assert reference(loss(logp), loss(logp)) == 0
    assert math.isnan(loss([]))


def test_gradient_norm_is_a_mean_over_parameters():
    assert gradient_norm([1.0, 3.0]) == 2
    assert math.isnan(gradient_norm([]))


def test_the_metrics_of_a_question_take_what_was_measured_of_it():
    """Their parameters are called as one would call them alone; the catalogue knows what each takes."""
    from scale.evaluation.catalogue import METRICS

    logp, ended = np.array([-1.0, -3.0]), np.array([-1.0, -3.0, -0.5])
    given_ = {"token_logp": logp, "token_logp_with_end": ended, "mean_logp": logp + 1, "variance": np.ones(2)}
    given_ |= {"loss": np.array([1.5, 9.0]), "true_loss": 1.5, "truth": "Ada.", "text": "said by a model"}
    assert METRICS["loss"].of(given_) == 1.5
    assert METRICS["zlib"].of(given_) == zlib(1.5, "Ada.")
    assert METRICS["min_k"].of(given_) == 3
    assert METRICS["min_k_plus_plus"].of(given_) == 1
    assert METRICS["min_k_plus_plus"].needs == ("token_logp", "mean_logp", "variance")
    assert set(METRICS["zlib"].needs) == {"true_loss", "truth"}
