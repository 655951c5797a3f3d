"""Optimizers of a recipe: told apart from what is none, going on after an interruption to the bit, SAM's places."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch
from two_processes import part, run_two

from records.errors import UserError
from records.store import Data
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.recipes.file import read_recipe
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.stages.plan import estimate
from scale.training import nearby
from scale.training.batch_loss import BatchLoss
from scale.training.batches import BatchRows, TrainingRows
from scale.training.loop import Training
from scale.training.optimizers import kept_bytes, optimizer_of, try_own
from scale.training.schedule import Schedule
from theory.objective import method
from theory.optimizers.sam import SAM

TEXTS = authors(2, seed=0)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 300)
WRITER = Writer(TOKENIZER, PLAIN, 128)
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=16, layers=1, heads=2, feed_forward=16, vocab=300), seed=0)
FORGET, RETAIN = ENCODED[:6], ENCODED[20:26]
ALONE = Processes("cpu")
REFERENCE = score_all(Scorer(MODEL), FORGET, WRITER.pad, ALONE).logp
OWN = '''
import torch

class Mine(torch.optim.Optimizer):
    """Keeps plain numbers, one whole and one not."""

    def __init__(self, params, lr, grow=1.5):
        super().__init__(params, {"lr": lr, "grow": grow})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["steps"] = state.get("steps", 0) + 1
                    state["speed"] = state.get("speed", 0.1) * group["grow"]
                    p.sub_(p.grad.sign() * state["speed"] * state["steps"], alpha=group["lr"])
'''


class _Fixed:
    """A reference of known log-probabilities."""

    def quantities(self, asked, indices, rows):
        return {"ref_logp": REFERENCE[list(indices)]}


def _training(optimizer, *, piece=3, epochs=2, name="NPO+RT", processes=ALONE) -> Training:
    schedule = Schedule(lr=1e-2, epochs=epochs, batch=3, piece=piece, warmup=0, optimizer=optimizer)
    rows = TrainingRows(FORGET, RETAIN)
    return Training(
        Scorer(copy.deepcopy(MODEL)),
        method(name, beta=0.5) if "NPO" in name else method(name),
        rows,
        schedule,
        seed=0,
        pad=WRITER.pad,
        processes=processes,
        reference=_Fixed(),
    )


def _weights(training: Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.scorer.parameters()])


# --- going on -----------------------------------------------------------------------------------------------------

RESUMED = [
    "SignDescent",
    "Sophia",
    "SAM",
    "SAM:base=SGD:momentum=0.9:rho=0.05",
    "SGD",
    "SGD:momentum=0.9",
    "AdamW",
    "Adam:amsgrad=true",
    "Adagrad",
    "NAdam",
    "RAdam",
    "RMSprop:momentum=0.5:centered=true",
    "Adamax",
    "Adadelta",
    "Adafactor",
    "ASGD",
    "Rprop",
    "own",
]


@pytest.mark.parametrize("optimizer", RESUMED)
def test_an_interrupted_run_is_the_uninterrupted_one_to_the_bit(optimizer: str, tmp_path: Path) -> None:
    if optimizer == "own":
        (tmp_path / "mine.py").write_text(OWN)
        optimizer = f"{tmp_path / 'mine.py'}:Mine:grow=1.1"
    whole, second = _training(optimizer), _training(optimizer)
    before, log = _weights(whole), []
    for moment in whole.run():
        log.append(moment.steps)
        if moment.epoch == 1:
            state = Data({}, {"epoch": 1, "history": []})
            checkpoint.write(tmp_path / "checkpoint", whole.scorer, whole.optimizer, state, ALONE)
    assert checkpoint.read(tmp_path / "checkpoint", second.scorer, second.optimizer, ALONE) is not None
    assert [moment.steps for moment in second.run(after=1)] == log[1:]
    assert _weights(second).equal(_weights(whole))
    assert not _weights(whole).equal(before)


# --- SAM ----------------------------------------------------------------------------------------------------------


def _gradient(training: Training, terms: set[str]) -> list[torch.Tensor]:
    training.loss.gradient(BATCH, terms)
    found = [p.grad.clone() for p in training.scorer.parameters()]
    training.scorer.zero_grad()
    return found


BATCH = BatchRows(forget=[0, 1, 2], retain=[0, 1, 2], idk=[], alternate=[])


@pytest.mark.parametrize("name", ["NPO+RT", "GA"])
def test_the_step_of_sam_is_put_together_by_hand(name: str) -> None:
    training, by_hand = (_training("SAM:base=SGD:rho=0.5", name=name) for _ in range(2))
    parameters = list(by_hand.scorer.parameters())
    start = [p.detach().clone() for p in parameters]
    forget = _gradient(by_hand, {"forget"})
    norm = torch.cat([g.flatten() for g in forget]).norm()
    with torch.no_grad():
        for p, g in zip(parameters, forget, strict=True):
            p.add_(0.5 * g / norm)
    nearby_gradient = _gradient(by_hand, {"forget"})
    with torch.no_grad():
        for p, before in zip(parameters, start, strict=True):
            p.copy_(before)
    here = _gradient(by_hand, {"retain"}) if "RT" in name else [torch.zeros_like(g) for g in forget]
    training._step(BATCH, 1e-2, 0)
    decay = 1e-2 * 0.01  # SGD's own weight decay is the schedule's
    for p, before, f, r in zip(training.scorer.parameters(), start, nearby_gradient, here, strict=True):
        torch.testing.assert_close(p.detach(), before * (1 - decay) - 1e-2 * (f + r), rtol=1e-5, atol=1e-7)
        assert not torch.allclose(f, forget[0]) if f.shape == forget[0].shape else True


def test_its_log_has_the_columns_of_any_other_and_is_that_of_the_weights_before() -> None:
    ours, plain = (_training(name)._step(BATCH, 1e-2, 0) for name in ("SAM", "AdamW"))
    assert list(ours) == list(plain)
    assert ours == pytest.approx(plain, rel=1e-5)


def test_however_a_batch_is_cut_sam_goes_the_same_way() -> None:
    whole = _training("SAM:base=SGD:rho=0.5", piece=3)
    cut = _training("SAM:base=SGD:rho=0.5", piece=1)
    for training in (whole, cut):
        list(training.run())
    moved = (_weights(whole) - _weights(_training("SAM"))).abs().max()
    torch.testing.assert_close(_weights(cut), _weights(whole), rtol=0, atol=1e-4 * float(moved))


def test_a_loss_that_is_not_finite_leaves_the_weights_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    training = _training("SAM")
    before, gradient = _weights(training), BatchLoss.gradient

    def broken(self, batch, terms):
        return {**gradient(self, batch, terms), "loss": None}

    monkeypatch.setattr(BatchLoss, "gradient", broken)
    assert training._step(BATCH, 1e-2, 0)["loss"] is None
    assert _weights(training).equal(before)


@pytest.mark.parametrize(
    ("kind", "two", "works"), [("DEEPSPEED", True, False), ("FSDP", False, False), ("FSDP", True, True)]
)
def test_where_a_library_keeps_the_weights_sam_is_refused(kind: str, two: bool, works: bool) -> None:
    class _Accelerator:
        distributed_type = type("Kind", (), {"value": kind})
        is_fsdp2 = two

    class _Spread:
        accelerator = _Accelerator()

    made = SAM([torch.zeros(2)])
    if works:
        assert nearby.nearby(made, _Spread()) is made
    else:
        with pytest.raises(UserError, match=f"SAM moves the weights.* {kind} keeps both to itself"):
            nearby.nearby(made, _Spread())
    assert nearby.nearby(torch.optim.SGD([torch.zeros(2)]), _Spread()) is None


# --- what a recipe says -------------------------------------------------------------------------------------------


def _made(optimizer: object, **given: object) -> torch.optim.Optimizer:
    weight = torch.nn.Parameter(torch.ones(2))
    return optimizer_of([weight], Schedule.model_validate({"lr": 0.5, "epochs": 1, "optimizer": optimizer, **given}))


def test_the_short_form_is_the_adamw_of_always() -> None:
    for optimizer in ("adamw", "AdamW", {"name": "AdamW"}):
        made = _made(optimizer, weight_decay=0.3)
        assert type(made) is torch.optim.AdamW
        assert {key: made.defaults[key] for key in ("lr", "weight_decay", "fused", "betas")} == {
            "lr": 0.5, "weight_decay": 0.3, "fused": True, "betas": (0.9, 0.999),
        }  # fmt: skip
    assert Schedule(lr=1, epochs=1).model_dump(mode="json")["optimizer"] == "adamw"  # the key of a unit is as it was
    assert _made({"name": "AdamW", "foreach": True}).defaults["fused"] is None


def test_weight_decay_is_the_schedule_s_unless_the_options_give_it() -> None:
    assert _made("SGD", weight_decay=0.3).defaults["weight_decay"] == 0.3
    assert _made({"name": "SGD", "weight_decay": 0.1}, weight_decay=0.3).defaults["weight_decay"] == 0.1
    assert _made("SAM:base=sophia", weight_decay=0.3).base.defaults["weight_decay"] == 0.3
    assert "weight_decay" not in _made("Rprop", weight_decay=0.3).defaults  # takes none


def test_one_s_own_is_looked_for_when_the_recipe_is_read_and_run_when_it_trains(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("raise SystemExit('run')\n\ndef mine(params, lr): ...\n")
    recipe = read_recipe("quick", [f"unlearn.optimizer={file}:mine"])
    assert estimate(units(recipe, ALONE)).state_bytes == 16 * estimate(units(recipe, ALONE)).parameters
    with pytest.raises(UserError, match="failed to load"):
        optimizer_of([], recipe.unlearn)
    file.write_text(OWN)
    assert _made(f"{file}:Mine").defaults == {"lr": 0.5, "grow": 1.5}
    assert type(_made({"name": "SAM", "base": f"{file}:Mine", "grow": 2.0}).base).__name__ == "Mine"
    with pytest.raises(UserError, match=r"optimizer: Mine has no option grew: did you mean grow"):
        _made({"name": f"{file}:Mine", "grew": 1})


REFUSED = {
    "Sofia": "there is no optimizer Sofia: did you mean Sophia",
    "adamw8bits": "there is no optimizer adamw8bits: did you mean adamw8bit",
    "LBFGS": "LBFGS asks for the loss again within a step",
    "SparseAdam": "SparseAdam does not support dense gradients",
    "SGD:betas=[0.9,0.9]:momentum=fast": "SGD has no option betas.*; SGD: momentum must be a number, got 'fast'",
    "{name: AdamW, lr: 1}": "lr is none of its options: it is given beside optimizer",
    "{name: adamw8bit, betas: 3}": "adamw8bit: betas must be a list of 2 numbers",
    "{betas: 3}": "it should be a name, or a group {name: …, option: value}",
    "3": "it should be a name, or a group {name: …, option: value}, got 3",
    "null": "it should be a name, or a group",
    "AdamW:eps=1:eps=2": "the option eps is there twice",
    "AdamW:betas=[0.9,0.95]:x": "options are written NAME:option=value:option=value, and 'x' is none",
    "nowhere.py:mine": "there is no file nowhere.py",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_none_is_told_when_the_recipe_is_read_and_once_for_each_stage(text: str) -> None:
    with pytest.raises(UserError, match=f"unlearn.optimizer: .*{REFUSED[text]}"):
        read_recipe("quick", [f"unlearn.optimizer={text}"])
    with pytest.raises(UserError) as error:
        read_recipe("quick", [f"unlearn.optimizer={text}", f"finetune.optimizer={text}"])
    assert str(error.value).count(".optimizer: ") == 2


def test_options_are_a_group_of_a_file_a_word_of_the_line_or_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("like: quick\nunlearn:\n  optimizer: {name: SAM, base: SGD, momentum: 0.9}\n")
    long = read_recipe(str(file)).unlearn.optimizer
    assert read_recipe("quick", ["unlearn.optimizer=SAM:base=SGD:momentum=0.9"]).unlearn.optimizer == long
    words = ["unlearn.optimizer.name=SAM", "unlearn.optimizer.base=SGD", "unlearn.optimizer.momentum=0.9"]
    assert read_recipe("quick", words).unlearn.optimizer == long
    assert json.loads(long.model_dump_json()) == {"name": "SAM", "base": "SGD", "momentum": 0.9}
    other = tmp_path / "other.yaml"
    other.write_text(f"like: {file}\nunlearn:\n  optimizer: {{name: AdamW, eps: 1.0e-6}}\n")
    assert read_recipe(str(other)).unlearn.optimizer.options == {"eps": 1e-6}  # another has none of its options


OWN_MISTAKES = {
    "def f(params, lr): return None": "f gives NoneType, not a torch.optim.Optimizer",
    "def f(params, lr): raise OSError('off')": "f with lr=0.002: off",
    "def f(params, lr, speed=1): return None": "f has no option sped: did you mean speed",
    "def f(params, lr): return torch.optim.LBFGS(params, lr=lr)": "LBFGS asks for the loss again",
}


@pytest.mark.parametrize("source", OWN_MISTAKES)
def test_one_s_own_that_takes_no_step_is_told_with_its_stage(source: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"import torch\n{source}\n")
    option = ":sped=2" if "speed" in source else ""
    recipe = read_recipe("quick", [f"unlearn.optimizer={tmp_path}/mine.py:f{option}"])
    with pytest.raises(UserError, match=f"unlearn.optimizer: .*{OWN_MISTAKES[source]}"):
        try_own(recipe.schedules)


def test_what_one_s_own_trained_is_trained_anew_when_its_code_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    chosen = f"{{name: SAM, base: '{file}:Mine'}}"
    recipe = read_recipe("quick", [f"finetune.optimizer={chosen}", "unlearn.methods=[GA]"])
    before = {unit.name: unit for unit in units(recipe)}
    file.write_text(OWN.replace("0.1", "0.2"))
    after = {unit.name: unit for unit in units(recipe)}
    assert before["finetune"].settings != after["finetune"].settings
    assert before["unlearn/GA-s0"].settings == after["unlearn/GA-s0"].settings
    assert file in before["finetune"].reads


# --- its memory ---------------------------------------------------------------------------------------------------

KEPT = {"adamw": 8, "adamw8bit": 2, "SGD": 0, "SGD:momentum=0.9": 4, "SignDescent": 0, "Sophia": 8, "SAM": 12,
        "SAM:base=SGD": 4, "Adam:amsgrad=true": 12, "Adagrad": 4}  # fmt: skip


@pytest.mark.parametrize("optimizer", KEPT)
def test_a_plan_counts_what_an_optimizer_keeps(optimizer: str) -> None:
    schedule = Schedule(lr=1e-3, epochs=1, optimizer=optimizer)
    assert kept_bytes(schedule, torch.float32) == KEPT[optimizer]
    assert kept_bytes(schedule, torch.bfloat16) == (2 if optimizer == "adamw8bit" else KEPT[optimizer] / 2)


# --- processes ----------------------------------------------------------------------------------------------------

SPREAD = "SAM:base=SGD:rho=0.5"


def _worker(place: Path) -> None:
    """One of two processes: three rows a step, of which one has two and the other one."""
    processes = Processes("cpu")
    assert processes.count == 2
    training = _training(SPREAD, piece=1, processes=processes)
    log = [step for moment in training.run() for step in moment.steps]
    if processes.first:
        torch.save({"weights": _weights(training), "loss": [step["loss"] for step in log]}, place)


@pytest.mark.integration
def test_two_processes_go_to_the_same_place_nearby(tmp_path: Path) -> None:
    done = run_two(__file__, tmp_path / "found")
    assert done.returncode == 0, done.stderr[-3000:]
    alone, found = _training(SPREAD), torch.load(tmp_path / "found")
    losses = [step["loss"] for moment in alone.run() for step in moment.steps]
    assert found["loss"] == pytest.approx(losses, rel=1e-5)
    moved = (_weights(alone) - _weights(_training(SPREAD))).abs().max()
    torch.testing.assert_close(found["weights"], _weights(alone), rtol=0, atol=1e-4 * float(moved))


if __name__ == "__main__":
    _worker(Path(sys.argv[1]))
    part()
