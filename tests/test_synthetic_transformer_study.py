"""The quick study, run through its units: what they leave, and what the figures and the command make of it."""

import main_job
import numpy as np
import pytest

from npo.report.gallery import GALLERY
from npo.verbs.synthetic.transformer_tables import endings, tables
from records.errors import UserError
from records.settings import override
from records.store import load
from records.work import run_missing
from synthetic.transformer.language import KINDS
from synthetic.transformer.memorise import REFERENCE, RETRAINED
from synthetic.transformer.methods import methods_units, table
from synthetic.transformer.presets import FULL, PARTS, QUICK, REPRODUCE, TransformerPreset
from synthetic.transformer.slowdown import of_run
from synthetic.transformer.units import units
from theory.objective import METHODS
from theory.theorems.time.intrinsic_time import bounds_on_curve

RUNS = ("GA", "NPO-0.1", "NPO-1")
SEED = QUICK.seeds[0]


@pytest.fixture(scope="session")
def results(quick):
    """What every unit of the study leaves in the quick main job, by name."""
    return {unit.name: load(quick / unit.name) for unit in units(QUICK)}


@pytest.fixture(scope="session")
def law(size):
    """The settings of the part `law` in that run."""
    return main_job.preset(size).law


def test_every_preset_names_its_units_once_and_needs_what_is_there():
    for preset in (FULL, REPRODUCE, QUICK):
        names = [unit.name for unit in units(preset)]
        assert len(set(names)) == len(names)
        for k, unit in enumerate(units(preset)):
            assert set(unit.needs) <= set(names[:k])


def test_a_part_brings_the_models_that_it_needs():
    names = {part: [unit.name for unit in units(QUICK, (part,))] for part in PARTS}
    assert f"transformer/models-{SEED}" in names["law"]
    assert f"transformer/models-{SEED}" in names["optimizers"]
    assert not any("models" in name for name in names["methods"])
    assert {name for of in names.values() for name in of} == {unit.name for unit in units(QUICK)}


def test_both_models_know_what_they_should(quick, results):
    assert (quick / f"transformer/models-{SEED}" / REFERENCE).is_file()
    assert (quick / f"transformer/models-{SEED}" / RETRAINED).is_file()
    values = results[f"transformer/models-{SEED}"].values
    assert values["probability"] >= QUICK.shape.target
    assert values["forget_accuracy"] > 0.99
    assert values["retrained_retain_accuracy"] > 0.99
    assert values["retrained_forget_accuracy"] < 0.3


@pytest.mark.parametrize("name", RUNS)
def test_sequences_alone_are_within_the_bounds_of_the_law(results, law, name):
    data = results[f"transformer/single-{name}"]
    for i in range(law.examples):
        clock, drop = (data.values["scale"] * data.arrays[f"{SEED}-{i}.{c}"].ravel() for c in ("clock", "drop"))
        bounds = bounds_on_curve(clock, gradient_ascent=name == "GA", step=law.single_step)
        assert np.all((drop >= bounds.lower - 1e-4) & (drop <= bounds.upper + 1e-4))  # float32


@pytest.mark.parametrize("name", RUNS)
def test_sets_and_descents_leave_what_they_document(results, name):
    path = of_run(results[f"transformer/set-{name}"].arrays, str(SEED))
    steps, n = path["time"].size, QUICK.shape.forget
    assert all(path[column].shape == (steps, n) for column in ("clock", "drop", "remainder"))
    assert path["steps"][-1] < steps
    assert len(path["retain_accuracy"]) == len(path["steps"])
    assert len(path["kernel_share"]) == len(path["kernel_steps"])
    descent = of_run(results[f"transformer/descent-{name}"].arrays, str(SEED))
    assert descent["steps"][0] == 0
    assert descent["drop"].shape == (len(descent["steps"]), n)
    assert np.abs(descent["drop"][0]).max() < 1e-4


def test_npo_keeps_at_equal_time_what_gradient_ascent_destroys(results):
    ga, npo = (of_run(results[f"transformer/set-{name}"].arrays, str(SEED)) for name in ("GA", "NPO-1"))
    assert ga["retain_accuracy"][0] > 0.99
    assert ga["retain_accuracy"][-1] < 0.5
    times = npo["time"][npo["steps"].astype(int)]
    assert np.interp(ga["time"][-1], times, npo["retain_accuracy"]) > 0.95


def test_npo_s_gap_to_gradient_ascent_shrinks_with_beta(results, law):
    arrays, (small, large) = results["transformer/limit"].arrays, law.limit_betas
    within = arrays[f"GA-{SEED}.drop"].mean(axis=1) < 5
    gaps = [np.abs(arrays[f"NPO-{b:g}-{SEED}.drop"] - arrays[f"GA-{SEED}.drop"])[within].max() for b in (small, large)]
    assert gaps[0] < 0.4 * gaps[1]


def test_optimisers_leave_both_kernels_with_and_without_a_retain_term(results):
    for name in QUICK.optimizers.names:
        for term in ("", "+RT"):
            data = results[f"transformer/optimizer-{name}{term}"]
            assert data.values["retain"] == bool(term)
            for kernel in ("GA", "NPO"):
                assert of_run(data.arrays, f"{kernel}-{SEED}")["steps"][0] == 0


@pytest.mark.parametrize("optimizer", ["GD", "AdamW"])
def test_methods_leave_distances_kinds_and_answers(results, optimizer):
    data = results[f"transformer/methods-{optimizer}-{QUICK.methods.overlap:g}-{SEED}"]
    assert [row["method"] for row in data.values["table"]] == list(METHODS)
    for name in METHODS:
        run = of_run(data.arrays, name)
        assert run["forget_kinds"].shape == (len(run["steps"]), len(KINDS))
        assert run["forget_kinds"].sum(axis=1) == pytest.approx(1)
        assert run["forget_distance"][0] > run["retain_distance"][0]
        assert run["forget_kl"][0] == pytest.approx(0, abs=1e-6)
        assert "0" in data.values["shown"][name]


def test_every_figure_of_the_room_is_drawn(results):
    plates = [plate for plate in GALLERY if plate.name.startswith("transformer_")]
    assert len(plates) == 6
    for plate in plates:
        figure = plate.draw(results)
        assert all(ax.has_data() or ax.texts for ax in figure.axes if ax.axison or ax.texts)
        figure.canvas.draw()


def test_every_part_has_a_table(results):
    found = list(tables(results))
    assert [table.row_count for table in found] == [len(RUNS), len(QUICK.optimizers.names), 12, 12]


def test_a_changed_shape_or_method_makes_a_unit_anew():
    shape = override(QUICK, {"shape.target": "0.8"}, label="transformer")
    assert units(shape)[0].settings != units(QUICK)[0].settings
    own = table(["NPO"], beta=2.0)
    names = [unit.name for unit in methods_units(QUICK, own)]
    assert not any("overlap" in name for name in names)
    (first, *_) = methods_units(QUICK, own)
    assert [row["beta"] for row in first.settings["table"]] == [2.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizers.names": "Foo"}, "unknown optimizer Foo; there are GD"),
        ({"methods.names": "NPP"}, "Did you mean NPO"),
        ({"methods.names": "NPO,npo"}, "more than once"),
        ({"law.betas": "1,1"}, "betas holds 1 more than once"),
        ({"law.set_until": "100"}, "less than or equal to 80"),
        ({"methods.overlaps": "0,2"}, "less than or equal to 1"),
        ({"shape.retain": "39"}, "no whole people"),
        ({"methods.batch": "11"}, "at most the 10 forget rows"),
        ({"shape.width": "10"}, "multiple of heads"),
    ],
)
def test_what_can_not_be_run_is_told(changes, message):
    with pytest.raises(UserError, match=message):
        override(QUICK, changes, label="transformer")


def test_a_run_that_diverges_is_marked_and_keeps_what_came_before(tmp_path):
    preset = override(QUICK, {"law.lr": "1e38", "law.steps": "5"}, label="transformer")
    wanted = [u for u in units(preset, ("law",)) if u.name.endswith(("models-0", "descent-GA", "descent-NPO-1"))]
    run_missing(wanted, tmp_path)
    found = {unit.name: load(tmp_path / unit.name) for unit in wanted}
    data = found["transformer/descent-GA"]
    step = data.values["diverged_at"]["0"]
    assert data.arrays["0.steps"].tolist() == list(range(step))
    said = f"descent-GA: diverged: 0 by step {step}; what came before is kept"
    assert any(said in words for words in endings(found))


def test_a_model_that_can_not_move_is_told(tmp_path):
    preset = override(
        QUICK, {"shape.target": "0.999999", "shape.width": "32", "shape.max_steps": "200"}, label="transformer"
    )
    models, *_ = units(preset, ("law",))
    with pytest.raises(UserError, match="Raise max_steps, lower target"):
        run_missing([models], tmp_path)


def test_the_preset_is_a_value():
    assert TransformerPreset() == FULL
    assert hash(TransformerPreset()) == hash(FULL)
