"""A step's options: the longest gradient, what decays, so many steps, warming up in steps; and the record of them."""

import copy
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from records.errors import UserError
from records.store import Data, load
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.recipes.file import read_recipe
from scale.recipes.method import methods_of
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.stages.plan import estimate
from scale.training.batches import TrainingRows
from scale.training.clipping import refuse_clipping
from scale.training.loop import Training
from scale.training.optimizers import optimizer_of
from scale.training.schedule import Schedule, all_steps, epochs_of, idle, learning_rate
from scale.training.trained_as import trained_as
from tests.small_recipe import SMALL
from theory.objective import Objective, method, tokens

TEXTS = authors(2, seed=0)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 300)
WRITER = Writer(TOKENIZER, PLAIN, 128)
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=16, layers=1, heads=2, feed_forward=16, vocab=300), seed=0)
FORGET, RETAIN = ENCODED[:7], ENCODED[20:27]
ALONE = Processes("cpu")
REFERENCE = score_all(Scorer(MODEL), FORGET, WRITER.pad, ALONE).logp


class _Fixed:
    """A reference of known log-probabilities."""

    def quantities(self, asked, indices, rows):
        return {"ref_logp": REFERENCE[list(indices)]}


def _training(objective: Objective | None = None, **options) -> Training:
    given = {"lr": 0.1, "epochs": 1, "batch": 3, "piece": 2, "warmup": 0, "optimizer": "SGD", "weight_decay": 0.0}
    return Training(
        Scorer(copy.deepcopy(MODEL)),
        objective or method("NPO+RT", beta=0.5),
        TrainingRows(FORGET, RETAIN),
        Schedule.model_validate(given | options),
        seed=0,
        pad=WRITER.pad,
        processes=ALONE,
        reference=_Fixed(),
    )


def _named(training: Training) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in training.scorer.named_parameters()}


def _start() -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in Scorer(MODEL).named_parameters()}


def _log(training: Training) -> list:
    return [step for moment in training.run() for step in moment.steps]


def _moved(training: Training) -> float:
    start = _start()
    return math.sqrt(sum(float((p - start[name]).square().sum()) for name, p in _named(training).items()))


# --- clipping -------------------------------------------------------------------------------------------------------


def test_a_step_is_as_long_as_the_longest_gradient_allowed_and_keeps_its_direction() -> None:
    free = _training(steps=1)
    _log(free)
    whole = _moved(free) / 0.1
    (step,) = _log(clipped := _training(steps=1, clip=whole / 4))
    assert step["norm"] == pytest.approx(whole, rel=1e-5), "the log says the norm as it was"
    assert _moved(clipped) == pytest.approx(0.1 * whole / 4, rel=1e-5)
    start = _start()
    for name, p in _named(clipped).items():
        torch.testing.assert_close(4 * (p - start[name]), _named(free)[name] - start[name], rtol=1e-3, atol=1e-6)


def test_a_gradient_that_is_short_enough_is_left_as_it_is_to_the_bit() -> None:
    _log(free := _training(optimizer="adamw"))
    log = _log(clipped := _training(optimizer="adamw", clip=1e6))
    assert all(torch.equal(p, _named(free)[name]) for name, p in _named(clipped).items())
    assert all(step["norm"] < 1e6 for step in log)
    assert "norm" not in _log(_training())[0], "nobody has asked for it"


def test_a_gradient_without_a_finite_norm_moves_nothing_and_ends_the_run() -> None:
    def steep(logp: torch.Tensor) -> torch.Tensor:  # 0 everywhere, with an infinite slope
        return (logp - logp.detach()).abs().sqrt()

    training = _training(Objective(steep), clip=1.0)
    before = _named(training)
    *_, last = training.run()
    assert last.stopped == "The gradient of step 1 of epoch 1 is not finite."
    assert last.steps[0]["norm"] is None
    assert all(torch.equal(p, before[name]) for name, p in _named(training).items())


def test_a_library_that_keeps_the_gradients_is_asked_to_clip_them_itself() -> None:
    deepspeed = SimpleNamespace(accelerator=SimpleNamespace(distributed_type=SimpleNamespace(value="DEEPSPEED")))
    refuse_clipping(None, deepspeed)
    with pytest.raises(UserError, match=r"clip: DEEPSPEED keeps .*gradient_clipping"):
        refuse_clipping(1.0, deepspeed)


# --- decay ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["SGD", "adamw", "SAM:base=SGD"])
def test_norms_and_biases_do_not_decay_where_only_matrices_do(optimizer: str) -> None:
    zero = Objective(lambda logp: 0 * logp)  # what moves is decay alone
    start = _start()
    for decay in ("all", "matrices"):
        training = _training(zero, steps=1, optimizer=optimizer, weight_decay=0.5, decay=decay)
        _log(training)
        moved = {name for name, p in _named(training).items() if not torch.equal(p, start[name])}
        assert moved == {name for name, p in start.items() if p.ndim > 1 or decay == "all"}
    assert {p.ndim for p in start.values()} == {1, 2}


def test_what_does_not_decay_goes_on_after_an_interruption_to_the_bit(tmp_path: Path) -> None:
    options = {"optimizer": "adamw", "epochs": 2, "decay": "matrices", "weight_decay": 0.1, "clip": 0.5}
    _log(whole := _training(**options))
    first = _training(**options)
    for moment in first.run():
        if moment.ended:
            state = Data({}, {"epoch": 1, "history": []})
            checkpoint.write(tmp_path / "kept", first.scorer, first.optimizer, state, ALONE)
            break
    second = _training(**options)
    found = checkpoint.read(tmp_path / "kept", second.scorer, second.optimizer, ALONE)
    assert found is not None
    for _ in second.run(after=1):
        pass
    assert all(torch.equal(p, _named(whole)[name]) for name, p in _named(second).items())


def test_an_optimizer_without_weight_decay_is_refused_one_that_leaves_some_out() -> None:
    with pytest.raises(ValidationError, match="takes no weight decay"):
        Schedule(lr=1.0, epochs=1, optimizer="Rprop", decay="matrices")
    groups = optimizer_of(MODEL.parameters(), Schedule(lr=1.0, epochs=1, weight_decay=0.3, decay="matrices"))
    assert [group["weight_decay"] for group in groups.param_groups] == [0.3, 0.0]


# --- how long, how fast -----------------------------------------------------------------------------------------------


def test_so_many_steps_end_in_the_middle_of_an_epoch() -> None:
    training = _training(steps=5)  # three an epoch
    moments = list(training.run())
    assert [(m.step, m.epoch, m.ended) for m in moments] == [(3, 1, True), (5, 2, True)]
    lrs = [step["lr"] for m in moments for step in m.steps]
    assert lrs == pytest.approx([0.1 * left / 5 for left in (5, 4, 3, 2, 1)])
    whole = _training(epochs=2)
    shared = [step["loss"] for step in _log(_training(steps=6))]
    assert shared == [step["loss"] for step in _log(whole)], "six steps are two epochs"


def _hugging_face(step: int, *, lr: float, warm: int, whole: int) -> float:
    """The linear schedule of transformers' Trainer: `get_linear_schedule_with_warmup`, as its documentation has it."""
    if step < warm:
        return lr * step / max(1, warm)
    return lr * max(0.0, (whole - step) / max(1, whole - warm))


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 7))
def test_the_rate_of_each_step_is_that_of_the_trainer_of_transformers(warm: int, whole: int, an_epoch: int) -> None:
    schedule = Schedule(lr=0.3, steps=whole, warmup_steps=warm)
    for step in range(whole):
        wanted = _hugging_face(step, lr=0.3, warm=warm, whole=whole)
        assert learning_rate(schedule, step, an_epoch) == pytest.approx(wanted)


@given(st.integers(1, 50), st.integers(1, 12), st.integers(1, 60))
def test_epochs_and_steps_of_a_training_belong_together(rows: int, batch: int, steps: int) -> None:
    counted = Schedule(lr=1.0, steps=steps, batch=batch)
    epochs = epochs_of(counted, rows)
    assert all_steps(counted, rows) == steps
    assert all_steps(Schedule(lr=1.0, epochs=epochs, batch=batch), rows) >= steps
    if epochs > 1:
        assert all_steps(Schedule(lr=1.0, epochs=epochs - 1, batch=batch), rows) < steps


def test_a_schedule_that_only_warms_up_from_nothing_is_told() -> None:
    assert "first 9 step(s). Set warmup_steps=0" in idle(Schedule(lr=1.0, steps=1, warmup_steps=9), rows=8)
    with pytest.raises(ValidationError, match="epochs"):
        Schedule.model_validate({"lr": 1.0})


# --- recipes, records -------------------------------------------------------------------------------------------------


def test_options_that_are_not_used_are_no_part_of_what_a_result_is_known_by() -> None:
    later = {"steps", "decay", "warmup_steps", "clip"}
    assert not later & Schedule(lr=1.0, epochs=1).described().keys()
    used = Schedule(lr=1.0, steps=3, decay="matrices", warmup_steps=0, clip=1.0).described()
    assert {name: used[name] for name in later} == {"steps": 3, "decay": "matrices", "warmup_steps": 0, "clip": 1.0}


def test_a_method_s_own_epochs_go_before_the_steps_of_all() -> None:
    recipe = read_recipe("quick", ["unlearn.methods=[{name: GA, epochs: 2}, NPO]", "unlearn.steps=3"])
    assert [m.schedule.steps for m in methods_of(recipe.unlearn)] == [None, 3]
    found = {stage.name: stage.steps for stage in estimate(units(recipe)).stages}
    assert 3 in found["unlearn"]


def test_mistakes_in_all_of_them_are_told_at_once() -> None:
    words = ["unlearn.clip=0", "unlearn.decay=norms", "finetune.steps=0", "finetune.warmup_steps=-1"]
    with pytest.raises(UserError) as told:
        read_recipe("quick", words)
    assert all(word.partition("=")[0] in str(told.value) for word in words)


def test_the_record_of_a_run_says_how_it_was_trained(tmp_path: Path) -> None:
    words = ["unlearn.methods=[GA+RT]", "unlearn.steps=2", "unlearn.clip=0.5", "unlearn.reduction=token_mean"]
    words += ["unlearn.decay=matrices", "unlearn.warmup_steps=0", "finetune.steps=2", "finetune.warmup=0"]
    every = {unit.name: unit for unit in units(read_recipe("quick", [*SMALL, *words]))}
    for name in ("finetune", "retrain", "evaluate/finetune", "evaluate/retrain", "unlearn/GA+RT-s0"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        every[name].run(folder, {need: tmp_path / need for need in every[name].needs}, lambda done, of: None)
    found = load(tmp_path / "unlearn/GA+RT-s0").values
    assert found["training"] == {
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "decay": "matrices",
        "clip": 0.5,
        "warmup": {"steps": 0},
        "length": {"steps": 2},
        "forget_mean": "tokens",
        "retain_mean": "tokens",
    }
    assert len(found["history"]["norm"]) == 2
    card = (tmp_path / "unlearn/GA+RT-s0/model/README.md").read_text("utf8")
    assert all(word in card for word in ('"clip": 0.5', '"decay": "matrices"', '"reduction": "token_mean"'))
    assert load(tmp_path / "finetune").values["training"]["forget_mean"] == "tokens"


def test_a_record_names_the_mean_of_each_term() -> None:
    once = Schedule(lr=1.0, epochs=1)
    assert trained_as(method("NPO+KL", beta=0.1), once)["retain_mean"] == "tokens"
    assert "retain_mean" not in trained_as(Objective(method("GA").forget, forget_per=tokens), once)
    assert trained_as(method("IDK+RT"), once, pooled=True)["forget_mean"] == "both sets"
