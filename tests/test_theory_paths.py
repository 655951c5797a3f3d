"""Paths in intrinsic time are saved and loaded by one pair of functions, in the columns of the kept results."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from npo.runs.run import saved_law
from theory.theorems.time.paths import COLUMNS, IntrinsicPath, from_arrays, labels_of, to_arrays

LABELS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12)


@st.composite
def paths(draw: st.DrawFn) -> IntrinsicPath:
    steps, n = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    columns = [draw(arrays(np.float64, shape)) for shape in ((steps,), *[(steps, n)] * 3)]
    return IntrinsicPath(*columns)


@given(found=st.dictionaries(LABELS, paths(), min_size=1, max_size=4))
def test_a_path_comes_back_as_it_was_saved_among_others(found: dict[str, IntrinsicPath]) -> None:
    kept = {"step": np.array(0.1), "1.steps": np.arange(3)}
    for label, path in found.items():
        kept |= to_arrays(path, label)
    assert labels_of(kept) == list(found)
    for label, path in found.items():
        again = from_arrays(kept, label)
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(again, name), getattr(path, name))


def test_half_a_path_is_none() -> None:
    whole = to_arrays(IntrinsicPath(np.zeros(2), *np.zeros((3, 2, 1))), "set")
    for missing in whole:
        part = {name: x for name, x in whole.items() if name != missing}
        assert labels_of(part) == []
        with pytest.raises(KeyError, match=missing):
            from_arrays(part, "set")


def test_single_precision_is_loaded_as_double_and_units_leave_time_alone() -> None:
    path = IntrinsicPath(np.arange(2.0), *np.float32(np.ones((3, 2, 1))))
    scaled = from_arrays(to_arrays(path, "set"), "set").times(0.5)
    assert scaled.drop.dtype == np.float64
    assert scaled.time.tolist() == [0, 1]
    assert (scaled.clock == 0.5).all()
    assert (scaled.remainder == 0.5).all()


def test_kept_ladders_lie_in_this_schema(root: Path) -> None:
    for name, data in saved_law(root / "figures/data/tofu-smollm2-mini-law.json").items():
        labels = labels_of(data.arrays)
        assert labels == (["single", "set"] if "set.drop" in data.arrays else ["single"]), name
        for path in (from_arrays(data.arrays, label) for label in labels):
            assert path.clock.shape == path.drop.shape == path.remainder.shape == (len(path.time), path.drop.shape[1])
