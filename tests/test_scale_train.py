"""The training loop: what it computes, in which order, and that cutting a batch changes nothing."""

import copy
from collections import Counter
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from records.errors import UserError
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer, collate
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading.lora import Lora, adapted
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.recipes.method import methods_of
from scale.recipes.recipe import UnlearnSettings
from scale.runtime.processes import Processes
from scale.tasks.kinds import corpus_of
from scale.tasks.tofu import TofuSettings
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.optimizers import optimizer_of
from scale.training.pairing import idk_answer, order, partner
from scale.training.reference_lookup import LiveReference, cached_reference
from scale.training.schedule import Schedule
from scale.training.unlearning_rows import unlearning_rows
from theory import losses
from theory.logprobs import from_logits
from theory.objective import METHODS, Objective, method, tokens

TEXTS = authors(2, seed=0)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
PAD = WRITER.pad
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]
SHAPES = {
    "llama": Shape(hidden=32, layers=1, heads=2, feed_forward=48),
    "phi": Shape(family="phi", hidden=32, layers=1, heads=2, feed_forward=48),  # its head has a bias
    "qwen2": Shape(family="qwen2", hidden=32, layers=1, heads=2, feed_forward=48),
}
MODEL = scratch.from_scratch(TOKENIZER, SHAPES["llama"], seed=0)
FORGET, RETAIN = ENCODED[:16], ENCODED[20:30]
ALONE = Processes("cpu")
CORPUS = corpus_of(TofuSettings(authors=2, forget_authors=1, retain_authors=1))


def _logp(model, rows):
    return score_all(Scorer(model), rows, PAD, ALONE).logp


REFERENCE = _logp(MODEL, FORGET)


class Fixed:
    """A reference of known log-probabilities."""

    def quantities(self, asked, indices, rows):
        return {"ref_logp": REFERENCE[list(indices)]}


def _sgd(parameters, schedule):
    return torch.optim.SGD([p for p in parameters if p.requires_grad], lr=schedule.lr)


def _run(objective, *, rows=None, schedule=None, seed=0, optimizer=optimizer_of, reference=None, start=MODEL):
    model = copy.deepcopy(start)
    rows = rows or TrainingRows(FORGET, RETAIN)
    schedule = schedule or Schedule(lr=1e-3, epochs=2, batch=8, piece=8)
    reference = Fixed() if reference is None and objective is not likelihood else reference
    training = Training(
        Scorer(model),
        objective,
        rows,
        schedule,
        seed=seed,
        pad=PAD,
        processes=ALONE,
        reference=reference,
        make_optimizer=optimizer,
    )
    return model, list(training.run())


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
    _, log = _run(likelihood, rows=TrainingRows(FORGET))
    assert list(log[0].steps[0]) == ["lr", "loss", "forget", "weight"]


def test_the_rate_climbs_through_the_first_epoch_and_falls_to_zero():
    _, log = _run(likelihood, rows=TrainingRows(FORGET), schedule=Schedule(lr=1.0e-3, epochs=3, batch=4, piece=4))
    rates = [step["lr"] for epoch in log for step in epoch.steps]
    assert rates == pytest.approx([0, 0.25e-3, 0.5e-3, 0.75e-3, *(1e-3 * k / 8 for k in range(8, 0, -1))])


def test_likelihood_is_the_mean_nll_of_a_token():
    _, log = _run(likelihood, rows=TrainingRows(FORGET), schedule=Schedule(lr=1e-3, epochs=1, batch=16, piece=16))
    targets = sum(row.targets for row in FORGET)
    assert log[0].steps[0]["loss"] == pytest.approx(-float(REFERENCE.sum()) / targets, rel=1e-5)


def test_weight_decay_shrinks_what_no_gradient_touches():
    decayed = next(iter(optimizer_of([torch.nn.Parameter(torch.ones(2))], Schedule(lr=1e-3, epochs=1)).param_groups))
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
    assert log[-1].stopped == f"The loss of step {len(log[-1].steps)} of epoch {log[-1].epoch} is not finite."
    assert log[-1].steps[-1]["loss"] is None
    assert all(step["loss"] is not None for epoch in log for step in epoch.steps[:-1])
    assert all(epoch.stopped is None for epoch in log[:-1])


# --- all methods, and the reference -----------------------------------------------------------------------------


def _rows_of(objective, epochs=2):
    return unlearning_rows(WRITER, CORPUS, objective, epochs=epochs, seed=0)


def _method(name, **changes):
    (found,) = methods_of(UnlearnSettings(lr=1e-2, epochs=2, batch=8, piece=8, methods=(name,), **changes))
    return found


def _reference(tmp_path, objective, rows, start=MODEL, weights="w"):
    return cached_reference(
        ReferenceCache(tmp_path), ReferenceModel(Scorer(start), weights, PAD, ALONE), objective, rows
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_the_same_with_a_kept_and_a_live_reference_and_however_cut(tmp_path, name):
    """No second model in memory, verified against one: values, gradients, and the whole trajectory under SGD."""
    objective = _method(name).objective
    rows = _rows_of(objective)
    fixed = _reference(tmp_path, objective, rows)
    live = LiveReference(Scorer(copy.deepcopy(MODEL).requires_grad_(False).eval()), PAD, ALONE)
    lr = 1e-3 if "KL" in name or "IDK" in name else 1e-4
    whole = Schedule(lr=lr, epochs=2, batch=8, piece=8)
    cut = Schedule(lr=lr, epochs=2, batch=8, piece=5)
    one, log = _run(objective, rows=rows, schedule=whole, optimizer=_sgd, reference=fixed)
    assert not torch.equal(_flat(one), _flat(MODEL))
    for reference, schedule in ((live, whole), (fixed, cut)):
        other, same = _run(objective, rows=rows, schedule=schedule, optimizer=_sgd, reference=reference)
        torch.testing.assert_close(_flat(other), _flat(one), rtol=1e-4, atol=2e-6)
        for a, b in zip(log, same, strict=True):
            for x, y in zip(a.steps, b.steps, strict=True):
                assert x == pytest.approx(y, rel=1e-3, abs=1e-4)


def test_kl_is_zero_at_the_reference_and_is_logged_over_answer_tokens(tmp_path):
    objective = _method("NPO+KL").objective
    rows = _rows_of(objective)
    _, log = _run(objective, rows=rows, reference=_reference(tmp_path, objective, rows))
    assert log[0].steps[0]["retain"] == pytest.approx(0, abs=1e-6)
    assert log[-1].steps[-1]["retain"] > 1e-6


def test_z_ref_of_kto_is_logged_before_its_clamp(tmp_path):
    objective = _method("KTO").objective
    rows = _rows_of(objective)
    _, log = _run(objective, rows=rows, reference=_reference(tmp_path, objective, rows))
    estimates = [step["z_ref"] for moment in log for step in moment.steps]
    assert estimates[0] == pytest.approx(0, abs=1e-5)
    assert min(estimates) < 0  # the clamp is not in the log


def test_what_is_known_of_a_reference_depends_on_weights_and_tokens(tmp_path):
    objective = _method("NPO+KL").objective
    rows = _rows_of(objective)
    _reference(tmp_path, objective, rows)
    first = sorted(path.name for path in tmp_path.iterdir())
    assert len(first) == 3  # the head as well
    _reference(tmp_path, objective, rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == first  # read, not computed
    _reference(tmp_path, objective, rows, weights="other")
    assert len(list(tmp_path.iterdir())) == 6
    (tmp_path / first[0]).write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"is damaged .*Delete it"):
        _reference(tmp_path, objective, rows)


def test_reductions_follow_the_authors_code_where_a_recipe_asks_for_it():
    for name, per_token in {"GA": True, "NPO": False, "DPO": False, "KTO": False, "IDK+RT": True}.items():
        assert (_method(name, reduction="token_mean").objective.forget_per is tokens) == per_token
        assert _method(name).objective.forget_per is not tokens
    assert _method("NPO+RT", reduction="token_mean").objective.retain_per is tokens
    assert _method("IDK+RT", reduction="pooled").pooled
    assert not _method("GA+RT", reduction="pooled").pooled


def test_pooled_idk_is_one_cross_entropy_over_both_sets(tmp_path):
    chosen = _method("IDK+RT", reduction="pooled")
    rows = _rows_of(chosen.objective)
    schedule = Schedule(lr=1e-3, epochs=1, batch=20, piece=20)
    training = Training(
        Scorer(copy.deepcopy(MODEL)), chosen.objective, rows, schedule, seed=0, pad=PAD, processes=ALONE, pooled=True
    )
    (moment,) = list(training.run())
    idk = [rows.idk[rows.idk_place[i, idk_answer(0, 0, i, forget=20, answers=40)]] for i in range(20)]
    both = [*idk, *(rows.retain[partner(0, 0, i, forget=20, retain=20)] for i in range(20))]
    expected = -float(_logp(MODEL, both).sum()) / sum(row.targets for row in both)
    assert moment.steps[0]["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", SHAPES)
def test_an_adapter_starts_at_the_model_that_it_is_put_on_and_trains_alone(tmp_path, family):
    """Its reference is the finetuned model, by value."""
    base = scratch.from_scratch(TOKENIZER, SHAPES[family], seed=0)
    before, known = _flat(base), _logp(base, FORGET)
    model = adapted(LanguageModel(base, TOKENIZER), Lora(rank=4), seed=0).model
    torch.testing.assert_close(_logp(model, FORGET), known)
    objective = _method("NPO+KL").objective
    rows = _rows_of(objective)
    reference = _reference(tmp_path, objective, rows, start=model)
    training = Training(
        Scorer(model),
        objective,
        rows,
        Schedule(lr=1e-2, epochs=2, batch=8, piece=8),
        seed=0,
        pad=PAD,
        processes=ALONE,
        reference=reference,
    )
    log = list(training.run())
    assert log[0].steps[0]["drop"] == pytest.approx(0, abs=1e-4)
    assert log[-1].steps[-1]["drop"] > 1e-3
    frozen = torch.cat([p.detach().flatten() for p in model.parameters() if not p.requires_grad])
    assert torch.equal(frozen, before)


def test_recomputing_activations_changes_no_number():
    one, _ = _run(method("GA"), schedule=Schedule(lr=1e-3, epochs=2, batch=8, piece=8), optimizer=_sgd)
    model = copy.deepcopy(MODEL)
    language_model.recompute_activations(model)
    other, _ = _run(method("GA"), optimizer=_sgd, start=model)
    torch.testing.assert_close(_flat(other), _flat(one))


# --- which row when ---------------------------------------------------------------------------------------------

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


@given(forget=st.integers(1, 40), answers=st.integers(1, 40), seed=st.integers(0, 2**31), epochs=st.integers(1, 6))
def test_every_idk_answer_is_used_equally_often_and_has_its_row(forget, answers, seed, epochs):
    used = Counter(
        idk_answer(seed, epoch, i, forget=forget, answers=answers) for epoch in range(epochs) for i in range(forget)
    )
    counts = [used[answer] for answer in range(answers)]
    assert max(counts) - min(counts) <= 1


def test_partners_change_with_epoch_and_seed():
    def pairs(seed, epoch):
        return [partner(seed, epoch, i, forget=16, retain=16) for i in range(16)]

    assert len({tuple(pairs(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert len({order(seed, epoch, 16) for seed in range(3) for epoch in range(3)}) == 9
