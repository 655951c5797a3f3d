"""A retain weight that is a dual variable: as its rule says, in the gradient, in a checkpoint, on several processes."""

import copy
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from two_processes import part, run_two

from records.store import Data
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.stages.unlearning.unlearn import Unlearning
from scale.tasks.corpus import Corpus
from scale.training.loop import Training
from scale.training.multiplier import retained_first
from scale.training.schedule import Schedule
from scale.training.unlearning_rows import unlearning_rows
from theory import losses
from theory.dual import DualAscent
from theory.objective import Objective, tokens

TEXTS = authors(1, seed=2)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 350)
WRITER = Writer(TOKENIZER, PLAIN, 512)
ALONE = Processes("cpu")
CORPUS = Corpus(tuple(TEXTS[:4]), tuple(TEXTS[8:11]), {}, ("I don't know.",), "made up")
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=24, layers=1, heads=2, feed_forward=32), seed=0)
ASCENT = DualAscent(rate=0.005, slack=0.0, warmup=1)
PDU = Objective(losses.ga, losses.nll, retain_weight=0.7, dual=ASCENT)
SCHEDULE = Schedule(lr=1e-2, epochs=3, batch=2, warmup=0)


def _training(objective=PDU, *, piece=2, schedule=SCHEDULE):
    rows = unlearning_rows(WRITER, CORPUS, objective, epochs=schedule.epochs, seed=5)
    return Training(
        Scorer(copy.deepcopy(MODEL)),
        objective,
        rows,
        schedule.model_copy(update={"piece": piece}),
        seed=5,
        pad=WRITER.pad,
        processes=ALONE,
    )


def _weights(training):
    return torch.cat([p.detach().flatten() for p in training.scorer.parameters()])


@pytest.mark.parametrize("per", [None, tokens])
def test_it_goes_as_its_rule_says_and_weighs_the_retain_term(per):
    objective = PDU if per is None else replace(PDU, retain_per=per, dual=DualAscent(rate=2.0, slack=0.0, warmup=1))
    training = _training(objective, piece=1)
    log = [step for moment in training.run() for step in moment.steps]
    first = score_all(Scorer(MODEL), training.rows.retain, WRITER.pad, ALONE)
    mean = -first.logp.sum() / (len(first.logp) if per is None else first.tokens.sum())
    assert training.multiplier.bound == pytest.approx((1 + objective.dual.slack) * float(mean), rel=1e-5)
    expected = 0.7
    for i, step in enumerate(log):
        assert step["multiplier"] == expected
        assert step["loss"] == pytest.approx(step["forget"] + expected * step["retain"], rel=1e-5)
        if i >= 2:  # an epoch of two steps to warm up
            expected = max(0.0, expected + objective.dual.rate * (step["retain"] - training.multiplier.bound))
    assert training.multiplier.value == expected
    assert len({step["multiplier"] for step in log}) > 2


def test_a_step_descends_with_the_weight_of_now():
    training, fixed = _training(), _training(replace(PDU, retain_weight=3.5, dual=None))
    training.multiplier.value = 3.5
    for one in (training, fixed):
        next(one.run())
    assert torch.equal(_weights(training), _weights(fixed))


def test_it_goes_on_from_a_checkpoint_to_the_bit(tmp_path):
    whole = _training()
    for moment in whole.run():
        if moment.epoch == 2:
            state = Data({}, {"epoch": 2, "history": [], **whole.kept()})
            checkpoint.write(tmp_path / "checkpoint", whole.scorer, whole.optimizer, state, ALONE)
    again = _training()
    found = checkpoint.read(tmp_path / "checkpoint", again.scorer, again.optimizer, ALONE)
    again.recall(found.values)
    steps = [step for moment in again.run(after=2) for step in moment.steps]
    assert steps[0]["multiplier"] != 0.7
    assert again.kept() == whole.kept()
    assert torch.equal(_weights(again), _weights(whole))


def test_a_run_keeps_it_in_its_checkpoint(tmp_path):
    def run():
        ready = SimpleNamespace(training=_training(), folder=tmp_path, context=SimpleNamespace(processes=ALONE))
        return Unlearning(ready, keep_model=False, rule=None, settings={})

    before, after = run(), run()
    before.ready.training.recall({"multiplier": {"value": 1 / 3, "bound": 2.5}})
    after._go_on_from(before._state(1))
    assert after.ready.training.kept() == {"multiplier": {"value": 1 / 3, "bound": 2.5}}


def test_rows_are_read_once_for_the_bound():
    """However many epochs there are, and no more than there is time for."""
    training = _training()
    batch = retained_first(training.rows, PDU, epochs=50, seed=5)
    assert sorted(batch.retain) == [0, 1, 2]
    assert not batch.retain_idk
    assert _training(replace(PDU, dual=None)).kept() == {}


def _worker(folder):
    training = _training()
    log = [step for moment in training.run() for step in moment.steps]
    if ALONE.first:
        torch.save([step["multiplier"] for step in log] + [training.multiplier.bound], folder / f"{ALONE.count}.pt")
    same = ALONE.together(torch.tensor(training.multiplier.value, dtype=torch.float64))
    assert float(same) == ALONE.count * training.multiplier.value


@pytest.mark.integration
def test_two_processes_have_the_multiplier_of_one(tmp_path):
    done = run_two(__file__, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    _worker(tmp_path)
    one, two = (torch.load(tmp_path / f"{count}.pt") for count in (1, 2))
    assert two == pytest.approx(one, rel=1e-4)


if __name__ == "__main__":
    _worker(Path(sys.argv[1]))
    part()
