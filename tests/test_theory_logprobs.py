"""Log-probabilities of answers: the shift, the mask, every form against loops, errors that name the example."""

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import linear

from theory import losses
from theory.logprobs import (
    IGNORE,
    Head,
    answer_positions,
    answer_rows,
    from_logits,
    from_margins,
    summed,
    token_logprobs,
    token_logprobs_from_logits,
)
from theory.objective import compose, examples, gradient_weights, tokens

SEEDS = st.integers(0, 10**6)
FEWER = settings(max_examples=max(8, settings.default.max_examples // 2))  # each is tried on several cases
BUDGETS = st.sampled_from([0, 100, 200, 300, 1000, 2**28])  # of 11 float64 logits each: 1, 1, 2, 3, 11 rows, all


def _batch(
    seed: int, batch: int = 3, time: int = 6, hidden: int = 5, vocab: int = 11, bias: bool = True
) -> tuple[torch.Tensor, Head, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(batch, time, hidden, generator=generator, dtype=torch.float64)
    weight = torch.randn(vocab, hidden, generator=generator, dtype=torch.float64)
    head = Head(weight, torch.randn(vocab, generator=generator, dtype=torch.float64) if bias else None)
    labels = torch.randint(vocab, (batch, time), generator=generator)
    masked = torch.rand(batch, time, generator=generator) < 0.5
    masked[:, -1] = False
    return h, head, torch.where(masked, IGNORE, labels)


def _plain(hidden: torch.Tensor, head: Head) -> torch.Tensor:
    """The logits of a head as its definition says."""
    z = linear(hidden, head.weight, head.bias)
    return z if head.softcap is None else head.softcap * torch.tanh(z / head.softcap)


def _leaves(hidden: torch.Tensor, head: Head, *, frozen: bool = False) -> tuple[torch.Tensor, Head, list[torch.Tensor]]:
    """Fresh copies, and those among them that want a gradient."""
    h, weight = hidden.clone().requires_grad_(), head.weight.clone().requires_grad_(not frozen)
    bias = None if head.bias is None else head.bias.clone().requires_grad_(not frozen)
    return h, Head(weight, bias, head.softcap), [x for x in (h, weight, bias) if x is not None and x.requires_grad]


def _slowly(logits: torch.Tensor, labels: torch.Tensor) -> tuple[list[float], list[int]]:
    """The formula as loops."""
    sums, counts = [], []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total, count = 0.0, 0
        for t in range(len(label) - 1):
            if label[t + 1] != IGNORE:
                total += row[t][label[t + 1]] - math.log(sum(math.exp(z) for z in row[t]))
                count += 1
        sums.append(total)
        counts.append(count)
    return sums, counts


@given(seed=SEEDS, bias=st.booleans(), softcap=st.sampled_from([None, 2.0]), budget=BUDGETS)
def test_every_form_agrees_with_loops(seed: int, bias: bool, softcap: float | None, budget: int) -> None:
    hidden, head, labels = _batch(seed, bias=bias)
    head = head._replace(softcap=softcap)
    logits = _plain(hidden, head)
    slow, counts = _slowly(logits, labels)
    expected = torch.tensor(slow, dtype=torch.float64)
    by_token = token_logprobs(hidden, head, labels, budget=budget)
    for ours, theirs in zip(by_token, token_logprobs_from_logits(logits, labels), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)  # log-probabilities, whose they are, how many
    assert torch.bincount(by_token.example).tolist() == by_token.tokens.tolist() == counts
    for found in (
        summed(hidden, head, labels, budget=budget),
        summed(hidden, head, labels, torch.ones_like, budget=budget),
        from_logits(logits, labels),
    ):
        torch.testing.assert_close(found.logp, expected, rtol=1e-12, atol=1e-12)
        assert found.tokens.tolist() == counts


@given(seed=SEEDS, bias=st.booleans(), softcap=st.sampled_from([None, 2.0]), frozen=st.booleans(), budget=BUDGETS)
def test_gradients_in_chunks_are_those_of_autograd(
    seed: int, bias: bool, softcap: float | None, frozen: bool, budget: int
) -> None:
    """Any loss of the single tokens: the head frozen, or recomputed in the backward pass."""
    hidden, head, labels = _batch(seed, bias=bias)
    head = head._replace(softcap=softcap)
    mine, my_head, my_leaves = _leaves(hidden, head, frozen=frozen)
    theirs, their_head, their_leaves = _leaves(hidden, head, frozen=frozen)
    by_chunk = token_logprobs(mine, my_head, labels, budget=budget)
    at_once = token_logprobs_from_logits(_plain(theirs, their_head), labels)
    for loss in (torch.sin, torch.square):  # a second backward pass through what is left of the first
        found = torch.autograd.grad(loss(by_chunk.logp).sum(), my_leaves, retain_graph=True)
        expected = torch.autograd.grad(loss(at_once.logp).sum(), their_leaves, retain_graph=True)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


OBJECTIVES: dict[str, Any] = {
    "NPO": partial(losses.npo, beta=0.7),
    "NPO, large β": partial(losses.npo, beta=50.0),
    "GA": losses.ga,
    "NLL": losses.nll,
}


@pytest.mark.parametrize("kernel", OBJECTIVES.values(), ids=list(OBJECTIVES))
@pytest.mark.parametrize("per", [examples, tokens])
@FEWER
@given(seed=SEEDS, budget=BUDGETS, forget_weight=st.sampled_from([1.0, 0.3, 0.0]), frozen=st.booleans())
def test_the_gradient_made_in_the_forward_pass_is_that_of_the_objective(
    kernel: Callable[..., torch.Tensor],
    per: Callable[[torch.Tensor], torch.Tensor],
    seed: int,
    budget: int,
    forget_weight: float,
    frozen: bool,
) -> None:
    hidden, head, labels = _batch(seed)
    reference = from_logits(_plain(1.1 * hidden, head), labels).logp
    base = compose(kernel, forget_weight=forget_weight)
    objective = type(base)(base.forget, forget_weight=forget_weight, forget_per=per)

    def weight(logp: torch.Tensor) -> torch.Tensor:
        return gradient_weights(kernel, {"logp": logp, "ref_logp": reference})["logp"]

    mine, my_head, my_leaves = _leaves(hidden, head, frozen=frozen)
    theirs, their_head, their_leaves = _leaves(hidden, head, frozen=frozen)
    totals = []
    for found in (
        summed(mine, my_head, labels, weight, budget=budget),
        from_logits(_plain(theirs, their_head), labels),
    ):
        totals.append(objective({"logp": found.logp, "ref_logp": reference, "count": found.tokens}).total)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a promise that is kept is not recomputed
        gradients = torch.autograd.grad(totals[0], my_leaves)
    expected = torch.autograd.grad(totals[1], their_leaves)
    torch.testing.assert_close(gradients, expected, rtol=1e-10, atol=1e-10)


def test_a_weight_is_asked_only_where_it_saves_work() -> None:
    hidden, head, labels = _batch(0)
    asked: list[torch.Tensor] = []

    def weight(logp: torch.Tensor) -> torch.Tensor:
        asked.append(logp)
        return torch.ones_like(logp)

    for frozen, budget, expected in ((False, 0, [1, 2, 3]), (False, 2**28, [3]), (True, 0, [])):
        asked.clear()
        h, mine, _ = _leaves(hidden, head, frozen=frozen)
        found = summed(h, mine, labels, weight, budget=budget).logp
        assert [int((logp != 0).sum()) for logp in asked] == expected
        assert not asked or torch.equal(asked[-1], found)  # to the last bit: a weight is as steep as β is large


@given(seed=SEEDS, factor=st.sampled_from([1.0, -0.25]))
def test_a_weight_is_used_once_and_recomputed_after(seed: int, factor: float) -> None:
    hidden, head, labels = _batch(seed)
    h, head, leaves = _leaves(hidden, head)
    total = factor * summed(h, head, labels, losses.ga_weight, budget=300).logp.sum()
    first = torch.autograd.grad(total, leaves, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(total, leaves), first, rtol=1e-12, atol=1e-12)


@FEWER
@given(seed=SEEDS, budget=st.sampled_from([0, 300]))
def test_a_wrong_weight_warns_and_changes_nothing(seed: int, budget: int) -> None:
    hidden, head, labels = _batch(seed)
    for wrong in (torch.sin, torch.zeros_like):
        h, mine, leaves = _leaves(hidden, head)
        with pytest.warns(UserWarning, match="not a multiple of the weights given"):
            found = torch.autograd.grad(summed(h, mine, labels, wrong, budget=budget).logp.square().sum(), leaves)
        expected = torch.autograd.grad(summed(h, mine, labels).logp.square().sum(), leaves)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


FORMS: dict[str, Any] = {
    "from logits": lambda h, head, labels: from_logits(_plain(h, head), labels),
    "unchunked": summed,
    "in the backward pass": partial(summed, budget=200),
    "in the forward pass": partial(summed, weight=torch.ones_like, budget=200),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@FEWER
@given(seed=SEEDS, junk=st.sampled_from([math.nan, math.inf, 1e30, -3.0]), frozen=st.booleans())
def test_positions_that_predict_nothing_do_not_matter(form: Any, seed: int, junk: float, frozen: bool) -> None:
    hidden, head, labels = _batch(seed, bias=False)
    predicts = answer_positions(labels, vocab=11)
    spoilt = torch.where(predicts[..., None], hidden, junk)
    results = []
    for h in (spoilt, hidden):
        h, leaf_head, leaves = _leaves(h, head, frozen=frozen)
        if form is FORMS["from logits"]:  # its logits are the leaf: the way back to the head is not its own
            h = _plain(h.detach(), leaf_head).detach().requires_grad_()
            leaves = [h]
            total = from_logits(h, labels).logp.sum()
        else:
            total = form(h, leaf_head, labels).logp.sum()
        results.append((total, torch.autograd.grad(total, leaves)))
    assert results[0][0] == results[1][0]
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=0)


def test_half_precision_logits_are_answered_in_float32() -> None:
    hidden, head, labels = _batch(0, batch=1, time=401, vocab=50)
    labels[:, 1:] = torch.arange(400) % 50
    logits = _plain(hidden, head).bfloat16()
    exact, found = from_logits(logits.double(), labels).logp, from_logits(logits, labels).logp
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("budget", [0, 2**28])
def test_half_precision_hidden_states_are_answered_in_float32(dtype: torch.dtype, budget: int) -> None:
    hidden, head, labels = _batch(0, batch=2, time=201, vocab=50)
    labels[:, 1:] = torch.arange(200) % 50
    half = (hidden.to(dtype), Head(head.weight.to(dtype), None))
    exact = summed(half[0].double(), Head(half[1].weight.double()), labels).logp
    for frozen in (False, True):
        h, narrow, leaves = _leaves(*half, frozen=frozen)
        with torch.autocast("cpu", dtype=torch.bfloat16):  # which must not round the logits
            found = summed(h, narrow, labels, torch.ones_like, budget=budget).logp
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)
        gradients = torch.autograd.grad(found.sum(), leaves)
        assert {g.dtype for g in gradients} == {dtype}
        wide, wide_head, wide_leaves = _leaves(half[0].double(), Head(half[1].weight.double()), frozen=frozen)
        expected = torch.autograd.grad(summed(wide, wide_head, labels).logp.sum(), wide_leaves)
        for g, e in zip(gradients, expected, strict=True):
            torch.testing.assert_close(g.double(), e, rtol=2 * torch.finfo(dtype).eps, atol=1e-4)


@pytest.mark.parametrize("budget", [0, 2**28])
def test_double_precision_is_kept_and_no_gradient_is_no_trouble(budget: int) -> None:
    hidden, head, labels = _batch(0)
    assert summed(hidden, head, labels, budget=budget).logp.dtype == torch.float64
    h, head, _ = _leaves(hidden, head)
    with torch.no_grad():
        assert not summed(h, head, labels, torch.ones_like, budget=budget).logp.requires_grad
    mixed = summed(hidden.float(), head, labels, budget=budget).logp  # a float32 body with a float64 head
    assert mixed.dtype == torch.float64


@pytest.mark.parametrize("budget", [0, 2**28])
def test_the_head_may_be_trained_alone(budget: int) -> None:
    hidden, head, labels = _batch(0)
    _, mine, (_, *leaves) = _leaves(hidden, head)
    found = torch.autograd.grad(summed(hidden, mine, labels, torch.ones_like, budget=budget).logp.sum(), leaves)
    expected = torch.autograd.grad(from_logits(_plain(hidden, mine), labels).logp.sum(), leaves)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_logits_far_apart_stay_finite() -> None:
    hidden, head, labels = _batch(0)
    for budget in (0, 2**28):
        h, mine, leaves = _leaves(1e4 * hidden, head)
        total = summed(h, mine, labels, torch.ones_like, budget=budget).logp.sum()
        assert total.isfinite()
        assert all(g.isfinite().all() for g in torch.autograd.grad(total, leaves))


def test_a_head_is_a_plain_linear_layer() -> None:
    class Adapted(torch.nn.Linear):
        pass

    plain = torch.nn.Linear(4, 5, bias=False)
    assert Head.of(plain, softcap=30.0) == Head(plain.weight, None, 30.0)
    with pytest.raises(TypeError, match=r"The output head is a Adapted, not a plain torch\.nn\.Linear: merge"):
        Head.of(Adapted(4, 5))
    for budget in (0, 2**28):
        with pytest.raises(ValueError, match="softcap must be positive, got 0"):
            summed(torch.ones(1, 2, 4), Head(plain.weight, None, 0.0), torch.tensor([[0, 1]]), budget=budget)


ENTRIES: dict[str, Any] = {
    "answer_rows": lambda labels: answer_rows(labels, vocab=5),
    "answer_positions": lambda labels: answer_positions(labels, vocab=5),
    "from_logits": lambda labels: from_logits(torch.zeros(*labels.shape, 5), labels),
    "token_logprobs_from_logits": lambda labels: token_logprobs_from_logits(torch.zeros(*labels.shape, 5), labels),
    "token_logprobs": lambda labels: token_logprobs(torch.zeros(*labels.shape, 2), Head(torch.zeros(5, 2)), labels),
    "summed": lambda labels: summed(torch.zeros(*labels.shape, 2), Head(torch.zeros(5, 2)), labels, budget=0),
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_errors_name_the_example(entry: Callable[[torch.Tensor], object]) -> None:
    with pytest.raises(ValueError, match=r"No answer token in example\(s\) \[1\]"):
        entry(torch.tensor([[IGNORE, 1], [1, IGNORE]]))
    with pytest.raises(ValueError, match=r"Example 1, position 2: label 7 is outside \[0, 5\)"):
        entry(torch.tensor([[0, 1, 2], [0, 1, 7]]))
    with pytest.raises(ValueError, match="label -1 is outside"):
        entry(torch.tensor([[0, -1]]))


@given(margin=st.floats(-700, 700))
def test_binary_labels(margin: float) -> None:
    found = from_margins(torch.tensor([margin], dtype=torch.float64))
    two_class = from_logits(
        torch.tensor([[[0.0, margin], [0.0, 0.0]]], dtype=torch.float64), torch.tensor([[IGNORE, 1]])
    ).logp
    torch.testing.assert_close(found, two_class, rtol=1e-12, atol=1e-15)  # cross entropy subtracts from the row maximum
