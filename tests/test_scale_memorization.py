"""Memorisation metrics: by hand, what must always hold, and open-unlearning's own values where they are meant alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scale.evaluation.metrics import exact_memorization, extraction_strength, truth_share
from scale.evaluation.metrics.memorization import extraction_strength_floored
from scale.evaluation.metrics.truth_ratio import forget_truth_ratio, retain_truth_ratio

IDS = st.integers(0, 3)
PAIRS = st.lists(st.tuples(IDS, IDS), min_size=1, max_size=12).map(lambda pairs: tuple(np.array(pairs).T))


@pytest.mark.parametrize(
    ("predicted", "labels", "exact", "strength", "floored"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1, 1, 1),
        ([9, 2, 3, 4], [1, 2, 3, 4], 3 / 4, 3 / 4, 3 / 4),
        ([1, 9, 3, 4], [1, 2, 3, 4], 3 / 4, 1 / 2, 1 / 2),
        ([9, 9, 9, 4], [1, 2, 3, 4], 1 / 4, 1 / 4, 1 / 4),
        ([1, 2, 3, 9], [1, 2, 3, 4], 3 / 4, 0, 1 / 4),
        ([9], [1], 0, 0, 1),
        ([], [], 0, 0, 0),
    ],
)
def test_by_hand(predicted, labels, exact, strength, floored):
    assert exact_memorization(predicted, labels) == exact
    assert extraction_strength(predicted, labels) == strength
    assert extraction_strength(predicted, labels, floor=True) == floored
    assert extraction_strength_floored(predicted, labels) == floored


@given(PAIRS)
def test_bounds_and_identities(pair):
    predicted, labels = pair
    n, exact, strength = len(labels), exact_memorization(*pair), extraction_strength(*pair)
    floored = extraction_strength(*pair, floor=True)
    assert 0 <= strength <= exact + 1e-12 <= 1 + 1e-12
    assert (strength == 1) == (exact == 1) == bool((predicted == labels).all())
    assert (strength == 0) == bool(predicted[-1] != labels[-1])
    assert floored == max(strength, 1 - (n - 1) / n)
    assert exact_memorization(labels, labels) == extraction_strength(labels, labels) == 1


@given(PAIRS, st.integers(0, 12))
def test_a_longer_matching_end_is_never_weaker(pair, kept):
    predicted, labels = pair
    better = predicted.copy()
    better[len(labels) - min(kept, len(labels)) :] = labels[len(labels) - min(kept, len(labels)) :]
    assert extraction_strength(better, labels) >= extraction_strength(predicted, labels)
    assert exact_memorization(better, labels) >= exact_memorization(predicted, labels)
    assert extraction_strength(better, labels) >= min(kept, len(labels)) / len(labels) - 1e-12


@pytest.mark.parametrize("metric", [exact_memorization, extraction_strength])
def test_answers_of_other_lengths_are_refused(metric):
    with pytest.raises(ValueError, match="of one length"):
        metric([1, 2], [1])
    with pytest.raises(ValueError, match="of one dimension"):
        metric([[1]], [[1]])


@given(st.floats(-30, 30))
def test_the_three_truth_ratios_of_one_ratio(log_ratio):
    ratio, one = np.exp(log_ratio), np.array([log_ratio])
    assert truth_share(one)[0] == pytest.approx(1 / (1 + ratio))
    assert truth_share(one)[0] + truth_share(-one)[0] == pytest.approx(1)
    assert forget_truth_ratio(one)[0] == pytest.approx(min(ratio, 1 / ratio))
    assert retain_truth_ratio(one)[0] == pytest.approx(max(0, 1 - ratio), abs=1e-12)
