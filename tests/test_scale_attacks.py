"""Attacks on a model: level 0 and the ends of each curve exactly, what is changed and what is left, R and Q."""

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scale.attacks.grids import GRIDS
from scale.attacks.matrices import matrices_of
from scale.attacks.mix import largest_weight, mix
from scale.attacks.prune import prune, pruned
from scale.attacks.quantise import EVEN, quantise, quantised
from scale.attacks.robustness import (
    moved_alike,
    robustness_to_quantisation,
    robustness_to_relearning,
    unmoved,
)
from scale.attacks.settings import AttackChoice, Mix, Prune, Quantise, Relearn
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.training.schedule import Schedule, learning_rate

SHAPE = Shape(hidden=16, layers=2, heads=2, feed_forward=24, positions=32)


def _model(seed=0):
    return from_scratch(train_tokenizer([], 258), SHAPE, seed=seed)


def _state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def _same(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_matrices_are_all_linear_weights_but_embeddings_and_head():
    model = _model()
    found = matrices_of(model)
    assert len(found.changed) == 2 * 7
    assert all(name.endswith("_proj.weight") for name in found.changed)
    whole = sum(p.numel() for p in model.parameters())
    assert sum(found.told().values()) == whole
    with_head = matrices_of(model, ("head", "embeddings"))
    assert {name for name in with_head.left if with_head.left[name].ndim > 1} == set()
    assert with_head.told()["changed"] > found.told()["changed"]


@pytest.mark.parametrize("over", ["matrix", "model"])
def test_pruning_takes_the_exact_share_of_the_least_weights_and_puts_all_back(over):
    model = _model()
    before, weights = _state(model), matrices_of(model).changed
    for share in prune(weights, (0.25, 0.5), over):
        zeros = {name: int((p == 0).sum()) for name, p in weights.items()}
        sizes = {name: p.numel() for name, p in weights.items()}
        assert sum(zeros.values()) == int(share * sum(sizes.values()))
        if over == "matrix":
            assert all(zeros[name] == int(share * sizes[name]) for name in weights)
        whole = torch.cat([p.detach().flatten() for p in weights.values()])
        old = torch.cat([before[name].flatten() for name in weights])
        assert torch.equal(whole[whole != 0], old[whole != 0])
        if over == "model":
            assert old[whole == 0].abs().max() <= old[whole != 0].abs().min()
    assert _same(model, before)


@given(st.lists(st.sampled_from([-1.0, 0.5, 1.0, 2.0]), min_size=1, max_size=20), st.floats(0, 1))
def test_the_pruned_share_is_exact_among_equal_weights_too(numbers, share):
    weight = torch.tensor(numbers)
    assert int((pruned(weight, share) == 0).sum()) == int(share * len(numbers))


def test_quantising_changes_linear_weights_alone_rounds_what_was_there_and_puts_all_back():
    model = _model()
    before, found = _state(model), matrices_of(model)
    away = []
    for bits in quantise(found.changed, (8, 4, 3)):
        assert all(torch.equal(p, before[name]) for name, p in found.left.items())
        for name, p in found.changed.items():
            assert torch.equal(p, quantised(before[name], int(bits)))
            assert len(p.detach().flatten()[:64].unique()) <= 2 ** int(bits)
        away.append(sum(float((p.detach() - before[name]).norm()) for name, p in found.changed.items()))
    assert _same(model, before)
    assert all(one < other / 1.9 for one, other in pairwise(away))


def test_every_named_grid_is_there_and_an_error_leaves_the_model_as_it_was():
    grids = get_args(Quantise.model_fields["grid"].annotation)
    assert set(grids) - {EVEN} <= GRIDS.keys()
    model = _model()
    before, weights = _state(model), matrices_of(model).changed
    for grid in set(grids) - {EVEN}:
        assert list(quantise(weights, (GRIDS[grid].bits,), grid)) == [GRIDS[grid].bits]
    rounding = quantise(weights, (4, 8), "nf4")
    assert next(rounding) == 4
    with pytest.raises(ValueError, match="nf4 has 4 bits, not 8"):
        next(rounding)
    assert _same(model, before)


def test_the_ends_of_a_mixture_are_both_models_to_the_bit_and_the_middle_is_between():
    model, finetuned = _model(0), _state(_model(1))
    own = _state(model)
    for weight in mix(model, finetuned, own, (1.0, 0.5, 0.0)):
        if weight == 1.0:
            assert _same(model, own)
        elif weight == 0.0:
            assert _same(model, finetuned)
        else:
            for name, p in model.named_parameters():
                torch.testing.assert_close(p.detach(), (own[name] + finetuned[name]) / 2)
    assert _same(model, own)
    with pytest.raises(ValueError, match="the finetuned model has no weight"):
        list(mix(model, {}, own, (0.5,)))


@given(st.floats(0.02, 0.98))
def test_bisection_finds_where_a_falling_score_meets_a_given_one(wanted):
    found = largest_weight(lambda a: 1 - a, wanted)
    assert found == pytest.approx(1 - wanted, abs=2e-4)
    assert 1 - found >= wanted


def test_bisection_takes_the_crossing_nearest_to_the_model_itself():
    found = largest_weight(lambda a: 0.9 if 0.4 < a < 0.6 or a < 0.1 else 0.2, 0.5)
    assert found == pytest.approx(0.6, abs=1e-3)


def test_robustness_is_one_where_nothing_comes_back_and_falls_with_what_does():
    assert robustness_to_relearning((0.1, 0.3), (0.2, 0.4)) == pytest.approx(1)
    assert robustness_to_relearning((0.1, 0.2), (0.1, 0.9)) == pytest.approx(0.125)
    assert robustness_to_relearning((0.1, 0.05), (0.1, 0.9)) == 0
    assert robustness_to_relearning((0.1, 0.3), (0.2, 0.1)) == 1
    assert robustness_to_quantisation(0.0, 0.0) == robustness_to_quantisation(0.3, 0.3) == 1
    assert robustness_to_quantisation(0.21, 0.83) == pytest.approx(0.21 / 0.83)


@given(st.tuples(st.floats(0, 1), st.floats(0, 1)), st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_all_forms_lie_between_nothing_and_one_and_the_symmetric_ones_are_symmetric(a, b):
    forms = [robustness_to_relearning(a, b), robustness_to_quantisation(*a), moved_alike(a, b), unmoved(*a)]
    assert all(0 <= value <= 1 for value in forms)
    assert moved_alike(a, b) == pytest.approx(moved_alike(b, a))
    assert unmoved(*a) == pytest.approx(unmoved(*a[::-1]))


def test_a_relearning_has_a_constant_rate_and_what_it_does_not_say_of_the_methods():
    unlearn = Schedule(lr=1e-3, epochs=5, batch=16, piece=4, weight_decay=0.1)
    found = Relearn(steps=(2, 6)).schedule(unlearn)
    assert [learning_rate(found, step, 3) for step in range(6)] == [1e-3] * 6
    assert (found.steps, found.batch, found.weight_decay) == (6, 16, 0.0)
    own = Relearn(steps=(2,), lr=0.1, batch=2, optimizer="SGD").schedule(unlearn)
    assert (own.lr, own.batch, own.optimizer) == (0.1, 2, "SGD")
    assert "falls" not in unlearn.described()


def test_labels_name_an_attack_by_all_but_its_levels():
    assert AttackChoice(mix=Mix(weights=(0.5,))).label == "mix"
    assert AttackChoice(prune=Prune(over="model", also=("head",))).label == "prune,over=model,also=head"
    own = Relearn(rows="related", file="a/b/wiki.jsonl", lr=1e-4, optimizer={"name": "SGD", "momentum": 0.9})
    assert AttackChoice(relearn=own).label == "relearn,rows=related,file=wiki.jsonl,lr=0.0001,optimizer=SGD"


WRONG = {
    "grow": {"relearn": {"steps": (5, 2)}},
    "steps holds 5 more than once": {"relearn": {"steps": (5, 5)}},
    "share is for rows=part": {"relearn": {"share": 0.2}},
    "the grid nf4 has 4 bits": {"quantise": {"grid": "nf4"}},
    "less than 1": {"prune": {"shares": (1.0,)}},
    "an entry is one attack, and relearn and mix is there": {"relearn": {}, "mix": {}},
    "nothing is there": {},
}


@pytest.mark.parametrize("said", WRONG)
def test_settings_that_do_not_fit_are_refused(said):
    with pytest.raises(ValidationError, match=said):
        AttackChoice.model_validate(WRONG[said])
