"""Objectives as values: the table of methods, reductions, what is asked for, and refusals."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from theory import losses, retain
from theory.objective import (
    EVERY,
    METHODS,
    Objective,
    bind,
    compose,
    examples,
    gradient_weights,
    method,
    needs,
    takes,
    tokens,
    z_ref_from_kl,
)


def _beta(name: str) -> dict[str, float]:
    return {} if name.startswith(("GA", "IDK")) else {"beta": 0.3}


def _forget(n: int = 4, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    names = ("logp", "ref_logp", "logp_win", "ref_logp_win")
    given = {name: -10 * torch.rand(n, generator=generator, dtype=torch.float64) for name in names}
    return given | {"count": torch.arange(1, n + 1), "count_win": torch.full((n,), 2)}


def _retain(n: int = 5, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, n, 3, generator=generator, dtype=torch.float64)
    return {"logp": logits[0].log_softmax(-1)[:, 0], "ref_logits": logits[0], "logits": logits[1]}


def test_there_are_the_twelve_methods_of_the_paper() -> None:
    assert (
        *("GA", "GA+RT", "GA+KL", "IDK+RT", "DPO", "DPO+RT", "DPO+KL"),
        *("KTO", "KTO+RT", "NPO", "NPO+RT", "NPO+KL"),
    ) == METHODS
    assert set(METHODS) <= set(EVERY)


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_the_sum_of_its_terms(name: str) -> None:
    objective = method(
        name.lower(), forget_weight=2.0, **({"retain_weight": 3.0} if "+" in name else {}), **_beta(name)
    )
    forget, kept = _forget(), _retain()
    terms = objective(forget, kept)
    given = objective.with_z_ref(forget)
    names = {"logp_lose": "logp", "ref_logp_lose": "ref_logp"}
    value = objective.forget(**{k: given[names.get(k, k)] for k in needs(objective.forget)}).mean()
    expected = 2 * value
    if objective.retain is not None:
        expected = expected + 3 * objective.retain(**{k: kept[k] for k in needs(objective.retain)}).mean()
    torch.testing.assert_close(terms.total, expected)
    assert objective.forget_needs <= set(forget)
    assert objective.retain_needs <= set(kept)


def test_reductions_differ_by_the_number_of_tokens() -> None:
    forget = _forget()
    per_example = Objective(losses.ga, forget_per=examples)(forget).total
    per_token = Objective(losses.ga, forget_per=tokens)(forget).total
    torch.testing.assert_close(per_example, forget["logp"].mean())
    torch.testing.assert_close(per_token, forget["logp"].sum() / 10)
    idk = Objective(losses.idk, forget_per=tokens)(forget).total
    torch.testing.assert_close(idk, -forget["logp_win"].sum() / 8)  # counts the tokens of the positive answer


@given(cut=st.integers(1, 3), name=st.sampled_from(["GA+RT", "NPO+RT", "DPO+RT", "NPO+KL"]))
def test_a_batch_is_the_sum_of_its_pieces(cut: int, name: str) -> None:
    objective = method(name, **_beta(name))
    forget, kept = _forget(), _retain(4)
    n = examples(forget["count"])
    pieces = [
        objective(
            {k: x[part] for k, x in forget.items()},
            {k: x[part] for k, x in kept.items()},
            forget_denominator=n,
            retain_denominator=n,
        ).total
        for part in (slice(0, cut), slice(cut, None))
    ]
    torch.testing.assert_close(pieces[0] + pieces[1], objective(forget, kept).total)


def test_z_ref_is_estimated_clamped_and_reported_unclamped() -> None:
    objective, forget = method("KTO", beta=0.5), _forget()
    forget["logp_win"] = forget["ref_logp_win"] - 1.0
    terms = objective(forget)
    assert terms.z_ref is not None
    torch.testing.assert_close(terms.z_ref, torch.tensor(-0.5, dtype=torch.float64))
    torch.testing.assert_close(terms.total, method("NPO", beta=0.5)(forget).total)  # clamped at 0, KTO is NPO
    forget["logp_win"] = forget["ref_logp_win"] + 2.0
    expected = losses.kto(forget["logp"], forget["ref_logp"], 1.0, beta=0.5).mean()
    torch.testing.assert_close(objective(forget).total, expected)


def test_z_ref_carries_no_gradient() -> None:
    forget = _forget()
    forget["logp_win"] = (forget["ref_logp_win"] + 2.0).requires_grad_()
    forget["logp"] = forget["logp"].requires_grad_()
    total = method("KTO", beta=0.5)(forget).total
    assert torch.autograd.grad(total, forget["logp_win"], allow_unused=True, retain_graph=True)[0] is None
    assert torch.autograd.grad(total, forget["logp"])[0].abs().sum() > 0


def test_z_ref_from_exact_kl() -> None:
    assert z_ref_from_kl(torch.tensor([1.0, 3.0]), beta=0.5) == 1.0
    objective = Objective(partial(losses.kto, beta=0.5), z_ref=partial(z_ref_from_kl, beta=0.5))
    assert objective.forget_needs == {"logp", "ref_logp", "kl_to_ref"}


def _own(logp: Tensor, ref_logp: Tensor, *, gamma: float = 2.0) -> Tensor:
    return torch.nn.functional.relu(logp - ref_logp + gamma) ** 2


def test_ones_own_kernel_runs_by_autograd() -> None:
    objective = compose(_own, losses.nll, gamma=3.0)
    forget = _forget()
    weight = gradient_weights(objective.forget, forget)
    torch.testing.assert_close(weight["logp"], 2 * torch.relu(forget["logp"] - forget["ref_logp"] + 3.0))
    assert objective(forget, _retain()).total.isfinite()
    assert takes(_own) == {"gamma": False}


def test_kl_gradient_stands_beside_its_kernel() -> None:
    kept = _retain()
    found = gradient_weights(retain.kl, kept)
    torch.testing.assert_close(found["logits"], kept["logits"].softmax(-1) - kept["ref_logits"].softmax(-1))


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("NPQ", {}, "Unknown method 'NPQ'. Did you mean NPO"),
        ("GA", {"beta": 1.0}, "ga takes no hyperparameter beta"),
        ("NPO", {}, "npo needs beta"),
        ("NPO", {"beta": 0.0}, "beta of npo must be a positive number, got 0"),
        ("NPO", {"beta": math.inf}, "must be a positive number"),
        ("NPO", {"gamma": 1.0}, "takes no hyperparameter gamma \\(it takes beta\\). npo needs beta"),
        ("NPO", {"beta": 1.0, "retain_weight": 5.0}, "no retain term"),
        ("NPO+RT", {"beta": 1.0, "retain_weight": -1.0}, "retain_weight must be a number"),
    ],
)
def test_refusals(name: str, given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method(name, **given)


def test_missing_quantities_are_named() -> None:
    with pytest.raises(ValueError, match="needs \\['ref_logp'\\]"):
        method("NPO", beta=1.0)({"logp": torch.zeros(1)})


def _averaging(logp: Tensor) -> Tensor:
    return logp.mean()


def _listing(logp: Tensor) -> list[float]:
    return logp.tolist()


@pytest.mark.parametrize("kernel", [_averaging, _listing])
def test_a_kernel_that_averages_by_itself_is_refused(kernel: Callable[..., Tensor]) -> None:
    for use in (lambda: Objective(kernel)(_forget()), lambda: gradient_weights(kernel, _forget())):
        with pytest.raises(ValueError, match="must return one value an example"):
            use()


def test_only_beta_must_be_positive() -> None:
    assert bind(_own, gamma=-1.0) is not None
    with pytest.raises(ValueError, match="gamma of _own must be a finite number"):
        bind(_own, gamma=math.nan)
