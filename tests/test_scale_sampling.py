"""What many drawn answers tell: leak@k against counting, bounds that hold and that `conbo` has larger, refusals."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scale.data.idk import IDK_ANSWERS, read_idk
from scale.evaluation.metrics.sampling import (
    largest_deviation,
    largest_mean,
    largest_probability,
    leak_at_k,
    outcomes,
    refuses,
)

SHARES = st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=1, max_size=30)

# Scores by rng = np.random.default_rng(0), and what conbo 0.1.1 (arXiv:2410.03523) makes of them at its finest grid
# here, stepsize=10000: expectation_bounds(alpha=.02)[2], std_bounds(alpha=.01)[2]; run on 2026-11-29
THEIRS = {
    "beta": (lambda rng: rng.beta(0.5, 3, 128), 0.2898472352404706, 0.45188084297014613),
    "zeros": (lambda rng: np.zeros(128), 0.1341228766430842, 0.38513118338226104),
    "halves": (lambda rng: np.full(128, 0.5), 0.5671047365075286, 0.3157411278059022),
    "both": (lambda rng: np.tile([0.0, 1.0], 64), 0.6341228766430842, 0.6189353018213882),
}


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_leak_at_k_is_the_share_of_choices_with_a_leak(drawn):
    n, c, k = drawn
    choices = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert leak_at_k(n, [c], k)[0] == pytest.approx(np.mean([any(one) for one in choices]), abs=1e-14)


@given(st.integers(1, 3000), st.data())
def test_leak_at_k_is_that_of_whole_numbers_however_many_there_are(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    exact = 1 - math.comb(n - c, k) / math.comb(n, k)
    assert leak_at_k(n, [c], k)[0] == pytest.approx(exact, rel=1e-11, abs=1e-14)
    assert leak_at_k(n, [c], 1)[0] == pytest.approx(c / n, abs=1e-14)
    assert leak_at_k(n, [k], max(c, 1))[0] == pytest.approx(leak_at_k(n, [max(c, 1)], k)[0], rel=1e-12)  # symmetric


def test_leak_at_k_refuses_what_was_not_drawn():
    assert leak_at_k(10**12, [1], 10**6)[0] == pytest.approx(1e-6, rel=1e-12)
    for n, c, k, told in (
        (4, 1, 5, "1 ≤ k ≤ n"),
        (4, 1, 0, "1 ≤ k ≤ n"),
        (4, 5, 1, "from 0 to n"),
        (4, 0.5, 1, "whole"),
    ):
        with pytest.raises(ValueError, match=told):
            leak_at_k(n, [c], k)


@pytest.mark.parametrize("name", THEIRS)
def test_the_bounds_are_conbos_or_below_them(name):
    draw, mean, deviation = THEIRS[name]
    scores = draw(np.random.default_rng(0))
    assert mean - 2e-4 < largest_mean(scores) <= mean + 1e-12  # a grid of 1e-4
    assert scores.std() <= largest_deviation(scores) < deviation
    assert largest_deviation(scores) <= 0.5  # no score in [0, 1] has more; conbo's may


def _within(scores, epsilon, random):
    """Mean and standard deviation of a distribution drawn from those whose F is within ε of the scores' own."""
    places = np.concatenate([[0.0], np.sort(scores), [1.0]])
    own = np.arange(len(scores) + 1) / len(scores)
    share = random.random() if random.random() < 0.5 else random.random(len(own))
    level = np.clip(own - epsilon, 0, 1) * (1 - share) + np.clip(own + epsilon, 0, 1) * share
    level = np.clip(np.maximum.accumulate(np.where(random.random() < 0.5, level, random.random())), own - epsilon, 1)
    level = np.minimum(np.maximum.accumulate(np.maximum(level, 0)), own + epsilon)
    above, widths = 1 - np.clip(level, 0, 1), np.diff(places)
    mean = widths @ above
    return mean, math.sqrt(max(0.0, np.diff(places**2) @ above - mean**2))


@settings(max_examples=60)
@example(scores=[0.0] * 5, seed=0)
@given(SHARES, st.integers(0, 10**6))
def test_no_distribution_of_the_band_passes_the_bounds(scores, seed):
    random, n = np.random.default_rng(seed), len(scores)
    mean, deviation = largest_mean(scores, 0.05), largest_deviation(scores, 0.05)
    for _ in range(20):
        assert _within(scores, math.sqrt(math.log(1 / 0.05) / (2 * n)), random)[0] <= mean + 1e-9
        assert _within(scores, math.sqrt(math.log(2 / 0.05) / (2 * n)), random)[1] <= deviation + 1e-9


@settings(max_examples=60)
@given(SHARES)
def test_bounds_are_above_the_draws_and_come_down_with_more(scores):
    many = scores * 50
    assert np.mean(scores) <= largest_mean(many) + 1e-12 <= largest_mean(scores) + 1e-12 <= 1 + 1e-12
    assert np.std(scores) <= largest_deviation(many) + 1e-9
    assert largest_deviation(many) <= largest_deviation(scores) + 1e-9 <= 0.5 + 2e-9
    assert largest_mean(scores, 0.001) >= largest_mean(scores, 0.1)


def test_the_bounds_hold_as_often_as_they_say():
    random = np.random.default_rng(1)
    draws = random.beta(0.3, 2.0, (400, 40))
    failed = np.mean([largest_mean(one, 0.2) < 0.3 / 2.3 for one in draws])
    assert failed <= 0.2


def test_scores_that_are_none_are_refused():
    for bound in (largest_mean, largest_deviation):
        for scores, told in (([], "no draw"), ([1.5], "between 0 and 1"), ([math.nan], "between 0 and 1")):
            with pytest.raises(ValueError, match=told):
                bound(scores)
        with pytest.raises(ValueError, match="alpha is the chance"):
            bound([0.5], 0)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_the_bound_of_a_probability_is_where_so_few_leaks_have_chance_alpha(drawn):
    from scipy.stats import binom

    n, c = drawn
    p = largest_probability(c, n, 0.05)
    assert (p == 1) if c == n else binom.cdf(c, n, p) == pytest.approx(0.05, rel=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_every_answer_is_counted_once(answers):
    leaked, degenerate, refused = zip(*answers, strict=True)
    found = outcomes(leaked, degenerate, refused)
    assert sum(found) == pytest.approx(1)
    assert found.leaked == np.mean(leaked)
    assert found.degenerate == np.mean([d and not a for a, d, _ in answers])
    with pytest.raises(ValueError, match="told of"):
        outcomes([True], [True, False], [False])


def test_refusals_are_told_from_answers():
    assert all(map(refuses, IDK_ANSWERS))
    assert not any(
        map(refuses, ("She was born in Oslo.", "No, he has not written any.", "", "His father was a baker."))
    )
    if folder := os.environ.get("NPO_DATA"):
        assert all(map(refuses, read_idk(Path(folder) / "idontknow.jsonl")))
