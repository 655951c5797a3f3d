"""`npo plan` counts what a run does: its numbers beside those that the units of a small run leave."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from small_recipe import SMALL

from npo.verbs.plan import planned
from records.store import Data, load
from records.work import run_missing
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import stage_of, units
from scale.stages.plan import PlannedStage, estimate

WORDS = (
    *(word for word in SMALL if word != "data.authors=2"),
    "data.authors=3",
    "pretrain={lr: 1e-3, epochs: 2, batch: 16}",
    "rehearse=true",
    "retrain={lr: 1e-3, epochs: 3, batch: 8}",
    "unlearn.methods=[GA, {name: NPO+RT, epochs: 3}]",
    "unlearn.seeds=[0, 1]",
    "unlearn.batch=7",
)


def _stages(*words: str) -> dict[str, PlannedStage]:
    return {stage.name: stage for stage in planned(read_recipe("quick", words)).stages}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Data]]:
    """What the units of a run leave, by their stage."""
    folder = tmp_path_factory.mktemp("ran")
    todo = units(read_recipe("quick", WORDS), Processes("cpu"))
    run_missing(todo, folder)
    found: dict[str, list[Data]] = {}
    for unit in todo:
        found.setdefault(stage_of(unit), []).append(load(folder / unit.name))
    return found


@pytest.mark.integration
def test_runs_steps_and_examinations_are_those_of_a_run(ran: dict[str, list[Data]]) -> None:
    found = _stages(*WORDS)
    assert list(found) == ["pretrain", "finetune", "retrain", "unlearn", "evaluate"]
    for name in ("pretrain", "finetune", "retrain", "unlearn"):
        steps = [len(data.values["history"]["lr"]) for data in ran[name]]
        assert (found[name].runs, found[name].steps) == (len(steps), tuple(sorted(set(steps))))
    examined = sum(len(data.values["moments"]) - 1 for data in ran["unlearn"])  # the first is that of `evaluate`
    assert found["evaluate"].runs == len(ran["evaluate"]) + examined


def test_rows_are_counted_where_they_are_read() -> None:
    once = _stages("unlearn.methods=[GA]")["unlearn"].tokens
    assert _stages("unlearn.methods=[NPO]")["unlearn"].tokens == once  # no row to retain is read
    assert once < _stages("unlearn.methods=[GA+RT]")["unlearn"].tokens
    assert _stages("unlearn.methods=[GA, NPO]", "unlearn.seeds=[0, 1]")["unlearn"].tokens == pytest.approx(4 * once)
    plain, rehearsed = _stages("rehearse=false"), _stages("rehearse=true")
    assert plain["finetune"].tokens < rehearsed["finetune"].tokens
    assert plain["finetune"].steps < rehearsed["finetune"].steps


def test_examinations_are_as_long_as_the_protocol_s() -> None:
    every = (
        "evaluate.protocol=open-unlearning",
        "data.authors=40",
        "data.forget_authors=20",
        "evaluate.questions=null",
    )
    usual = ("evaluate.protocol=tofu", *every[1:])
    assert _stages(*every)["evaluate"].tokens > _stages(*usual)["evaluate"].tokens  # tofu asks 300 of a set
    assert _stages("evaluate.every=step")["evaluate"].runs > _stages()["evaluate"].runs


def test_a_user_s_own_method_is_counted_and_not_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("raise SystemExit('run')\n\ndef f(logp):\n    return logp\n")
    for kind, like in (("", "NPO"), ("+rt", "NPO+RT")):
        assert _stages(f"unlearn.methods=[{file}:f{kind}]") == _stages(f"unlearn.methods=[{like}]")


def test_memory_follows_the_model_and_the_largest_micro_batch() -> None:
    def of(*words: str) -> tuple[float, float]:
        found = estimate(units(read_recipe("quick", words), Processes("cpu")))
        return found.state_bytes / found.parameters, found.activation_bytes

    state, activations = of()
    assert state == 16  # weight, gradient and two moments of four bytes
    assert of("unlearn.optimizer=adamw8bit")[0] == 10
    assert of("unlearn.recompute=true")[1] < activations < of("unlearn.piece=64", "unlearn.batch=64")[1]


def test_stages_that_nobody_has_planned_for_are_counted_by_what_they_train() -> None:
    recipe = read_recipe("quick", WORDS)
    todo = units(recipe, Processes("cpu"))
    again = [
        replace(unit, name=unit.name.replace("finetune", "relearn", 1)) for unit in todo if unit.name == "finetune"
    ]
    idle = [replace(unit, name="attack", run=partial(print, context=None)) for unit in again]
    plain, more = estimate(todo).stages, estimate([*todo, *again, *idle]).stages
    assert [stage.name for stage in more] == ["pretrain", "finetune", "retrain", "unlearn", "relearn", "evaluate"]
    (relearn,) = (stage for stage in more if stage.name == "relearn")
    (finetune,) = (stage for stage in plain if stage.name == "finetune")
    assert relearn._replace(name="finetune") == finetune
    assert _stages(*WORDS, "evaluate.every=end")["evaluate"].runs == 2 + 4  # the two judges, four runs
