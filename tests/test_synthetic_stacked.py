"""Many transformers as one: each as it would be alone."""

import pytest
import torch
from torch.func import jacrev

from synthetic.transformer.model import Config, answer_logits, cast, initial, log_probs
from synthetic.transformer.sequences import Sizes, draw
from synthetic.transformer.stacked import (
    all_answer_logits,
    all_log_probs,
    repeat,
    stack,
    stack_sequences,
    tangent_kernel,
)
from theory.theorems.time.intrinsic_time import follow, rates, weight_by_drop

SIZES = Sizes(forget=3, retain=4, prompt=2, answer=3, vocab=7)
CONFIG = Config(vocab=7, length=5, width=8, heads=2, layers=2, expansion=2)
RUNS = 3


def _model(seed):
    return cast(initial(CONFIG, torch.Generator().manual_seed(seed)), torch.float64)


MODELS = [_model(seed) for seed in range(RUNS)]
FORGET = [draw(SIZES, seed).forget for seed in range(RUNS)]


def test_log_probabilities_and_gradients_are_those_of_each_run_alone():
    theta = {name: p.requires_grad_() for name, p in stack(MODELS).items()}
    together = all_log_probs(CONFIG, stack_sequences(FORGET))(theta)
    gradient = dict(zip(theta, torch.autograd.grad(together.square().sum(), list(theta.values())), strict=True))
    for k, (model, sequences) in enumerate(zip(MODELS, FORGET, strict=True)):
        own = {name: p.requires_grad_() for name, p in model.items()}
        alone = log_probs(CONFIG, sequences)(own)
        torch.testing.assert_close(together[k], alone, rtol=1e-12, atol=1e-12)
        slopes = torch.autograd.grad(alone.square().sum(), list(own.values()))
        for name, slope in zip(own, slopes, strict=True):
            torch.testing.assert_close(gradient[name][k], slope, rtol=1e-9, atol=1e-11)


def test_logits_of_answers_are_those_of_each_run_alone():
    together = all_answer_logits(stack(MODELS), stack_sequences(FORGET), CONFIG)
    assert together.shape == (RUNS, SIZES.forget, SIZES.answer, CONFIG.vocab)
    for k, (model, sequences) in enumerate(zip(MODELS, FORGET, strict=True)):
        torch.testing.assert_close(together[k].flatten(0, 1), answer_logits(model, sequences, CONFIG))


def test_the_tangent_kernel_is_that_of_the_jacobian():
    jacobian = torch.cat([j.flatten(1) for j in jacrev(log_probs(CONFIG, FORGET[0]))(MODELS[0]).values()], dim=1)
    found = tangent_kernel(MODELS[0], FORGET[0], CONFIG)
    torch.testing.assert_close(found, jacobian @ jacobian.T, rtol=1e-10, atol=1e-12)


def test_repeating_a_model_copies_nothing():
    assert repeat(MODELS[0], 5)["gain"].data_ptr() == MODELS[0]["gain"].data_ptr()


@pytest.mark.parametrize("count", [1, SIZES.forget])
def test_the_law_is_followed_for_many_models_as_for_each_alone(count):
    """Different β, and so different ends; the path of a run that ends early is cut there."""
    betas = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    parts = [sequences.pick(0, count) for sequences in FORGET]

    def weight(drop):
        return 2 * torch.sigmoid(-betas[:, None] * drop)

    together = follow(
        all_log_probs(CONFIG, stack_sequences(parts)),
        stack(MODELS),
        weight,
        step=0.1,
        until=torch.tensor([1.0, 1.5, 2.0]),
        scale=betas,
    )
    for k, beta in enumerate(betas.tolist()):
        alone = follow(
            log_probs(CONFIG, parts[k]),
            MODELS[k],
            weight_by_drop(beta),
            step=0.1,
            until=[1.0, 1.5, 2.0][k],
            scale=beta,
        )
        own = together.of(k)
        for name in ("time", "clock", "drop", "remainder"):
            torch.testing.assert_close(
                torch.from_numpy(getattr(own, name)), torch.from_numpy(getattr(alone, name)), rtol=1e-8, atol=1e-10
            )
        for name, p in alone.parameters.items():
            torch.testing.assert_close(own.parameters[name], p, rtol=1e-8, atol=1e-10)


def test_rates_of_many_models_are_those_of_each():
    weight = torch.linspace(0.2, 1.0, SIZES.forget, dtype=torch.float64).expand(RUNS, -1)
    together = rates(all_log_probs(CONFIG, stack_sequences(FORGET)), stack(MODELS), weight)
    for k in range(RUNS):
        alone = rates(log_probs(CONFIG, FORGET[k]), MODELS[k], weight[k])
        torch.testing.assert_close(together.clock[k], alone.clock, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(together.motion[k], alone.motion, rtol=1e-10, atol=1e-12)
