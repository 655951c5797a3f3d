"""Unlearning many transformers at once: as each alone, as a plain loop, and a run that ends disturbs no other."""

from functools import partial

import pytest
import torch

from synthetic.transformer.apart import takes_runs_together
from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.model import Config, answer_logits, cast, initial, log_probs
from synthetic.transformer.sequences import Sizes, draw
from theory.objective import METHODS, compose, method
from theory.optimizers.named import made

SIZES = Sizes(forget=4, retain=5, prompt=2, answer=3, vocab=7)
CONFIG = Config(vocab=7, length=5, width=8, heads=2, layers=1, expansion=2)
SPLITS = [draw(SIZES, seed) for seed in range(3)]
OPTIMISERS = {
    "GD": partial(torch.optim.SGD, lr=0.05),
    "momentum": partial(torch.optim.SGD, lr=0.02, momentum=0.9),
    "Adam": partial(torch.optim.Adam, lr=1e-2),
    "AdamW": partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.1),
    "AMSGrad": partial(torch.optim.Adam, lr=1e-2, amsgrad=True),
    "SignDescent": partial(made, "SignDescent", lr=1e-2),
    "Sophia": partial(made, "Sophia", lr=1e-2),
    "Adafactor": partial(torch.optim.Adafactor, lr=1e-2),
    "SAM": partial(made, "SAM", lr=1e-2, rho=0.3, base="SGD"),
}
BETAS = {name: {} if name.startswith(("GA", "IDK")) else {"beta": 0.5} for name in METHODS}


def _model(seed):
    return cast(initial(CONFIG, torch.Generator().manual_seed(seed)), torch.float64)


def _ends(cases, at=(0, 6), **how):
    """The last parameters of each run, and the steps at which it was looked at."""
    last, seen = {}, {}

    def observe(label, step, parameters):
        last[label] = {name: p.clone() for name, p in parameters.items()}
        seen.setdefault(label, []).append(step)
        return True

    unlearn_all(CONFIG, cases, at=at, observe=observe, **how)
    return last, seen


def _same(a, b):
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-9, atol=1e-11)


def _plain_loop(objective, optimiser, model, split, steps):
    """The obvious way: one model, autograd, everything computed anew."""
    theta = {name: p.clone().requires_grad_() for name, p in model.items()}
    taken = optimiser(list(theta.values()))

    def quantities(p):
        forget = {"logp": log_probs(CONFIG, split.forget)(p), "logp_win": log_probs(CONFIG, split.positive)(p)}
        logits = answer_logits(p, split.retain, CONFIG)
        return forget, {"logp": log_probs(CONFIG, split.retain)(p), "logits": logits}

    with torch.no_grad():
        reference = [{f"ref_{name}": x for name, x in side.items()} for side in quantities(model)]
    for _ in range(steps):
        forget, retain = quantities(theta)
        if objective.retain and "logits" in objective.retain_needs:
            retain.pop("logp")
        taken.zero_grad()
        objective(forget | reference[0], retain | reference[1]).total.backward()
        taken.step()
    return {name: p.detach() for name, p in theta.items()}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_that_of_a_plain_loop(name):
    objective, optimiser = method(name, **BETAS[name]), OPTIMISERS["GD"]
    model, split = _model(0), SPLITS[0]
    last, _ = _ends({"run": Case(objective, optimiser, model, split)})
    _same(last["run"], _plain_loop(objective, optimiser, model, split, 6))


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("batch", [None, 3])
def test_runs_together_are_those_alone(name, batch):
    optimiser = OPTIMISERS[name]
    cases = {
        f"{objective}-{seed}": Case(method(objective, **BETAS[objective]), optimiser, _model(seed), SPLITS[seed])
        for objective in ("GA+RT", "NPO+RT")
        for seed in range(3)
    }
    together, _ = _ends(cases, batch=batch)
    for label in ("GA+RT-1", "NPO+RT-2"):
        alone, _ = _ends({label: cases[label]}, batch=batch)
        _same(together[label], alone[label])
    assert any(bool((together["GA+RT-1"][n] != together["NPO+RT-1"][n]).any()) for n in together["GA+RT-1"])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_that_ends_leaves_the_others_as_they_were(name):
    cases = {str(seed): Case(method("GA"), OPTIMISERS[name], _model(seed), SPLITS[seed]) for seed in range(3)}
    whole, _ = _ends(cases, at=(0, 3, 8))
    last, seen = {}, {}

    def observe(label, step, parameters):
        last[label] = {name: p.clone() for name, p in parameters.items()}
        seen.setdefault(label, []).append(step)
        return not (label == "1" and step == 3)

    unlearn_all(CONFIG, cases, at=(0, 3, 8), observe=observe)
    assert seen == {"0": [0, 3, 8], "1": [0, 3], "2": [0, 3, 8]}
    for label in ("0", "2"):
        _same(last[label], whole[label])


def test_a_diverged_run_does_not_spoil_its_neighbours():
    good = Case(method("NPO", beta=1.0), OPTIMISERS["GD"], _model(0), SPLITS[0])
    broken = {name: p * float("nan") for name, p in _model(1).items()}
    bad = Case(method("NPO", beta=1.0), OPTIMISERS["GD"], broken, SPLITS[1])
    together, _ = _ends({"good": good, "bad": bad})
    alone, _ = _ends({"good": good})
    _same(together["good"], alone["good"])
    assert all(bool(p.isnan().all()) for p in together["bad"].values())


def test_minibatches_are_decided_by_their_seed_and_no_global_state_moves():
    before = torch.get_rng_state()
    case = {"run": Case(method("NPO+KL", beta=0.5), OPTIMISERS["Adam"], _model(0), SPLITS[0])}
    first, second, other = (_ends(case, batch=2, seed=seed)[0]["run"] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(bool((first[name] != other[name]).any()) for name in first)


def test_a_minibatch_of_every_row_is_the_full_batch_without_retain_data():
    case = {"run": Case(method("NPO", beta=0.5), OPTIMISERS["GD"], _model(0), SPLITS[0])}
    _same(_ends(case)[0]["run"], _ends(case, batch=SIZES.forget)[0]["run"])


def test_a_loss_of_ones_own_runs_beside_the_paper_s():
    def square(logp, ref_logp):
        return (logp - ref_logp + 1.0).square()

    objective = compose(square)
    last, _ = _ends({"own": Case(objective, OPTIMISERS["GD"], _model(0), SPLITS[0])})
    _same(last["own"], _plain_loop(objective, OPTIMISERS["GD"], _model(0), SPLITS[0], 6))


def test_progress_counts_the_steps_of_all_groups():
    told = []
    cases = {
        name: Case(method(name, **BETAS[name]), OPTIMISERS["GD"], _model(0), SPLITS[0]) for name in ("GA", "GA+RT")
    }
    _ends(cases, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# --- optimisers that look at more than each number ----------------------------------------------------------------


def test_who_would_mix_runs_is_found_out_by_trying() -> None:
    together = {name for name, optimiser in OPTIMISERS.items() if takes_runs_together(optimiser)}
    assert set(OPTIMISERS) - together == {"SAM", "Adafactor"}


def test_sam_in_a_transformer_is_put_together_by_hand() -> None:
    """Its forget gradient at θ + ε, its retain gradient at θ; ε of the run's own norm, beside other runs."""
    rho, lr, objective = 0.3, 0.1, method("NPO+RT", beta=0.5, retain_weight=2.0, forget_weight=0.7)
    sam = partial(made, "SAM", lr=lr, rho=rho, base="SGD")
    last, _ = _ends({str(seed): Case(objective, sam, _model(seed), SPLITS[seed]) for seed in range(2)}, at=(0, 1))
    for seed in range(2):
        model, split = _model(seed), SPLITS[seed]
        reference = log_probs(CONFIG, split.forget)(model)

        def gradient(theta, term, split=split, reference=reference):
            theta = {name: p.clone().requires_grad_() for name, p in theta.items()}
            forget = {"logp": log_probs(CONFIG, split.forget)(theta), "ref_logp": reference}
            terms = objective(forget, {"logp": log_probs(CONFIG, split.retain)(theta)})
            weighed = {"forget": 0.7 * terms.forget, "retain": 2.0 * terms.retain}[term]
            return dict(zip(theta, torch.autograd.grad(weighed, list(theta.values())), strict=True))

        first = gradient(model, "forget")
        norm = torch.cat([g.flatten() for g in first.values()]).norm()
        there = gradient({name: p + rho * first[name] / norm for name, p in model.items()}, "forget")
        here = gradient(model, "retain")
        _same(last[str(seed)], {name: p - lr * (there[name] + here[name]) for name, p in model.items()})
