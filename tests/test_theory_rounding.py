"""The law of rounding: drawn moves and phases, scales that move too, uneven levels, weights that were on the grid."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from theory.rounding import FP4_LEVELS, NF4_LEVELS, even_spacing, round_evenly, round_to_levels, spacing
from theory.theorems.rounded_moves import kept_of_moves
from theory.theorems.rounding.born import (
    ROUNDING_DEAD_ZONE,
    ROUNDING_OTHER_BITS,
    FromBits,
    NearLevels,
    undone_below,
)
from theory.theorems.rounding.law import (
    moved_mean_on_levels,
    moved_on_grid,
    moved_share,
    moved_variance,
    nats_of_rounding,
    survival,
)
from theory.theorems.rounding.theorems import (
    ROUNDING_CONCAVE,
    ROUNDING_LEVELS,
    ROUNDING_MEAN,
    ROUNDING_SHARE,
    ROUNDING_VARIANCE,
    Moves,
    OnLevels,
    SoftmaxRow,
)
from theory.theorems.rounding.walk import ROUNDINGS, shares, walk
from theory.theorems.theorem import HypothesisError

_moves = st.lists(st.floats(-50, 50), min_size=1, max_size=5).map(np.array)


@given(move=_moves, gap=st.floats(1e-3, 10), phases=st.integers(1, 2000))
def test_share_mean_and_variance_of_a_move_are_the_law_s(move: np.ndarray, gap: float, phases: int) -> None:
    instance = Moves(move, gap, phases)
    for theorem in (ROUNDING_SHARE, ROUNDING_MEAN, ROUNDING_VARIANCE):
        # a phase that lies on a boundary to the last digit may go either way
        measured = theorem.measure(instance)
        bounds = theorem.predict(instance, measured.at)
        off = 1e-9 + 1 / phases
        scale = {"rounding-share": 1, "rounding-mean": gap, "rounding-variance": gap**2}[theorem.name]
        assert np.all(measured.value >= bounds.lower - off * scale)
        assert np.all(measured.value <= bounds.upper + off * scale)


@given(st.floats(-0.4, 0.4), st.floats(0.05, 1), st.sampled_from([NF4_LEVELS, FP4_LEVELS]))
def test_the_mean_on_uneven_levels_is_the_sum_over_boundaries(
    move: float, spread: float, levels: tuple[float, ...]
) -> None:
    assert ROUNDING_LEVELS.check(OnLevels(np.array(levels), np.array([move]), spread, 4001)).holds


@given(st.integers(0, 10**6), st.floats(0.01, 20), st.integers(0, 4))
def test_rounding_raises_no_log_probability_where_logits_are_linear(seed: int, gap: float, answer: int) -> None:
    generator = np.random.default_rng(seed)
    row = SoftmaxRow(5 * generator.normal(size=(5, 7)), generator.normal(size=7), answer, np.array([gap]), 8, seed)
    assert ROUNDING_CONCAVE.check(row).holds


def test_what_is_no_grid_is_refused() -> None:
    with pytest.raises(HypothesisError, match="positive spacing"):
        ROUNDING_MEAN.check(Moves(np.ones(1), spacing=0.0))
    with pytest.raises(HypothesisError, match="leave out those that are double"):
        ROUNDING_LEVELS.check(OnLevels(np.zeros(2), np.ones(1)))
    with pytest.raises(HypothesisError, match="one of the 2 classes, not 2"):
        ROUNDING_CONCAVE.check(SoftmaxRow(np.ones((2, 1)), np.ones(1), 2, np.ones(1)))
    with pytest.raises(HypothesisError, match="no share of it"):
        survival(np.ones(2), np.array([1.0, -1.0]), np.ones(2))


def _normal(blocks: int) -> torch.Tensor:
    return torch.randn(64 * blocks, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_a_scale_that_moves_with_its_largest_weight_keeps_mean_and_variance(bits: int) -> None:
    weight = _normal(3000)
    gap = even_spacing(weight, bits, 64)
    move = 0.3 * gap.mean() * _normal(3000).flip(0)
    moved = round_evenly(weight + move, bits, 64) - round_evenly(weight, bits, 64)
    assert float(moved @ move / (move @ move)) == pytest.approx(1, abs=0.02)
    law = moved_variance(move.numpy(), gap.numpy()).mean()
    assert float(((moved - move) ** 2).mean()) == pytest.approx(law, rel=0.06)


@pytest.mark.parametrize("levels", [NF4_LEVELS, FP4_LEVELS])
def test_uneven_levels_keep_a_move_but_for_a_hundredth(levels: tuple[float, ...]) -> None:
    weight = _normal(3000)
    move = 0.3 * spacing(weight, levels, 64).mean() * _normal(3000).flip(0).sign()
    moved = round_to_levels(weight + move, levels, 64) - round_to_levels(weight, levels, 64)
    assert float(moved @ move / (move @ move)) == pytest.approx(0.995, abs=0.02)


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_weights_that_were_on_the_grid_lose_a_small_move(share: float) -> None:
    weight = round_evenly(_normal(500), 4, 64)
    gap = even_spacing(weight, 4, 64)
    move = share * gap * _normal(500).flip(0).sign()
    moved = round_evenly(weight + move, 4, 64) - weight
    # all but the largest weight of a block, which sets its scale, and what that scale carries along
    assert abs(float(moved @ move / (move @ move))) < 0.05
    assert np.all(moved_on_grid(move.numpy(), gap.numpy()) == 0)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), min_size=1, max_size=6))
def test_the_share_that_survives_has_the_predicted_spread(numbers: list[tuple[float, float]]) -> None:
    gradient, move = np.array(numbers).T
    gap = np.full(len(move), 0.7)
    if abs(gradient @ move) < 1e-3:
        return
    found = survival(gradient, move, gap)
    variance = gradient**2 @ ROUNDING_VARIANCE.measure(Moves(move, 0.7, 999)).value
    assert found.change == pytest.approx(gradient @ move)
    assert (found.spread * found.change) ** 2 == pytest.approx(variance, abs=0.49 * 2e-3 * len(move))


def test_few_weights_that_cross_may_lose_half_a_change_and_many_may_not() -> None:
    few, many = (survival(np.ones(n), np.full(n, -0.01), np.ones(n)) for n in (100, 100_000))
    assert few.crossing == pytest.approx(100 * 0.01 / 0.99)
    assert few.half_lost > 0.3 > 1e-9 > many.half_lost
    assert survival(np.ones(1), np.array([-2.0]), np.ones(1)).half_lost == 0  # a whole cell is never lost
    at_22 = survival(np.ones(2165), np.full(2165, 0.01), np.ones(2165))
    assert at_22.crossing == pytest.approx(21.87, abs=0.01)
    assert at_22.half_lost == pytest.approx(0.01, rel=0.05)


def test_what_rounding_adds_to_a_log_probability_is_that_of_uniform_errors() -> None:
    """A quadratic: its mean change by uniform errors is exact, its spread to first order."""
    generator = np.random.default_rng(0)
    gradient, curvature, gap = generator.normal(size=40), generator.normal(size=40), np.full(40, 0.1)
    error = generator.uniform(-0.05, 0.05, size=(20_000, 40))
    change = error @ gradient + error**2 @ curvature / 2
    told = nats_of_rounding(gradient, curvature, gap)
    assert change.std() == pytest.approx(told.spread, rel=0.02)
    assert (error**2 @ curvature / 2).mean() == pytest.approx(told.mean, rel=0.02)


def test_the_density_at_boundaries_is_what_is_kept() -> None:
    """Phases of density p: E D = δ p(½). Triangular around the levels: nothing at a boundary, so nothing of a move."""
    even = np.arange(-3.0, 4.0)

    def triangular(weight: np.ndarray) -> np.ndarray:
        level = np.round(weight)
        x = weight - level
        return (level + 3 + 0.5 + 2 * x - 2 * x * np.abs(x)) / 7

    assert abs(moved_mean_on_levels(even, 1e-4, triangular)) < 1e-6
    assert moved_share(np.array([1e-4]), np.array([1.0]))[0] == 1e-4


def test_a_walk_tells_what_survives_of_a_linear_value() -> None:
    """100 blocks of which every weight has a part: the share is 1 with the predicted spread; on the grid, almost 0."""
    known, slope = {"w": _normal(100)}, _normal(100).flip(0)
    grid = ROUNDINGS["int4"]
    move = {"w": -0.05 * grid.spacing(known["w"]).mean() * slope}
    walked = walk(lambda weights: np.array([float(weights["w"] @ slope)]), known, move, grid, draws=40)
    told = survival(slope.numpy(), move["w"].numpy(), grid.spacing(known["w"]).numpy())
    assert shares(walked).mean() == pytest.approx(1, abs=4 * told.spread / 40**0.5)
    assert shares(walked).std() == pytest.approx(told.spread, rel=0.4)
    born = (walked.rounded_known[0] - walked.again) / (walked.rounded_known[0] - walked.moved_rounded[0])
    assert abs(born[0]) < 0.1
    assert walked.size == pytest.approx(0.05 * 0.8, rel=0.05)  # E|normal| = 0.8


def test_on_every_grid_all_of_a_move_is_kept_on_average_and_nothing_of_one_that_began_on_it() -> None:
    for grid in ROUNDINGS.values():
        small, large = kept_of_moves(_normal(500), np.array([0.05, 2.0]), grid, seed=1)
        kept, variance, again, length = small
        assert (kept, large[0]) == (pytest.approx(1, abs=0.1), pytest.approx(1, abs=0.02))
        assert variance == pytest.approx(1, abs=0.2)
        assert again < 0.15 < 0.9 < large[2]
        assert length > 3  # few weights move, and those by far too much


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5), st.floats(0.01, 1), st.floats(0.01, 10))
def test_near_their_levels_weights_lose_what_the_law_says(moves: list[float], spread: float, gap: float) -> None:
    assert ROUNDING_DEAD_ZONE.check(NearLevels(gap * np.array(moves), spread, gap, 501)).holds


@given(st.floats(-0.99, 0.99), st.integers(2, 8), st.integers(2, 8))
def test_a_model_from_few_bits_is_that_model_again_below_half_a_common_cell(part: float, bits: int, born: int) -> None:
    edge = undone_below(bits, born)
    assert ROUNDING_OTHER_BITS.check(FromBits(edge * np.array([part, part + 2, part - 20]), bits, born)).holds
    assert not FromBits(np.array([part * edge]), bits, born).rounded().any()
    assert FromBits(np.array([1.01 * edge]), bits, born).rounded().any()  # and not one less


def test_eight_bits_undo_the_small_move_of_a_real_block_from_four() -> None:
    weight = round_evenly(_normal(200), 4, 64)
    largest = 7 * even_spacing(weight, 4, 64)
    inner = weight.abs() < 0.9 * largest  # the largest weight stays, and with it the scale
    for bits in (3, 4, 8):
        move = inner * undone_below(bits, born=4) * largest * _normal(200).flip(0).sign()
        undone, kept = (round_evenly(weight + x * move, bits, 64) - round_evenly(weight, bits, 64) for x in (0.95, 1.1))
        assert not undone.any()
        assert kept.any()


def test_what_did_not_come_from_bits_is_refused() -> None:
    with pytest.raises(HypothesisError, match="between 0"):
        ROUNDING_DEAD_ZONE.check(NearLevels(np.ones(1), 1.5))
    with pytest.raises(HypothesisError, match="positive spacing"):
        ROUNDING_DEAD_ZONE.check(NearLevels(np.ones(1), 0.5, spacing=-1.0))
    with pytest.raises(HypothesisError, match="either way"):
        ROUNDING_OTHER_BITS.check(FromBits(np.array([1 / 14]), 4, 4))
    with pytest.raises(HypothesisError, match="two bits"):
        ROUNDING_OTHER_BITS.check(FromBits(np.ones(1), 1, 4))
    with pytest.raises(ValueError, match="two bits"):
        undone_below(1, 4)
