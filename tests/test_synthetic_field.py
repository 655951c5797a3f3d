"""The questions of other papers, asked of the smallest transformer: what is saved, and what must be true of it."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

from npo.ledger.transformer.traces import leak_of
from records.store import Data, save, writable
from records.work import silent
from synthetic.logistic import bounded, stages
from synthetic.logistic.presets import QUICK
from synthetic.logistic.unlearning import Problem, load_trajectories, unlearn_together
from synthetic.readings import at_drop, at_retention
from synthetic.transformer.field.rounding import SCALES
from synthetic.transformer.field.short_answers import ALONE, LENGTHS
from synthetic.transformer.field.traces import told_apart
from synthetic.transformer.field.units import QUESTIONS, field_units
from synthetic.transformer.model import Config, initial, log_probs
from synthetic.transformer.presets import FieldSizes, Setup
from synthetic.transformer.sequences import answered
from theory.objective import METHODS, method

TINY = FieldSizes(
    seeds=(0,),
    shape=Setup(forget=4, retain=16, vocab=32, prompt=2, answer=3, width=16, heads=2, layers=1, rate=2e-2, target=0.6),
    steps=10,
)


@cache
def _asked(question: str) -> dict[str, np.ndarray]:
    return QUESTIONS[question](TINY)


@pytest.mark.parametrize("question", sorted(QUESTIONS.keys() - {"relearning"}))  # it has no looks
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


def test_directions_are_shares_and_relearning_gives_the_nats_back() -> None:
    found = _asked("components")
    for label in ("GA+RT-0", "NPO-0", "NPO+RT-0"):
        for name in ("moved", "variance"):
            assert found[f"{label}.{name}"].sum() == pytest.approx(1)
        assert found[f"{label}.variance"][0] >= 0.9
        assert found[f"{label}.count"].sum() == TINY.shape.width
        assert found[f"{label}.lost"] > 0
        assert found[f"{label}.back"] > 0


def test_who_forgets_leaks_less_and_is_told() -> None:
    found = _asked("traces")
    for label in ("GA+RT-0", "NPO-0", "NPO+RT-0"):
        for asked in ("told_kept", "told_unseen"):
            assert 0.5 < found[f"{label}.{asked}"] <= 1
        leaks = [leak_of(logp, 8) for logp in found[f"{label}.logp"]]
        assert leaks[-1] < leaks[0]
        assert leaks[0] == pytest.approx(np.mean(1 - (1 - np.exp(found[f"{label}.logp"][0])) ** 8))


def test_how_well_models_are_told_is_half_of_one_and_their_distance() -> None:
    """By all answers of one token instead of by drawn ones."""
    config = Config(vocab=8, length=3, width=8, heads=2, layers=1, expansion=2)
    one, other = (initial(config, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    prompt, answers = torch.tensor([[3, 5]]), torch.arange(8)[:, None]
    every = log_probs(config, answered(prompt.expand(8, 2), answers))
    exact = 0.5 + float((every(one).exp() - every(other).exp()).abs().sum()) / 4
    found = told_apart(one, other, prompt.repeat(4000, 1), config, torch.Generator().manual_seed(2))
    assert found == pytest.approx(exact, abs=0.01)
    assert told_apart(one, one, prompt, config, torch.Generator().manual_seed(2)) == 0.5


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


def test_few_bits_give_back_what_a_transformer_unlearned_from_their_grid_alone() -> None:
    found = _asked("rounding")
    assert found["moved"] < found["known"]
    scales = len(SCALES)
    assert found["int4.falls"].shape == found["int4.expected"].shape == (scales, 1, 3)
    assert found["int8.falls"][0].mean() / found["int8.expected"][0].mean() == pytest.approx(1, abs=0.1)
    assert np.all(found["int4.back"][3:] > 0.5)
    assert np.all(found["int4.from4"] == found["int4.back"])
    assert np.all(found["int8.from4"][0] < 0.5)
    assert np.allclose(found["int3.sizes"][0] / found["int3.sizes"], (1 / np.array(SCALES))[:, None])


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


def test_tokens_wait_longer_under_importance_as_the_closed_integral_says() -> None:
    """β₁ = 0 has the closed form of gradient ascent: J = m + e^c (1 − e^−m), at m = c."""
    from synthetic.transformer.field import saturation

    waits = [saturation.waiting(3.0, beta2) for beta2 in (0.0, 0.1, 1.0)]
    assert waits[0] < waits[1] < waits[2]
    assert saturation.waiting(3.0, 0.0, beta1=0.0) == pytest.approx(3.0 + np.exp(3.0) * (1 - np.exp(-3.0)))
    # the constants of the scalar model that this project derives: 84381 and 754 from c = 6
    assert saturation.waiting(6.0, 1.0) == pytest.approx(84381, rel=1e-3)
    assert saturation.waiting(6.0, 0.1) == pytest.approx(754, rel=1e-3)


def test_a_bound_holds_and_leaves_the_first_steps_alone(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    H, y = drawn.normal(size=(40, 8)), (drawn.random(40) < 0.5).astype(float)
    rows = {"H_forget": H[:10], "H_retain": H[10:], "H_eval_forget": H[:10], "H_eval_retain": H[10:]}
    models = {"theta_ref": drawn.normal(size=8), "theta_retrain": drawn.normal(size=8)}
    problem = Problem(**rows, y_forget=y[:10], y_retain=y[10:], y_idk=1 - y[:10], **models)
    save(writable(tmp_path / "problem"), Data(vars(problem), {}))
    (unit,) = bounded.bounded_units(replace(QUICK, bounded_steps=300), {(1.0, 1000): "logistic/problem-1-1000"})
    writable(tmp_path / "bounded")
    unit.run(tmp_path / "bounded", {"": tmp_path / "problem"}, silent)
    paths = load_trajectories(tmp_path / "bounded")
    for bound, path in paths.items():
        assert path.reference_distance[-1] <= float(bound) * np.sqrt(8)
        assert path.reference_distance[1] == pytest.approx(paths["inf"].reference_distance[1], rel=1e-2)
    assert paths["0.1"].reference_distance[-1] < paths["inf"].reference_distance[-1]
    plain = unlearn_together(problem, {"": (method("GA+RT"), bounded.RATE)}, at=[300], compiled=False)[""]
    assert plain.reference_distance[-1] == pytest.approx(paths["inf"].reference_distance[-1], rel=1e-9)


def test_the_last_stage_knows_its_rows_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "march", partial(stages.march, compiled=False))
    monkeypatch.setattr(stages, "UNTIL", 2.0)
    found = stages.stages(replace(QUICK, seeds=(1000,), fit_steps=400))
    assert all(np.isfinite(x).all() and abs(x[0]) < 1e-12 for x in found.values())
    first, last = (found[f"{order}-1000.drop"] for order in stages.ORDERS)
    assert np.all(np.diff(first) > 0)
    assert np.all(np.diff(first) < stages.STEP)
    assert last[9] < first[9]  # the better known starts more slowly
