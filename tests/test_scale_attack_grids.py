"""Weights rounded to few bits: to the bit what bitsandbytes and GGUF give back, and what holds of every grid."""

import json
import warnings

import pytest
import torch
from grid_cases import VALUES, of_bitsandbytes, weights
from hypothesis import given
from hypothesis import strategies as st

from scale.attacks.grids import GRIDS, WeightGrid
from theory.rounding import round_evenly

_names = st.sampled_from(list(GRIDS))
_rows = st.lists(st.integers(-999, 999), min_size=1, max_size=150)
every_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


@pytest.mark.parametrize("name", ["nf4", "fp4"])
def test_four_bits_are_those_of_bitsandbytes_to_the_bit(name: str) -> None:
    kept = torch.tensor(json.loads(VALUES.read_text(encoding="utf8"))[name]).reshape(4, 64)
    assert torch.equal(GRIDS[name].rounded(weights()), kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["nf4", "fp4"])
def test_four_bits_are_those_of_the_installed_bitsandbytes(name: str, dtype: torch.dtype) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own on importing it
        pytest.importorskip("bitsandbytes", reason="the package bitsandbytes is absent")
    assert torch.equal(GRIDS[name].rounded(weights(dtype)), of_bitsandbytes(weights(dtype), name))


@pytest.mark.parametrize("name", ["q4_0", "q8_0"])
def test_gguf_reads_back_the_same_weights_to_the_bit(name: str) -> None:
    gguf = pytest.importorskip("gguf", reason="the package gguf is absent")
    kind = gguf.GGMLQuantizationType[name.upper()]
    back = gguf.dequantize(gguf.quantize(weights().numpy(), kind), kind)
    assert torch.equal(GRIDS[name].rounded(weights()), torch.from_numpy(back))


@given(name=_names, row=_rows)
def test_rounding_twice_is_rounding_once_and_no_weight_leaves_its_cell(name: str, row: list[int]) -> None:
    grid, weight = GRIDS[name], torch.tensor(row)[None] / 997
    once = grid.rounded(weight)
    assert torch.equal(grid.rounded(once), once)
    reach = grid.spacing(weight) / (1 if name == "q4_0" else 2)  # Q4_0 has no level +8: there it cuts off
    off = 2**-10 if name in ("q4_0", "q8_0") else 1e-6  # scales in float16 or float32
    assert torch.all((once - weight).abs() <= reach + off * weight.abs().max())


@given(name=_names, row=_rows)
def test_within_a_block_a_larger_weight_stays_the_larger(name: str, row: list[int]) -> None:
    weight = torch.tensor(row[:32]).sort().values[None] / 997
    assert torch.all(GRIDS[name].rounded(weight).diff() >= 0)


@given(name=st.sampled_from([name for name in GRIDS if name not in ("nf4", "q4_0")]), row=_rows)
def test_both_signs_are_rounded_alike(name: str, row: list[int]) -> None:
    weight = torch.tensor(row)[None] / 997  # a prime: no weight is halfway, where the lower level is taken
    assert torch.equal(GRIDS[name].rounded(-weight), -GRIDS[name].rounded(weight))


@every_grid
def test_shape_and_dtype_stay_and_a_block_has_no_more_levels_than_its_bits(grid: WeightGrid) -> None:
    weight = torch.randn(3, 5, 40, generator=torch.Generator().manual_seed(0), dtype=torch.bfloat16)
    assert grid.rounded(weight).shape == grid.spacing(weight).shape == weight.shape
    assert grid.rounded(weight).dtype == weight.dtype
    block = grid.rounded(torch.linspace(-1, 1, 32)[None])
    assert 2 ** (grid.bits - 1) - 1 <= len(block.unique()) <= 2**grid.bits or grid.bits == 8


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_even_levels_are_the_integers_of_these_bits(bits: int) -> None:
    top = 2 ** (bits - 1) - 1
    rounded = GRIDS[f"int{bits}"].rounded(torch.linspace(-0.1, 0.1, 64))
    levels = rounded / 0.1 * top
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert levels.abs().max() == pytest.approx(top)
    assert len(levels.round().unique()) == min(2 * top + 1, 64)


def test_a_grid_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="two bits or more, not 1"):
        round_evenly(torch.ones(3), 1, 64)
    with pytest.raises(ValueError, match="at least one weight, not 0"):
        round_evenly(torch.ones(3), 4, 0)
