"""The small transformer: its forward pass, memorising, and the intrinsic-time law along its unlearning."""

import math

import numpy as np
import pytest
import torch
from torch.func import jacrev

from records.errors import UserError
from synthetic.transformer.memorise import Memorising, describe, load_models, memorise, save_models
from synthetic.transformer.model import (
    Config,
    cast,
    greedy,
    greedy_accuracy,
    initial,
    log_probs,
    logits,
    parameter_count,
    sample,
)
from synthetic.transformer.presets import FULL, QUICK, REPRODUCE
from synthetic.transformer.sequences import Sizes, draw
from theory.objective import method
from theory.theorems.time.intrinsic_time import curve, follow, rates, time_on_curve, weight_by_drop

TINY_SIZES = Sizes(forget=3, retain=4, prompt=2, answer=3, vocab=7)
TINY = Config(vocab=7, length=5, width=8, heads=2, layers=2, expansion=2)


def _tiny():
    return cast(initial(TINY, torch.Generator().manual_seed(1)), torch.float64)


SIZES = Sizes(forget=4, retain=12, prompt=3, answer=6, vocab=32)
CONFIG = Config(vocab=32, length=9, width=32, heads=4, layers=2, expansion=2)
TRAINING = Memorising(target=0.9, rate=3e-3, max_steps=1000)


@pytest.fixture(scope="module")
def reference():
    """π_ref of a few sequences, in float64."""
    start = initial(CONFIG, torch.Generator().manual_seed(1))
    return cast(memorise(start, draw(SIZES, 0).everything, CONFIG, TRAINING).parameters, torch.float64)


@pytest.fixture(scope="module")
def forget():
    return draw(SIZES, 0).forget


# --- the model ------------------------------------------------------------------------------------------------


def test_initial_parameters_are_decided_by_the_generator_alone():
    before = torch.get_rng_state()
    first, second = (initial(TINY, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_full_study_is_as_large_as_it_says():
    shape = FULL.shape
    for config in (shape.config, shape.reader):
        assert parameter_count(initial(config, torch.Generator())) >= 100_000
    assert shape.forget >= 40
    assert shape.forget + shape.retain >= 400
    assert FULL.law.steps >= 10_000
    assert set(FULL.law.betas) == {0.1, 0.2, 0.5, 1, 2}
    assert len(FULL.seeds) >= 5
    assert parameter_count(initial(REPRODUCE.shape.config, torch.Generator())) >= 50_000


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 10 must be a multiple of heads 4"):
        Config(vocab=7, length=5, width=10, heads=4, layers=1, expansion=2)


def test_a_later_token_changes_no_earlier_state():
    tokens = draw(TINY_SIZES, 0).everything.tokens
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % TINY.vocab
    before, after = logits(_tiny(), tokens, TINY), logits(_tiny(), changed, TINY)
    assert torch.equal(before[:, :3], after[:, :3])
    assert bool((before[:, 3:] != after[:, 3:]).any(dim=-1).all())


def _slow_norm(x, gain):
    return x / math.sqrt(sum(float(v) ** 2 for v in x) / len(x) + 1e-6) * gain


def _slow_logits(p, tokens, config):
    """One sequence, one position, one head at a time."""
    size = config.width // config.heads
    x = [p["embedding"][t] + p["position"][k] for k, t in enumerate(tokens)]
    for i in range(config.layers):
        q, k, v = zip(*((_slow_norm(h, p[f"{i}.attend.gain"]) @ p[f"{i}.attend.in"]).chunk(3) for h in x), strict=True)
        for t in range(len(x)):
            mixed = []
            for j in range(config.heads):
                part = slice(j * size, (j + 1) * size)
                score = [math.exp(float(q[t][part] @ k[s][part]) / math.sqrt(size)) for s in range(t + 1)]
                mixed.append(sum(w * v[s][part] for s, w in enumerate(score)) / sum(score))
            x[t] = x[t] + torch.cat(mixed) @ p[f"{i}.attend.out"]
        for t in range(len(x)):
            inner = _slow_norm(x[t], p[f"{i}.mlp.gain"]) @ p[f"{i}.mlp.in"]
            x[t] = x[t] + (inner / (1 + (-inner).exp())) @ p[f"{i}.mlp.out"]
    return torch.stack([p["unembedding"] @ _slow_norm(h, p["gain"]) for h in x])


def test_forward_pass_and_log_probabilities_equal_a_slow_loop():
    p, sequences = _tiny(), draw(TINY_SIZES, 0).everything
    fast = log_probs(TINY, sequences)(p)
    for i, tokens in enumerate(sequences.tokens):
        found = _slow_logits(p, tokens.tolist(), TINY)
        assert torch.allclose(found, logits(p, tokens[None], TINY)[0], rtol=0, atol=1e-12)
        slow = 0.0
        for t in range(TINY_SIZES.prompt, TINY_SIZES.length):
            z = found[t - 1].tolist()
            slow += z[int(tokens[t])] - math.log(sum(map(math.exp, z)))
        assert float(fast[i]) == pytest.approx(slow, abs=1e-12)


def test_greedy_accuracy_counts_the_most_likely_tokens():
    p, sequences = _tiny(), draw(TINY_SIZES, 0).everything
    right = logits(p, sequences.tokens, TINY)[:, 1:4].argmax(dim=-1) == sequences.tokens[:, 2:5]
    assert greedy_accuracy(p, sequences, TINY) == pytest.approx(float(right.double().mean()))


def test_decoding_takes_the_most_likely_token_and_sampling_follows_the_model():
    p, prompts = _tiny(), draw(TINY_SIZES, 0).everything.tokens[:, :2]
    found = greedy(p, prompts, 3, TINY)
    whole = torch.cat([prompts, found], dim=1)
    assert torch.equal(logits(p, whole, TINY)[:, 1:4].argmax(dim=-1), found)
    many = prompts[:1].expand(4000, -1)
    drawn = sample(p, many, 1, TINY, torch.Generator().manual_seed(0))[:, 0]
    share = torch.bincount(drawn, minlength=TINY.vocab) / 4000
    assert torch.allclose(share.double(), logits(p, prompts[:1], TINY)[0, -1].softmax(-1), atol=0.03)


def test_clocks_equal_the_tangent_kernel_of_the_transformer():
    p, sequences = _tiny(), draw(TINY_SIZES, 0).everything
    jacobian = torch.cat([j.flatten(1) for j in jacrev(log_probs(TINY, sequences))(p).values()], dim=1)
    kernel = jacobian @ jacobian.T
    weight = torch.linspace(0.2, 1.0, kernel.shape[0], dtype=torch.float64)
    found = rates(log_probs(TINY, sequences), p, weight)
    assert torch.allclose(found.clock, kernel.mean(dim=1), rtol=1e-10)
    assert torch.allclose(found.motion, kernel @ weight / len(weight), rtol=1e-10)


# --- memorising -----------------------------------------------------------------------------------------------


def test_memorising_stops_at_its_target_and_is_deterministic():
    sequences, start = draw(TINY_SIZES, 0).everything, initial(TINY, torch.Generator().manual_seed(1))
    training = Memorising(target=0.7, rate=1e-2, max_steps=300)
    first, second = (memorise(start, sequences, TINY, training) for _ in range(2))
    assert first.probability[-1] >= 0.7 > max(first.probability[:-1])
    assert all(torch.equal(first.parameters[name], second.parameters[name]) for name in start)
    assert not any(p.requires_grad for p in first.parameters.values())


def test_what_is_not_memorised_in_time_is_an_error_that_says_so():
    start = initial(TINY, torch.Generator().manual_seed(1))
    with pytest.raises(UserError, match=r"after 3 steps the mean answer probability per token is 0\.\d+, and 0\.9"):
        memorise(start, draw(TINY_SIZES, 0).everything, TINY, Memorising(target=0.9, rate=1e-3, max_steps=3))


def test_models_are_described_saved_and_loaded(tmp_path):
    split, start = draw(TINY_SIZES, 0), initial(TINY, torch.Generator().manual_seed(1))
    training = Memorising(target=0.7, rate=1e-2, max_steps=300)
    both = [memorise(start, part, TINY, training) for part in (split.everything, split.retain)]
    values = describe(*both, split, TINY).values
    assert values["probability"] >= 0.7
    assert values["retrained_retain_accuracy"] > values["retrained_forget_accuracy"]
    save_models(tmp_path, both[0].parameters, both[1].parameters)
    for saved, model in zip(load_models(tmp_path), both, strict=True):
        assert all(torch.equal(saved[name], p) for name, p in model.parameters.items())


# --- the law --------------------------------------------------------------------------------------------------


def _alone(reference, forget, beta, step, until=4.0, scale=None):
    one = log_probs(CONFIG, forget.pick(0, 1))
    return follow(one, reference, weight_by_drop(beta), step=step, until=until, scale=scale or beta)


@pytest.mark.parametrize("beta", QUICK.law.betas)
def test_one_sequence_alone_is_on_the_curve_and_the_nearer_the_finer_the_steps(reference, forget, beta):
    steps, errors = (0.16, 0.08, 0.04), []
    for step in steps:
        path = _alone(reference, forget, beta, step)
        x, y = beta * path.clock[1:, 0], time_on_curve(beta * path.drop[1:, 0])
        # The proven bounds of one path; the last digits are float64's.
        assert np.all(y >= (1 - step) * x - 1e-9)
        assert np.all(y <= (1 + step) * np.exp(step * (1 + step)) * x + 1e-9)
        errors.append(abs(y[-1] / x[-1] - 1))
    rate = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert rate == pytest.approx(1, abs=0.15)
    assert errors[-1] < 0.8 * steps[-1]


def test_gradient_ascent_alone_drops_by_its_clock(reference, forget):
    steps, errors = (0.16, 0.08, 0.04), []
    for step in steps:
        path = _alone(reference, forget, 0.0, step, until=4.0, scale=0.1)
        drop, clock = path.drop[1:, 0], path.clock[1:, 0]
        assert np.all(np.abs(drop / clock - 1) <= step)
        errors.append(np.abs(drop - clock).max())
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(1, abs=0.15)


def test_npo_alone_takes_the_path_of_gradient_ascent(reference, forget):
    """Both follow the gradient of one log π: the same curve in parameter space, at another speed."""
    apart = []
    for step in (0.04, 0.02):
        ga = _alone(reference, forget, 0.0, step, until=0.5, scale=0.1)
        npo = _alone(reference, forget, 0.5, 5 * step, until=2.5)
        gap, length = (
            sum(float((ga.parameters[name] - other[name]).square().sum()) for name in reference)
            for other in (npo.parameters, reference)
        )
        apart.append(math.sqrt(gap / length))
    assert apart[0] < 0.15
    assert apart[1] < 0.65 * apart[0]


def test_a_set_is_on_the_curve_once_its_remainder_is_added(reference, forget):
    beta, errors = 0.5, []
    for step in (0.1, 0.05):
        path = follow(log_probs(CONFIG, forget), reference, weight_by_drop(beta), step=step, until=4.0, scale=beta)
        drop, clock, remainder = (beta * x[-1] for x in (path.drop, path.clock, path.remainder))
        errors.append(np.abs(time_on_curve(drop) / (clock + remainder) - 1).max())
        # Without the remainder it is far off: the identity is not met by there being nothing to add.
        assert np.abs(drop - curve(clock)).max() > 3 * np.abs(drop - curve(clock + remainder)).max()
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.1


def test_constant_small_steps_on_the_objective_reach_the_same_drop_at_the_same_time():
    beta, steps, start = 0.5, 150, _tiny()
    function = log_probs(TINY, draw(TINY_SIZES, 0).forget)
    path = follow(function, start, weight_by_drop(beta), step=0.03, until=2.0, scale=beta)
    theta = {name: p.clone().requires_grad_() for name, p in start.items()}
    ref_logp, objective = function(start), method("NPO", beta=beta)
    for _ in range(steps):
        loss = objective({"logp": function(theta), "ref_logp": ref_logp}).total
        gradient = torch.autograd.grad(loss, list(theta.values()))
        with torch.no_grad():
            for p, g in zip(theta.values(), gradient, strict=True):
                p -= path.time[-1] / steps * g
    drop = (ref_logp - function(theta)).detach().numpy()
    assert drop == pytest.approx(path.drop[-1], rel=0.01)
