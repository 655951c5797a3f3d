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
from theory.kernel import gather, missing, moves, plain_name, unknown_quantities
from theory.methods import FORGET, spelled
from theory.objective import (
    EVERY,
    METHODS,
    Objective,
    bind,
    compose,
    defaults,
    examples,
    gradient_weights,
    kernels,
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


TOKENS = torch.tensor([0, 0, 1, 2, 2, 2])  # whose each token is


def _tokens(n: int = 3, seed: int = 2) -> dict[str, Tensor]:
    """Quantities of all levels of so many answers, of 2, 1 and 3 tokens."""
    generator = torch.Generator().manual_seed(seed)
    wide = {
        name: torch.randn(len(TOKENS), 5, generator=generator, dtype=torch.float64)
        for name in ("logits", "ref_logits", "hidden", "ref_hidden", "reinforced_logits")
    }
    labels = torch.tensor([0, 4, 1, 3, 2, 2])
    one = {
        f"{kind}token_logp": wide[f"{kind}logits"].log_softmax(1).gather(1, labels[:, None])[:, 0]
        for kind in ("", "ref_")
    }
    per_example = {
        f"{kind}logp": torch.zeros(n, dtype=torch.float64).index_add(0, TOKENS, one[f"{kind}token_logp"])
        for kind in ("", "ref_")
    }
    given = {name: -torch.rand(n, generator=generator, dtype=torch.float64) for name in ("logp_win", "logp_alternate")}
    given |= {f"ref_{name}": x - 0.3 for name, x in given.items()}
    given |= {"logp_win_after": given["logp_win"] - 0.1, "mean_prob": torch.tensor([0.3, 0.8, 0.5]).double()}
    given |= {"mean_prob_win": given["mean_prob"] / 2}
    indices = {"example": TOKENS, "position": torch.tensor([0, 1, 0, 0, 1, 2]), "labels": labels}
    counts = {
        "count": torch.tensor([2, 1, 3]),
        "count_win": torch.full((n,), 2),
        "count_alternate": torch.full((n,), 3),
    }
    return wide | one | per_example | given | indices | counts


def _ones_beta(name: str) -> dict[str, float]:
    return {"beta": 0.3} if takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name) else {}


def test_every_loss_is_there_alone_and_with_each_retain_term() -> None:
    for name in ("SimNPO", "WGA", "TNPO", "SatImp", "CE-U", "UNDIAL", "AltPO", "RMU", "IDK", "NPO"):
        assert {name, f"{name}+RT", f"{name}+KL"} <= set(EVERY)
    assert len(set(EVERY)) == len(EVERY) == 3 * len(FORGET)
    assert all(spelled(name.lower()) == name for name in EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_each_method_is_made_from_its_row_alone_and_descends(name: str) -> None:
    """Its value is that of its kernels, and its gradient flows to what they say that it does."""
    objective = method(name.upper(), **_ones_beta(name))
    given, kept = _tokens(), _tokens(seed=3)
    own = {plain_name(k) for k in needs(objective.forget)}
    moving = {k: x.requires_grad_() for k, x in given.items() if k in own and moves(k)}
    terms = objective(given, kept)
    assert terms.total.isfinite()
    assert all(slope.abs().sum() > 0 for slope in torch.autograd.grad(terms.total, list(moving.values())))
    assert (terms.retain is None) == (objective.retain is None)
    values = objective.forget(**gather(objective.forget, objective.with_z_ref(given)))
    per = 6 if objective.forget_per is tokens else 3
    torch.testing.assert_close(terms.forget, values.sum() / per)


def test_a_loss_comes_with_what_its_paper_chose_and_what_is_said_goes_before() -> None:
    assert method("simnpo").hyperparameters == {"beta": 4.5, "gamma": 0.0} == defaults("SimNPO")
    assert method("simnpo", beta=2.5).hyperparameters == {"beta": 2.5, "gamma": 0.0}
    assert method("GA").hyperparameters == defaults("NPO+KL") == {}
    assert method("SimNPO+RT").retain_weight == 8
    assert method("SimNPO+RT", retain_weight=1.0).retain_weight == 1
    assert method("SimNPO").retain_weight == method("NPO+RT", beta=1.0).retain_weight == 1
    assert method("WGA+RT").forget_per is method("WGA+RT").retain_per is tokens
    assert (method("SimNPO+RT").forget_per, method("SimNPO+RT").retain_per) == (examples, tokens)
    assert method("NPO+RT", beta=1.0).retain_per is examples


def test_rmu_has_a_retain_term_of_its_own_in_the_same_layer() -> None:
    own = method("RMU", layer=3)
    assert own.hyperparameters == {"layer": 3, "c": 6.5}
    assert own.retain_needs == {"hidden", "ref_hidden"}
    assert own.retain_weight == 1200
    assert isinstance(own.retain, partial)
    assert own.retain.keywords == {"layer": 3}
    alone = method("RMU", retain_weight=0.0)
    assert (alone.retain, alone.retain_weight) == (None, 1)
    assert method("RMU+RT").retain is losses.nll
    assert method("RMU+RT").retain_weight == 1


def test_hyperparameters_go_to_whichever_kernel_takes_them() -> None:
    def steep(logp: Tensor, *, power: float) -> Tensor:
        return -logp * power

    objective = compose(_own, steep, gamma=3.0, power=2.0)
    assert objective.hyperparameters == {"gamma": 3.0, "power": 2.0}
    with pytest.raises(ValueError, match="steep needs power"):
        compose(_own, steep, gamma=3.0)
    with pytest.raises(ValueError, match=r"_own takes no hyperparameter powr \(it takes gamma\)"):
        compose(_own, steep, powr=3.0, power=1.0)


def test_counts_are_of_the_tokens_where_they_are_not_given() -> None:
    given = {name: x for name, x in _tokens().items() if name in ("token_logp", "example")}
    per_example = Objective(partial(losses.wga, beta=1.0))(given).total
    torch.testing.assert_close(per_example, losses.wga(given["token_logp"], beta=1.0).sum() / 3)
    del given["example"]  # then a token is an answer
    torch.testing.assert_close(Objective(partial(losses.wga, beta=1.0))(given).total, per_example / 2)


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
        ("SimPO", {}, "Did you mean SimNPO"),
        (
            "SimNPO",
            {"gama": 1.0},
            r"simnpo takes no hyperparameter gama \(it takes beta, gamma\). Did you mean gamma",
        ),
        ("SimNPO", {"gamma": math.nan}, "gamma of simnpo must be a finite number, got nan"),
        ("SatImp", {"beta1": -1.0, "beta2": math.inf}, "beta1 of satimp must be a number ≥ 0.*beta2 of satimp must be"),
        ("RMU", {"layer": 1.5}, "layer of rmu must be a whole number of blocks, or a share of them below 1, got 1.5"),
        ("RMU", {"layer": 0, "c": 0.0}, "layer of rmu must be.*c of rmu must be a positive number, got 0"),
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


def _without_gradient(logp: Tensor) -> Tensor:
    return logp.detach().exp()


def _wrong_rows(token_logp: Tensor, example: Tensor) -> Tensor:
    return torch.zeros(3, dtype=token_logp.dtype).index_add(0, example, token_logp)


def test_a_loss_that_cannot_be_one_is_told_by_its_name() -> None:
    with pytest.raises(ValueError, match="_without_gradient returns values without a gradient"):
        Objective(_without_gradient)({"logp": torch.zeros(2, requires_grad=True)})
    with pytest.raises(ValueError, match=r"_wrong_rows must return one value a token, a tensor of shape \(6,\)"):
        Objective(_wrong_rows)(_tokens())


def test_a_quantity_that_is_not_there_is_named_with_the_nearest() -> None:
    def misspelt(logp: Tensor, ref_lopg: Tensor, entropy: Tensor) -> Tensor:
        return logp

    said = unknown_quantities(misspelt)
    assert "ref_lopg: did you mean ref_logp?" in said
    assert "entropy: there are logp, " in said
    assert unknown_quantities(losses.undial) == ""
    assert (
        missing(losses.undial, {"logits", "labels"}, "this room")
        == "undial takes ref_logits, which this room does not have."
    )
    assert missing(losses.dpo, {"logp", "ref_logp", "logp_win", "ref_logp_win"}, "this room") == ""


def test_ones_own_hyperparameter_may_be_called_as_one_likes() -> None:
    """The domain is in the annotation of a kernel, not in the name; β, a prefactor and a layer are alike everywhere."""

    def mine(logp: Tensor, *, c: float, beta: float) -> Tensor:
        return c * beta * logp

    assert bind(mine, c=-1.0, beta=1.0) is not None
    with pytest.raises(ValueError, match="beta of mine must be a positive number, got -1"):
        bind(mine, c=-1.0, beta=-1.0)


def test_only_beta_must_be_positive() -> None:
    assert bind(_own, gamma=-1.0) is not None
    with pytest.raises(ValueError, match="gamma of _own must be a finite number"):
        bind(_own, gamma=math.nan)
