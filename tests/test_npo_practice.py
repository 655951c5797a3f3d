"""The atlas against practice, as claims and a figure read it: kept runs, settings with too few, the reasons."""

import numpy as np
from practice_made_up import family_rooms

from figures import atlas_against_practice
from npo.ledger.every_loss.practice import judge
from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE
from npo.ledger.judging.kept import recorded
from scale.recipes.file import read_recipe
from synthetic.practice import family
from synthetic.practised import practised, predicted_speed, read
from theory.methods import spelled


def test_kept_runs_are_of_every_method_that_the_recipe_has():
    kept = {name: data for name, data in recorded().items() if name.startswith("llm/family/")}
    asked = {spelled(one.name) for one in read_recipe("fictional-family").unlearn.methods}
    assert asked <= family().keys()
    for optimizer in ("AdamW", "GD"):
        runs = {spelled(d.values["method"]) for name, d in kept.items() if name.startswith(f"llm/family/{optimizer}/")}
        assert runs == asked


def test_a_seed_that_has_not_run_every_method_is_left_out():
    rooms = family_rooms()
    kept = {name: data for name, data in rooms.items() if name.startswith("llm/family/")}
    name, some = next(iter(kept.items()))
    later = type(some)({}, some.values | {"seed": 1})
    (setting,) = practised({**kept, name.replace("-s0", "-s1"): later})
    assert list(setting.seeds) == ["0"]


def test_each_claim_tells_every_optimiser_and_what_is_too_few_for_ranks():
    unit = family_rooms()["logistic/practice-GD"]
    found = judge({"logistic/practice-GD": unit}, "damage")
    assert (found.verdict, found.reason) == (HOLDS, "GD 1.00 of 7, GD+RT 1.00 of 7")
    unit.values["methods"] = unit.values["methods"][:8]
    few = judge({"logistic/practice-GD": unit}, "damage")
    assert (few.verdict, few.reason) == (NOT_TESTABLE, "too few get there: GD, GD+RT")


def test_where_the_faster_does_less_harm_the_claim_fails():
    unit = family_rooms()["logistic/practice-GD"]
    for name in unit.values["methods"]:
        unit.arrays[f"0.{name}.retain_kl"] = -unit.arrays[f"0.{name}.retain_kl"]
    assert judge({"logistic/practice-GD": unit}, "damage").verdict == FAILS


def test_readings_are_means_over_seeds_of_methods_with_one_retain_term():
    (setting,) = practised({"logistic/practice-GD": family_rooms()["logistic/practice-GD"]})
    assert read(setting, "speed", "+RT")["GA+RT"] == predicted_speed(setting, "")["GA"] == 20.0
    assert np.isclose(read(setting, "damage at an equal drop", "")["GA"], 20.0)


def test_the_figure_has_a_column_for_each_room_and_optimiser():
    figure = atlas_against_practice.draw(family_rooms())
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["logistic, GD", "transformer, GD", "language model, AdamW"]
    assert any("ρ = 1.00 of 7" in text.get_text() for text in figure.axes[0].texts)
