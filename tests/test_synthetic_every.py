"""Every method of the table in both rooms, from its row alone: as autograd has it, together as alone, by no name."""

import ast
import re
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import UserError
from synthetic.logistic import problem_from_arrays, unlearn
from synthetic.logistic.gaussians import draw
from synthetic.logistic.quantities import FURTHER, other_classes
from synthetic.logistic.slopes import with_exact_kl
from synthetic.logistic.softmax import draw_classes, softmax_problem_from_arrays, unlearn_softmax
from synthetic.transformer import reinforced, sequences
from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.model import Config, answer_logits, cast, hidden, initial, log_probs
from theory.kernel import per_token
from theory.logprobs import answer_rows
from theory.methods import FORGET
from theory.objective import EVERY, METHODS, compose, defaults, kernels, method, takes

BETA = 0.7
NEW = {name for name in FORGET if not any(known.split("+")[0] == name for known in METHODS)}
CROSSED = [[name for name in EVERY if name in (loss, f"{loss}+RT", f"{loss}+KL")] for loss in FORGET]
IN_TURN = {names[k % len(names)] for k, names in enumerate(CROSSED) if names} | set(METHODS)
SIZES = {"n_forget": 12, "n_retain": 20, "n_eval": 10, "features": 8, "d": 4}


def _each(names):
    """Every loss with one of its retain terms, in turn, and the paper's methods; the rest in the integration tier."""
    return [name if name in IN_TURN else pytest.param(name, marks=pytest.mark.integration) for name in names]


def _objective(name, **hyperparameters):
    needs_beta = takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name)
    return method(name, **({"beta": BETA} if needs_beta else {}), **hyperparameters)


def _of_states(name):
    objective = _objective(name)
    return "hidden" in objective.forget_needs | objective.retain_needs


# --- the logistic room ----------------------------------------------------------------------------------------------


def _answers(z, z_ref, labels):
    """The quantities of answers that are classes, from the logits (rows, K) of the model and of the reference."""
    rows = torch.arange(len(z))
    found = {"logits": z, "ref_logits": z_ref, "labels": labels[""], "example": rows, "position": 0 * rows}
    for kind, y in labels.items():
        found[f"logp{kind}"], found[f"ref_logp{kind}"] = z.log_softmax(1)[rows, y], z_ref.log_softmax(1)[rows, y]
        found[f"count{kind}"] = torch.ones_like(rows)
    found["mean_prob"] = found["logp"].exp()
    if "_win" in labels:
        found |= {"mean_prob_win": found["logp_win"].exp(), "logp_win_after": found["logp_win"]}
    return found | {"token_logp": found["logp"], "ref_token_logp": found["ref_logp"]}


def _further(theta, H, y, *, two):
    """θ after as many steps of plain descent on the sum of the forget rows' NLL."""
    for _ in range(FURTHER):
        theta = theta.detach().requires_grad_()
        (slope,) = torch.autograd.grad(-(H @ theta.T).log_softmax(1)[torch.arange(len(y)), y].sum(), theta)
        slope[0] *= not two
        theta = theta - slope / torch.linalg.matrix_norm(H, 2) ** 2
    return theta.detach()


def _by_autograd(problem, alternate, retain_alternate, objective, lr, steps):
    """θ (K, N) after 0, 1, … steps of plain descent on the objective itself."""
    ref = torch.tensor(problem.theta_ref)
    ref = torch.stack([torch.zeros_like(ref), ref]) if ref.ndim == 1 else ref
    H, K = torch.tensor(problem.H_forget), torch.tensor(problem.H_retain)
    kinds = {"": problem.y_forget, "_win": problem.y_idk, "_alternate": alternate}
    forget = {kind: torch.tensor(y).long() for kind, y in kinds.items()}
    retain = {kind: torch.tensor(y).long() for kind, y in {"": problem.y_retain, "_win": retain_alternate}.items()}
    two = problem.theta_ref.ndim == 1
    theta, bound, found = ref.clone().requires_grad_(), None, [ref]
    stronger = {}
    if "reinforced_logits" in objective.forget_needs:
        stronger["reinforced_logits"] = H @ _further(ref, H, forget[""], two=two).T
    for step in range(steps):
        given_ = stronger | _answers(H @ theta.T, H @ ref.T, forget)
        if "kl_to_ref" in with_exact_kl(objective).forget_needs:
            q, r = given_["logits"].log_softmax(1), given_["ref_logits"].log_softmax(1)
            given_["z_ref"] = BETA * (q.exp() * (q - r)).sum(1).mean().detach()
        terms = objective(given_, _answers(K @ theta.T, K @ ref.T, retain))
        (slope,) = torch.autograd.grad(terms.total, theta)
        if dual := objective.dual:
            bound = dual.bound(float(terms.retain.detach())) if bound is None else bound
            weight = objective.retain_weight
            weight = dual.after(weight, float(terms.retain.detach()), bound) if step >= dual.warmup else weight
            objective = replace(objective, retain_weight=weight)
        if two:
            slope[0] = 0  # the logit of class 0 is 0
        theta = (theta - lr * slope).detach().requires_grad_()
        found.append(theta.detach())
    return [one.numpy()[1] if two else one.numpy() for one in found]


@pytest.fixture(scope="module")
def two():
    return problem_from_arrays(**vars(draw(alpha=1.0, seed=1, **SIZES)), fit_steps=300)


@pytest.fixture(scope="module")
def three():
    sample = vars(draw_classes(classes=3, alpha=1.0, seed=1, **SIZES))
    return softmax_problem_from_arrays(classes=3, **sample, fit_steps=300)


@pytest.mark.parametrize("name", _each(name for name in EVERY if not _of_states(name)))
def test_every_method_runs_in_the_logistic_room_as_autograd_has_it(two, three, name):
    objective = _objective(name)
    lr = 0.05 / objective.retain_weight
    for problem, run, *others in (
        (two, unlearn, 1 - two.y_forget, 1 - two.y_retain),
        (three, unlearn_softmax, other_classes(three.y_forget, 3), other_classes(three.y_retain, 3)),
    ):
        path = run(problem, objective, lr=lr, steps=8, every=4)
        thetas = _by_autograd(problem, *others, objective, lr, 8)
        for steps, reference, retrain in zip(path.steps, path.reference_distance, path.parameter_distance, strict=True):
            theta = thetas[int(steps)]
            assert reference == pytest.approx(np.linalg.norm(theta - problem.theta_ref), abs=1e-11)
            assert retrain == pytest.approx(np.linalg.norm(theta - problem.theta_retrain), abs=1e-11)
        assert path.reference_distance[-1] > 1e-4 * lr


@pytest.mark.parametrize("name", [name for name in EVERY if _of_states(name)])
def test_what_is_made_of_hidden_states_is_refused_in_the_logistic_room(two, three, name):
    with pytest.raises(UserError, match=r"it takes hidden.*fixed random features"):
        unlearn(two, _objective(name), lr=0.1, steps=1, every=1)
    with pytest.raises(UserError, match=r"it takes hidden.*fixed random features"):
        unlearn_softmax(three, _objective(name), lr=0.1, steps=1, every=1)


def test_another_class_is_another_one_and_each_of_them_in_turn():
    y = np.arange(3000) % 5
    other = other_classes(y, 5)
    assert not (other == y).any()
    assert all(0.2 < ((other - y) % 5 == k).mean() < 0.3 for k in range(1, 5))
    assert (other_classes(y % 2, 2) == 1 - y % 2).all()


# --- the transformer ------------------------------------------------------------------------------------------------

CONFIG = Config(vocab=7, length=5, width=8, heads=2, layers=2, expansion=2)
SPLITS = [sequences.draw(sequences.Sizes(forget=4, retain=5, prompt=2, answer=3, vocab=7), seed) for seed in range(2)]
MODELS = [cast(initial(CONFIG, torch.Generator().manual_seed(seed)), torch.float64) for seed in range(2)]
GD = partial(torch.optim.SGD, lr=0.01)


def _after(cases, steps=3, **how):
    last = {}

    def observe(label, step, parameters):
        last[label] = {name: p.clone() for name, p in parameters.items()}
        return True

    unlearn_all(CONFIG, cases, at=[0, steps], observe=observe, **how)
    return last


def log_softmax_of_answers(p, part):
    rows = answer_rows(part.labels, CONFIG.vocab)
    return answer_logits(p, part, CONFIG).log_softmax(1)[torch.arange(len(rows.targets)), rows.targets]


@cache
def _reinforced(k):
    """The logits of the k-th model after some steps of Adam on its forget answers."""
    model, forget = MODELS[k], SPLITS[k].forget
    theta = {name: p.clone().requires_grad_() for name, p in model.items()}
    optimiser = torch.optim.Adam(theta.values(), lr=reinforced.LR)
    for _ in range(reinforced.STEPS):
        optimiser.zero_grad()
        (-log_probs(CONFIG, forget)(theta).mean()).backward()
        optimiser.step()
    return answer_logits({name: p.detach() for name, p in theta.items()}, forget, CONFIG)


def _after_half(split):
    """By hand: prompts of 2 tokens, 1 of 3 tokens of the forget answer, 2 of the positive one."""
    tokens = torch.cat([split.forget.tokens[:, :3], split.positive.tokens[:, 2:4]], dim=1)
    return sequences.Sequences(tokens, torch.where(torch.arange(5) < 3, -100, tokens))


def _said(p, parts, layer):
    """The quantities of sequences from one model, one after the other."""
    found = {}
    for kind, part in parts.items():
        found[f"logp{kind}"] = log_probs(CONFIG, part)(p)
        found[f"count{kind}"] = answer_rows(part.labels, CONFIG.vocab).tokens
    rows = answer_rows(parts[""].labels, CONFIG.vocab)
    found["logits"] = answer_logits(p, parts[""], CONFIG)
    found["token_logp"] = found["logits"].log_softmax(1)[torch.arange(len(rows.targets)), rows.targets]
    found["mean_prob"] = found["token_logp"].exp().view(len(rows.tokens), -1).mean(1)
    if "_win" in parts:
        won = log_softmax_of_answers(p, parts["_win"])
        found["mean_prob_win"] = won.exp().view(len(rows.tokens), -1).mean(1)
    found["hidden"] = hidden(p, parts[""], CONFIG, layer).flatten(0, 1)[rows.rows]
    position = torch.cat([torch.arange(n) for n in rows.tokens.tolist()])
    return found, {"labels": rows.targets, "example": rows.example, "position": position}


def _plain_loop(objective, steps=3, layer=1):
    """The obvious way for the first model: autograd, everything but the reference's computed anew."""
    model, split = MODELS[0], SPLITS[0]
    turn = torch.arange(len(split.retain.tokens)) % len(split.positive.tokens)
    said = split.positive.rows(turn)
    refused = said._replace(tokens=torch.cat([split.retain.tokens[:, :2], said.tokens[:, 2:]], dim=1))
    forget = {"": split.forget, "_win": split.positive, "_win_after": _after_half(split), "_alternate": split.alternate}
    sides, bound = (forget, {"": split.retain, "_win": refused}), None
    stronger = {"reinforced_logits": _reinforced(0)}
    theta = {name: p.clone().requires_grad_() for name, p in model.items()}
    optimiser = GD(list(theta.values()))
    with torch.no_grad():
        refs = [_said(model, side, layer)[0] for side in sides]
    for step in range(steps):
        given_ = []
        for side, ref in zip(sides, refs, strict=True):
            own, places = _said(theta, side, layer)
            given_.append(own | places | stronger | {f"ref_{name}": x for name, x in ref.items()})
        if objective.retain and per_token(objective.retain):  # a mean over tokens
            given_[1] = {name: x for name, x in given_[1].items() if name not in ("count", "example")}
        optimiser.zero_grad()
        terms = objective(*given_)
        terms.total.backward()
        optimiser.step()
        if dual := objective.dual:
            bound = dual.bound(float(terms.retain.detach())) if bound is None else bound
            weight = objective.retain_weight
            weight = dual.after(weight, float(terms.retain.detach()), bound) if step >= dual.warmup else weight
            objective = replace(objective, retain_weight=weight)
    return {name: p.detach() for name, p in theta.items()}


def _same(a, b):
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", _each(EVERY))
def test_every_method_runs_in_the_transformer_as_a_plain_loop_has_it(name):
    objective = _objective(name)
    last = _after({"run": Case(objective, GD, MODELS[0], SPLITS[0])})["run"]
    _same(last, _plain_loop(objective))
    assert any(bool((last[key] != MODELS[0][key]).any()) for key in last)


@settings(max_examples=5)
@given(
    names=st.lists(st.sampled_from(EVERY), min_size=2, max_size=3, unique=True),
    batch=st.sampled_from([None, 2]),
    seed=st.integers(0, 99),
)
def test_runs_together_are_those_alone_whatever_they_are(names, batch, seed):
    cases = {
        f"{name}-{k}": Case(_objective(name), GD, MODELS[k], SPLITS[k]) for name in names for k in range(len(MODELS))
    }
    together = _after(cases, 2, batch=batch, seed=seed)
    for label, case in cases.items():
        _same(together[label], _after({label: case}, 2, batch=batch, seed=seed)[label])


def test_states_are_those_after_the_layer_that_is_named():
    def own(hidden, *, layer):
        return hidden.square().sum(dim=1)

    runs = {f"{layer:g}": Case(compose(own, layer=layer), GD, MODELS[0], SPLITS[0]) for layer in (1, 0.5, 2, 0.6)}
    last = _after(runs)
    for one, other in (("1", "0.5"), ("2", "0.6")):
        _same(last[one], last[other])
        _same(last[one], _plain_loop(runs[one].objective, layer=int(one)))
    assert torch.equal(last["1"]["1.mlp.in"], MODELS[0]["1.mlp.in"])  # what comes after has no gradient
    assert not torch.equal(last["2"]["1.mlp.in"], MODELS[0]["1.mlp.in"])
    with pytest.raises(UserError, match=r"layer=3: the transformer has 2 layer\(s\)"):
        _after({"run": Case(compose(own, layer=3), GD, MODELS[0], SPLITS[0])})


def test_answers_of_different_lengths_are_told_where_a_loss_is_made_of_tokens():
    split = SPLITS[0]
    labels = split.forget.labels.clone()
    labels[0, 2] = -100
    shorter = split._replace(forget=sequences.Sequences(split.forget.tokens, labels))
    _after({"run": Case(_objective("GA"), GD, MODELS[0], shorter)})

    def own(token_logp):
        return token_logp

    with pytest.raises(ValueError, match="Answers must be equally long"):
        _after({"run": Case(compose(own), GD, MODELS[0], shorter)})


def test_sequences_without_alternative_answers_are_told():
    def own(logp_alternate):
        return logp_alternate

    bare = sequences.SequenceSplit(*SPLITS[0][:3])
    assert bare.to("cpu").alternate is None
    with pytest.raises(UserError, match="it takes logp_alternate, and these sequences have no such answers"):
        _after({"run": Case(compose(own), GD, MODELS[0], bare)})


# --- no name outside theory -----------------------------------------------------------------------------------------


def _said_in_code(path):
    """The names and the texts of a file's code; what docstrings say is no code."""
    tree = ast.parse(path.read_text(encoding="utf8"))
    told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for field in ("id", "attr", "name", "arg", "module", "value"):
            text = getattr(node, field, None)
            if isinstance(text, str) and node not in told:
                yield text


ENGLISH = {"me", "door"}  # words of sentences, too


def test_no_code_outside_theory_names_a_loss_that_is_a_row_of_its_table():
    known = {kernels(name)[0] for name in METHODS}
    names = {name.lower() for name in NEW} | {row.kernel.__name__ for row in FORGET.values() if row.kernel not in known}
    assert len(NEW) >= 8
    word = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, names))})(?![\w-])", re.IGNORECASE)
    assert word.search("SimNPO+RT")
    root = Path(__file__).parents[1]
    assert any(word.search(text) for text in _said_in_code(root / "theory" / "methods.py"))
    found = {
        f"{path.relative_to(root)}: {text}"
        for package in ("npo", "scale", "synthetic", "figures", "records")
        for path in (root / package).rglob("*.py")
        for text in _said_in_code(path)
        if {one.lower() for one in word.findall(text)} - (ENGLISH if " " in text else set())
    }
    assert not found
