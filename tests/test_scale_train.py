"""The training loop: what it computes, in which order, and that cutting a batch changes nothing."""

import copy
from collections import Counter
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from records.errors import UserError
from scale import models, train
from scale.answers import score_all
from scale.fictional import authors
from scale.prompts import collate, encode, prompt
from scale.train import Rows, Schedule, check_supplied, likelihood, order, partner
from theory import losses
from theory.logprobs import from_logits
from theory.objective import METHODS, Objective, kernels, method, takes, tokens

TEXTS = authors(2, seed=0)
TOKENIZER = models.train_tokenizer([prompt(row.question) + row.answer for row in TEXTS], 400)
PAD = TOKENIZER.pad_token_id
ENCODED = [encode(TOKENIZER, row.question, row.answer) for row in TEXTS]
MODEL = models.small_llama(TOKENIZER, models.Shape(hidden=32, layers=1, heads=2, feed_forward=48), seed=0)
FORGET, RETAIN = ENCODED[:16], ENCODED[20:30]
REFERENCE = score_all(MODEL, FORGET, PAD).logp


def _sgd(parameters, schedule):
    return torch.optim.SGD(parameters, lr=schedule.lr)


def _run(objective, *, rows=None, schedule=None, seed=0, optimizer=train.adamw):
    model = copy.deepcopy(MODEL)
    rows = rows or Rows(FORGET, RETAIN, REFERENCE)
    schedule = schedule or Schedule(lr=1e-3, epochs=2, batch=8, piece=8)
    return model, list(train.train(model, objective, rows, schedule, seed=seed, pad=PAD, optimizer=optimizer))


def _flat(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# --- what is minimised ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "objective",
    [
        method("NPO+RT", beta=0.1),
        method("GA"),
        likelihood,
        Objective(partial(losses.npo, beta=0.1), losses.nll, forget_per=tokens, retain_per=tokens, retain_weight=3.0),
    ],
    ids=["NPO+RT", "GA", "likelihood", "per token"],
)
def test_however_a_batch_is_cut_the_trajectory_is_the_same(objective):
    """8 = 2 × 4 = 4 × 2 rows a piece under SGD, which, unlike Adam, sees every factor of a gradient."""
    whole, log = _run(objective, schedule=Schedule(lr=1e-2, epochs=2, batch=8, piece=8), optimizer=_sgd)
    assert not torch.equal(_flat(whole), _flat(MODEL))
    for piece in (4, 2, 3):
        cut, same = _run(objective, schedule=Schedule(lr=1e-2, epochs=2, batch=8, piece=piece), optimizer=_sgd)
        torch.testing.assert_close(_flat(cut), _flat(whole), rtol=1e-4, atol=2e-6)  # float32 sums of other orders
        for one, other in zip(same, log, strict=True):
            for a, b in zip(one.steps, other.steps, strict=True):
                assert a == pytest.approx(b, rel=1e-4, abs=1e-5)


def test_a_step_descends_the_gradient_of_the_objective_itself():
    """One step of SGD against autograd on the whole batch, with the logits of every position."""
    objective = method("NPO+RT", beta=0.1)
    schedule = Schedule(lr=0.1, epochs=2, batch=16, piece=4)  # the first step has rate 0, the second 0.1
    found, _ = _run(objective, schedule=schedule, optimizer=_sgd)
    model = copy.deepcopy(MODEL)
    paired = [RETAIN[partner(0, 1, i, forget=16, retain=10)] for i in range(16)]
    given = []
    for rows in (FORGET, paired):
        batch = collate(rows, PAD)
        given.append(from_logits(model(input_ids=batch.ids, attention_mask=batch.mask).logits, batch.labels))
    loss = objective({"logp": given[0].logp, "ref_logp": REFERENCE}, {"logp": given[1].logp}).total
    loss.backward()
    expected = torch.cat([(p - 0.1 * p.grad).detach().flatten() for p in model.parameters()])
    torch.testing.assert_close(_flat(found), expected, rtol=1e-4, atol=2e-6)


def test_the_log_has_every_term_apart():
    _, log = _run(method("npo+rt", beta=0.1, retain_weight=2.0))
    first = log[0].steps[0]
    assert list(first) == ["lr", "loss", "forget", "retain", "drop", "weight"]
    assert first["loss"] == pytest.approx(first["forget"] + 2 * first["retain"])
    assert first["lr"] == 0
    assert first["drop"] == pytest.approx(0, abs=1e-4)
    assert first["weight"] == pytest.approx(1, abs=1e-5)  # W at the reference
    last = log[-1].steps[-1]
    assert last["drop"] > 0
    assert 0 < last["weight"] < 1
    _, log = _run(method("GA"))
    assert list(log[0].steps[0]) == ["lr", "loss", "forget", "drop", "weight"]
    assert {step["weight"] for epoch in log for step in epoch.steps} == {1.0}
    _, log = _run(likelihood, rows=Rows(FORGET))
    assert list(log[0].steps[0]) == ["lr", "loss", "forget", "weight"]


def test_the_rate_climbs_through_the_first_epoch_and_falls_to_zero():
    _, log = _run(likelihood, rows=Rows(FORGET), schedule=Schedule(lr=1.0e-3, epochs=3, batch=4, piece=4))
    rates = [step["lr"] for epoch in log for step in epoch.steps]
    assert rates == pytest.approx([0, 0.25e-3, 0.5e-3, 0.75e-3, *(1e-3 * k / 8 for k in range(8, 0, -1))])


def test_likelihood_is_the_mean_nll_of_a_token():
    _, log = _run(likelihood, rows=Rows(FORGET), schedule=Schedule(lr=1e-3, epochs=1, batch=16, piece=16))
    targets = sum(row.targets for row in FORGET)
    assert log[0].steps[0]["loss"] == pytest.approx(-float(REFERENCE.sum()) / targets, rel=1e-5)


def test_weight_decay_shrinks_what_no_gradient_touches():
    decayed = next(iter(train.adamw([torch.nn.Parameter(torch.ones(2))], Schedule(1e-3, 1, 1, 1)).param_groups))
    assert decayed["weight_decay"] == 0.01


def test_the_same_seed_gives_the_same_weights_and_the_random_state_is_left_alone():
    before = torch.get_rng_state()
    objective = method("NPO+RT", beta=0.1)
    (first, _), (second, _), (other, _) = _run(objective), _run(objective), _run(objective, seed=1)
    assert torch.equal(_flat(first), _flat(second))
    assert not torch.equal(_flat(first), _flat(other))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loss_that_is_not_finite_stops_the_run_before_its_step():
    _, log = _run(method("GA"), schedule=Schedule(lr=1e30, epochs=3, batch=8, piece=8))
    assert log[-1].stopped == f"The loss of step {len(log[-1].steps)} of epoch {log[-1].number} is not finite."
    assert log[-1].steps[-1]["loss"] is None
    assert all(step["loss"] is not None for epoch in log for step in epoch.steps[:-1])
    assert all(epoch.stopped is None for epoch in log[:-1])


@pytest.mark.parametrize("name", METHODS)
def test_what_this_pass_does_not_compute_is_refused_by_name(name):
    objective = method(name, **({"beta": 0.1} if "beta" in takes(kernels(name)[0]) else {}))
    if name in {"GA", "GA+RT", "NPO", "NPO+RT"}:
        check_supplied(name, objective)
        return
    with pytest.raises(UserError) as caught:
        check_supplied(name, objective)
    wanted = "the logits of the retain answers" if "KL" in name else "positive (“I don't know”) answers"
    message = str(caught.value)
    assert message.startswith(f"{name} can't run here: it needs the ")
    assert wanted in message
    assert "Choose GA, GA+RT, NPO or NPO+RT." in message


# --- which row when -------------------------------------------------------------------------------------------

SIZES = {"forget": st.integers(1, 40), "retain": st.integers(1, 40), "seed": st.integers(0, 2**31)}


@given(**SIZES, epochs=st.integers(1, 12))
def test_every_retain_row_is_used_equally_often_or_once_more(forget, retain, seed, epochs):
    used = Counter(
        partner(seed, epoch, i, forget=forget, retain=retain) for epoch in range(epochs) for i in range(forget)
    )
    counts = [used[row] for row in range(retain)]
    assert max(counts) - min(counts) <= 1
    assert set(used) <= set(range(retain))


@given(**SIZES, epoch=st.integers(0, 100))
def test_pairing_and_order_are_pure_functions(forget, retain, seed, epoch):
    torch.manual_seed(1)
    once = [partner(seed, epoch, i, forget=forget, retain=retain) for i in range(forget)]
    torch.manual_seed(2)
    assert [partner(seed, epoch, i, forget=forget, retain=retain) for i in reversed(range(forget))] == once[::-1]
    assert sorted(order(seed, epoch, forget)) == list(range(forget))


def test_partners_change_with_epoch_and_seed():
    def pairs(seed, epoch):
        return [partner(seed, epoch, i, forget=16, retain=16) for i in range(16)]

    assert len({tuple(pairs(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert len({order(seed, epoch, 16) for seed in range(3) for epoch in range(3)}) == 9
