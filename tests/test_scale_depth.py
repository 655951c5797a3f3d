"""Unlearning depth: by hand, by a loop, and what must always hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scale.evaluation.metrics.depth import THRESHOLD, unlearning_depth

DROPS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=st.floats(-2, 5))


def _by_hand(first, second):
    """A loop over layers, each weighed by how much the retrained model's states cost."""
    whole = lost = 0.0
    for one, other in zip(first, second, strict=True):
        if one > THRESHOLD:
            whole += one
            lost += one * min(max(other / one, 0.0), 1.0)
    return lost / whole if whole else math.nan


@given(DROPS, st.integers(0, 10**6))
def test_depth_is_the_loop(first, seed):
    second = np.random.default_rng(seed).normal(1, 2, first.shape)
    found = unlearning_depth(first, second)
    assert found.tolist() == pytest.approx([_by_hand(*rows) for rows in zip(first, second, strict=True)], nan_ok=True)
    assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()
    assert np.isnan(found).tolist() == (first <= THRESHOLD).all(axis=1).tolist()


@given(DROPS)
def test_the_retrained_model_is_at_one_and_the_finetuned_at_zero(first):
    known = (first > THRESHOLD).any(axis=1)
    assert (unlearning_depth(first, first)[known] == 1).all()
    assert (unlearning_depth(first, np.zeros_like(first))[known] == 0).all()
    assert (unlearning_depth(first, first / 2)[known] == pytest.approx(0.5)) if known.any() else True


def test_one_question_and_mistakes():
    assert unlearning_depth([1.0, 3.0, 0.01], [0.5, -1.0, 9.0]) == pytest.approx(0.125)
    with pytest.raises(ValueError, match="same layers"):
        unlearning_depth([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="not below 0"):
        unlearning_depth([1.0], [1.0], -0.1)
