"""Before the first step each answer is read once, models are loaded once, and how a model reads is tried once."""

from collections import Counter
from functools import partial

import pytest
import torch
from small_recipe import SMALL

from records.store import load
from records.work import run_missing
from scale.data.prompts import span
from scale.models.loading import whole as loading
from scale.models.reading import faster as faster_reading
from scale.models.reading import scoring
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all, states_of
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.models.reference.known_states import KnownStates
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.training.loop import Training
from theory.head import Head

ALONE = Processes("cpu")
METHODS = ("GA+RT", "NPO+RT", "NPO+KL")


def _units(evaluate="end", methods=METHODS):
    every = [*SMALL, f"unlearn.methods=[{','.join(methods)}]", f"evaluate={evaluate}"]
    return units(read_recipe("quick", every), ALONE)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A run whose models are trained and examined."""
    folder = tmp_path_factory.mktemp("models")
    run_missing([unit for unit in _units() if not unit.name.startswith("unlearn/")], folder)
    return folder


class FirstStepError(Exception):
    """The first step."""


def _until_the_first_step(folder, name, monkeypatch, evaluate="end"):
    """Which answers were read before the first step, and how often a way of reading was tried."""
    read, tried = Counter(), Counter()

    def step(self, *given):
        raise FirstStepError

    for kind in ("score_all", "states_of", "token_logps"):
        real = getattr(scoring, kind)
        counting = partial(_counting, real, read)
        for module in ("scale.models.reading.scoring", "scale.models.reference.cache", "scale.training.loop"):
            monkeypatch.setattr(f"{module}.{kind}", counting, raising=False)
    monkeypatch.setattr(Training, "_step", step)
    real = faster_reading._asked
    monkeypatch.setattr(faster_reading, "_asked", lambda *given: tried.update([given[2][0]]) or real(*given))
    todo = _units(evaluate)
    wanted = next(unit for unit in todo if unit.name == f"unlearn/{name}-s0")
    inputs = {need: folder / need for need in wanted.needs}
    (folder / "unlearn" / f".{name}").mkdir(parents=True, exist_ok=True)
    with pytest.raises(FirstStepError):
        wanted.run(folder / "unlearn" / f".{name}", inputs=inputs, progress=lambda done, total: None)
    return read, tried


def _counting(real, read, scorer, rows, *given, **options):
    read.update(map(span, rows))
    return real(scorer, rows, *given, **options)


@pytest.mark.parametrize("name", METHODS)
def test_each_answer_is_read_once_before_the_first_step(models, tmp_path, monkeypatch, name):
    for stage in ("finetune", "evaluate"):
        (tmp_path / stage).symlink_to(models / stage)
    read, tried = _until_the_first_step(tmp_path, name, monkeypatch)
    assert read
    assert set(read.values()) == {1}
    assert tried == {"unpadded": 1}
    again, _ = _until_the_first_step(tmp_path, name, monkeypatch)
    assert not again  # it was kept


def test_nothing_is_read_before_the_first_step_where_nothing_asks_for_it(models, tmp_path, monkeypatch):
    (tmp_path / "finetune").symlink_to(models / "finetune")
    read, _ = _until_the_first_step(tmp_path, "GA+RT", monkeypatch, "none")
    assert not read
    read, _ = _until_the_first_step(tmp_path, "NPO+RT", monkeypatch, "none")
    assert set(read.values()) == {1}


def test_a_model_is_loaded_once_by_each_unit(tmp_path, monkeypatch):
    loads = []
    real = loading._filled
    monkeypatch.setattr(loading, "_filled", lambda source, *given: loads.append(source) or real(source, *given))
    run_missing(_units(methods=["NPO+KL"]), tmp_path)
    assert Counter(source.removeprefix(str(tmp_path)) for source in loads) == {
        "/finetune/model": 2,  # examined, and unlearned
        "/retrain/model": 1,
    }


def test_how_models_read_is_tried_once_in_a_run(tmp_path, monkeypatch):
    tried = Counter()
    real = faster_reading._asked
    monkeypatch.setattr(faster_reading, "_asked", lambda *given: tried.update([given[2]]) or real(*given))
    run_missing(_units(), tmp_path)
    assert set(tried.values()) == {1}


@pytest.mark.parametrize("name", METHODS)
def test_the_drop_is_zero_at_the_first_step_though_states_are_not_read_again(models, tmp_path, name):
    for stage in ("finetune", "evaluate"):
        (tmp_path / stage).symlink_to(models / stage)
    unit = next(unit for unit in _units("step") if unit.name == f"unlearn/{name}-s0")
    folder = tmp_path / "unlearn" / name
    folder.mkdir(parents=True)
    unit.run(folder, inputs={need: tmp_path / need for need in unit.needs}, progress=lambda done, total: None)
    values = load(folder).values
    assert values["history"]["drop"][0] == 0
    assert values["moments"][0]["forget_kl"] == 0
    assert values["moments"][1]["forget_kl"] >= 0


# --- what states tell ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    from test_scale_train import MODEL, PAD, WRITER

    rows = [WRITER.encode(f"Who is {'very ' * i}number {i}?", f"{'One ' * (5 - i)}of them.") for i in range(5)]
    return ReferenceModel(Scorer(MODEL.eval()), "w", PAD, ALONE), rows


def test_log_probabilities_from_states_are_those_of_reading(reference, tmp_path):
    model, rows = reference
    cache = ReferenceCache(tmp_path)
    cache.states(model, rows[1:4])
    read = score_all(model.scorer, rows, model.pad, ALONE).logp
    torch.testing.assert_close(cache.logp(model, rows), read, rtol=1e-5, atol=1e-5)


def test_states_of_a_larger_set_are_put_together_from_what_is_known_and_what_is_read(reference, tmp_path, monkeypatch):
    model, rows = reference
    cache = ReferenceCache(tmp_path)
    cache.states(model, [rows[3], rows[1]])
    read = []
    monkeypatch.setattr(
        "scale.models.reference.cache.states_of",
        lambda scorer, unread, *given, **options: read.extend(unread) or states_of(scorer, unread, *given, **options),
    )
    found = cache.states(model, rows).states
    assert read == [rows[0], rows[2], rows[4]]
    alone = ReferenceCache(tmp_path / "alone").states(model, rows).states
    torch.testing.assert_close(found.hidden, alone.hidden, rtol=1e-5, atol=1e-5)
    assert found.tokens.tolist() == [row.targets for row in rows]


def test_what_is_known_of_one_model_tells_nothing_of_another(reference, tmp_path):
    model, rows = reference
    cache = ReferenceCache(tmp_path)
    cache.states(model, rows)
    assert cache._known_of(ReferenceModel(model.scorer, "other", model.pad, ALONE)).parts(rows) == ([], [*range(5)])
    assert KnownStates().logp([], Head(torch.zeros(3, 2))).tolist() == []


# --- the head -----------------------------------------------------------------------------------------------------


def test_a_trained_head_is_in_memory_once_while_it_is_used_and_not_after(reference, tmp_path):
    model, rows = reference
    cache = ReferenceCache(tmp_path)
    one, other = cache.states(model, rows[:2]), cache.states(model, rows[2:])
    held = one.head()
    assert other.head().weight is held.weight
    assert held.weight is not model.scorer.head().weight
    torch.testing.assert_close(held.weight, model.scorer.head().weight.detach())
    assert one.head._weight() is held.weight
    del held
    assert one.head._weight() is None


def test_the_reference_s_head_stays_as_it_was_while_the_model_is_trained(reference, tmp_path):
    model, rows = reference
    states = ReferenceCache(tmp_path).states(model, rows)
    before = model.scorer.head().weight.detach().clone()
    try:
        with torch.no_grad():
            model.scorer.head().weight.add_(1)
        assert torch.equal(states.head().weight, before)
    finally:
        with torch.no_grad():
            model.scorer.head().weight.copy_(before)


def test_of_a_head_that_nothing_trains_there_is_no_copy(reference, tmp_path):
    model, rows = reference
    model.scorer.requires_grad_(False)
    try:
        head = ReferenceCache(tmp_path).states(model, rows).head()
        assert head.weight.data_ptr() == model.scorer.head().weight.data_ptr()
        assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["states"]
    finally:
        model.scorer.requires_grad_(True)
