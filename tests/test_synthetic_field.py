"""The questions of other papers, asked of the smallest transformer: what is saved, and what must be true of it."""

from functools import cache

import numpy as np
import pytest

from synthetic.transformer.field.readings import at_drop, at_retention
from synthetic.transformer.field.short_answers import ALONE, LENGTHS
from synthetic.transformer.field.units import QUESTIONS, field_units
from synthetic.transformer.presets import FieldSizes, Setup
from theory.objective import METHODS

TINY = FieldSizes(
    seeds=(0,),
    shape=Setup(forget=4, retain=16, vocab=32, prompt=2, answer=3, width=16, heads=2, layers=1, rate=2e-2, target=0.6),
    steps=10,
)


@cache
def _asked(question: str) -> dict[str, np.ndarray]:
    return QUESTIONS[question](TINY)


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_leaves_finite_numbers_and_starts_at_nothing_lost(question: str) -> None:
    found = _asked(question)
    assert found
    for name, x in found.items():
        assert np.isfinite(x).all(), name
        if name.endswith((".drop", ".kept", ".short", ".long")):
            assert np.abs(x[0]).max() < 1e-5, name


def test_a_negative_gradient_lowers_its_answer_and_shares_are_shares() -> None:
    found = _asked("squeezing")
    for kind in ("memorised", "unlikely"):
        assert np.all(np.diff(found[f"{kind}-0.drop"]) > 0)
        for name in ("argmax", "falling", "top", "same"):
            assert np.all((found[f"{kind}-0.{name}"] >= 0) & (found[f"{kind}-0.{name}"] <= 1))
    assert found["unlikely-0.falling"][1] > found["memorised-0.falling"][1]  # a memorised answer feeds the others


def test_the_answers_of_one_length_fall_where_they_are_alone() -> None:
    found = _asked("short-answers")
    for length, beta in ALONE:
        other = next(name for name in LENGTHS if name != length)
        run = f"{length}-{beta:g}-0"
        assert found[f"{run}.{length}"][-1] > abs(found[f"{run}.{other}"][-1])


def test_what_was_shown_three_times_is_known_better() -> None:
    known = _asked("weights")["0.known"]
    assert known[:2].mean() > known[2:].mean()
    assert _asked("weights")["0.drop"].shape == (5 * 4 + 1, 4)


def test_mixtures_go_from_the_reference_to_every_method_s_end() -> None:
    found = _asked("mixing")
    assert {name.rpartition("-")[0] for name in found} == set(METHODS)
    starts = {round(float(x[0]), 6) for name, x in found.items() if name.endswith("forget")}
    assert len(starts) == 1
    assert len({float(x[-1]) for name, x in found.items() if name.endswith("forget")}) > 8


def test_the_order_of_stages_makes_two_models_of_the_same_rows() -> None:
    found = _asked("stages")
    assert np.abs(found["GA-first-0.drop"] - found["GA-last-0.drop"]).max() > 1e-4


def test_readings_between_looks() -> None:
    drop, column = np.array([0.0, 1.0, 0.5, 3.0]), np.array([0.0, 10.0, 5.0, 30.0])
    assert at_drop(drop, column, 0.25) == 2.5
    assert at_drop(drop, column, 2.0) == pytest.approx(20.0)
    assert np.isnan(at_drop(drop, column, 9.0))
    assert at_retention(np.array([1.0, 0.0]), np.array([1.0, 0.5]), 0.9) == pytest.approx(0.8)


def test_each_question_is_a_unit_and_more_seeds_are_another() -> None:
    units = field_units(TINY)
    assert [unit.name for unit in units] == [f"transformer/{question}" for question in QUESTIONS]
    assert units[0].settings["seeds"] == (0,)
