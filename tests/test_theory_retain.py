"""KL to the reference over the positions of a language model: every form against loops, and the named reductions."""

import math
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.nn.functional import kl_div, linear, log_softmax

from theory.logprobs import Head, answer_positions
from theory.retain import kl, kl_from_hidden, kl_from_logits, kl_gradient, padded_positions, real_positions

SEEDS = st.integers(0, 10**6)
BUDGETS = st.sampled_from([0, 250, 600, 2**28])  # float64 logits of 7 tokens in three buffers: 1, 1, 3 rows, all
CAPS = st.sampled_from([None, 2.0])


def _batch(
    seed: int, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, Head, torch.Tensor, Head, torch.Tensor]:
    """Hidden states and head of a wide reference and of a narrower model, and positions."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    positions = torch.rand(3, 5, generator=generator) < 0.5
    positions[:, 2] = True
    return normal(3, 5, 6), Head(normal(7, 6)), normal(3, 5, 4), Head(normal(7, 4), normal(7)), positions


def _plain(hidden: torch.Tensor, head: Head) -> torch.Tensor:
    z = linear(hidden, head.weight, head.bias)
    return z if head.softcap is None else head.softcap * torch.tanh(z / head.softcap)


def _leaves(hidden: torch.Tensor, head: Head, *, frozen: bool = False) -> tuple[torch.Tensor, Head, list[torch.Tensor]]:
    h, weight = hidden.clone().requires_grad_(), head.weight.clone().requires_grad_(not frozen)
    bias = None if head.bias is None else head.bias.clone().requires_grad_(not frozen)
    return h, Head(weight, bias, head.softcap), [x for x in (h, weight, bias) if x is not None and x.requires_grad]


def _slowly(ref_logits: torch.Tensor, logits: torch.Tensor, positions: torch.Tensor) -> list[float]:
    """The formula as loops."""
    sums = []
    for which, mask in enumerate(positions.tolist()):
        total = 0.0
        for t, counts in enumerate(mask):
            if counts:
                ref, own = ref_logits[which, t].tolist(), logits[which, t].tolist()
                ref_norm, own_norm = (math.log(sum(math.exp(z) for z in row)) for row in (ref, own))
                total += sum(
                    math.exp(a - ref_norm) * ((a - ref_norm) - (b - own_norm)) for a, b in zip(ref, own, strict=True)
                )
        sums.append(total)
    return sums


@given(seed=SEEDS, budget=BUDGETS, softcap=CAPS, ref_softcap=CAPS)
@example(seed=0, budget=600, softcap=None, ref_softcap=None)  # several rows of several examples in a chunk
@example(seed=1, budget=600, softcap=2.0, ref_softcap=2.0)
def test_every_form_agrees_with_loops(seed: int, budget: int, softcap: float | None, ref_softcap: float | None) -> None:
    ref_hidden, ref_head, hidden, head, positions = _batch(seed)
    ref_head, head = ref_head._replace(softcap=ref_softcap), head._replace(softcap=softcap)
    ref_logits, logits = _plain(ref_hidden, ref_head), _plain(hidden, head)
    expected = torch.tensor(_slowly(ref_logits, logits, positions), dtype=torch.float64)
    for found in (
        kl_from_logits(ref_logits, logits, positions),
        kl_from_hidden(ref_hidden, ref_head, hidden, head, positions, budget=budget),
    ):
        torch.testing.assert_close(found.kl, expected, rtol=1e-12, atol=1e-12)
        assert found.tokens.tolist() == positions.sum(1).tolist()
        assert found.mean() == found.kl.sum() / positions.sum()


@given(
    seed=SEEDS,
    budget=BUDGETS,
    once=st.booleans(),
    softcap=CAPS,
    frozen=st.booleans(),
    alike=st.booleans(),
    factor=st.sampled_from([1, -3]),
)
def test_gradients_in_chunks_are_those_of_autograd(
    seed: int, budget: int, once: bool, softcap: float | None, frozen: bool, alike: bool, factor: float
) -> None:
    """Examples that weigh alike, for which the gradient is made in the forward pass, and any others."""
    ref_hidden, ref_head, hidden, head, positions = _batch(seed)
    head = head._replace(softcap=softcap)
    mine, my_head, my_leaves = _leaves(hidden, head, frozen=frozen)
    theirs, their_head, their_leaves = _leaves(hidden, head, frozen=frozen)
    ref_mine, ref_my_head, ref_leaves = _leaves(ref_hidden, ref_head)
    by_chunk = kl_from_hidden(ref_mine, ref_my_head, mine, my_head, positions, budget=budget, once=once).kl
    at_once = kl_from_logits(_plain(ref_hidden, ref_head), _plain(theirs, their_head), positions).kl
    total, expected = (factor * (x if alike else x.square()).sum() for x in (by_chunk, at_once))
    found = torch.autograd.grad(total, [*my_leaves, *ref_leaves], allow_unused=True, retain_graph=True)
    assert found[len(my_leaves) :] == (None, None)  # nothing goes to the reference
    wanted = torch.autograd.grad(expected, their_leaves)
    torch.testing.assert_close(found[: len(my_leaves)], wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(torch.autograd.grad(total, my_leaves), wanted, rtol=1e-10, atol=1e-10)


@given(seed=SEEDS)
def test_the_gradient_of_a_row_is_the_difference_of_probabilities(seed: int) -> None:
    ref_hidden, ref_head, hidden, head, _ = _batch(seed)
    ref_logits, logits = _plain(ref_hidden, ref_head), _plain(hidden, head).requires_grad_()
    (found,) = torch.autograd.grad(kl(ref_logits, logits).sum(), logits)
    torch.testing.assert_close(found, kl_gradient(ref_logits, logits), rtol=1e-12, atol=1e-12)


@given(seed=SEEDS, budget=st.sampled_from([0, 2**28]), junk=st.sampled_from([math.nan, math.inf, 1e30]))
def test_other_positions_do_not_matter(seed: int, budget: int, junk: float) -> None:
    ref_hidden, ref_head, hidden, head, positions = _batch(seed)
    results = []
    for spoilt in (False, True):
        ref_h, own = (torch.where(positions[..., None] | (not spoilt), x, junk) for x in (ref_hidden, hidden))
        h, mine, leaves = _leaves(own, head)
        total = kl_from_hidden(ref_h, ref_head, h, mine, positions, budget=budget).kl.sum()
        results.append((total, *torch.autograd.grad(total, leaves)))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)


@pytest.mark.parametrize("budget", [0, 2**28])
def test_a_token_that_the_reference_rules_out_costs_nothing(budget: int) -> None:
    banned = torch.tensor([0.0, 0.0, -math.inf])
    hidden, weight, positions = torch.ones(1, 2, 2), torch.eye(3, 2), torch.ones(1, 2, dtype=torch.bool)
    ref, own = Head(weight, banned), Head(weight, banned.clone())
    assert kl_from_hidden(hidden, ref, hidden, own, positions, budget=budget).kl.tolist() == [0.0]
    ruled_out = kl_from_hidden(hidden, ref, hidden, Head(weight), positions, budget=budget).kl
    torch.testing.assert_close(ruled_out, 2 * torch.log(torch.tensor([(2 * math.e + 1) / (2 * math.e)])))
    assert kl_from_hidden(hidden, Head(weight), hidden, own, positions, budget=budget).kl.tolist() == [math.inf]


@pytest.mark.parametrize("budget", [0, 2**28])
def test_half_precision_is_answered_in_float32(budget: int) -> None:
    ref_hidden, ref_head, hidden, head, positions = _batch(0, torch.bfloat16)
    found = kl_from_hidden(ref_hidden, ref_head, hidden, head, positions, budget=budget).kl
    wide: list[Any] = [
        Head(*(None if x is None else x.double() for x in part[:2])) if isinstance(part, Head) else part.double()
        for part in (ref_hidden, ref_head, hidden, head)
    ]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), kl_from_hidden(*wide, positions).kl, rtol=1e-5, atol=1e-6)
    mixed = kl_from_hidden(wide[0], wide[1], hidden, head, positions, budget=budget).kl
    assert mixed.dtype == torch.float32  # the model's own, whatever the reference was stored in


@given(seed=SEEDS)
def test_named_reductions(seed: int) -> None:
    ref_hidden, ref_head, hidden, head, _ = _batch(seed)
    ref_logits, logits = _plain(ref_hidden, ref_head), _plain(hidden, head)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 1, 0, 0]])
    ref_logp, logp = log_softmax(ref_logits, -1), log_softmax(logits, -1)
    authors = kl_div(logp.flatten(0, 1), ref_logp.flatten(0, 1), reduction="batchmean", log_target=True)
    assert padded_positions(mask).dtype == real_positions(mask).dtype == torch.bool
    padded = kl_from_logits(ref_logits, logits, padded_positions(mask))
    torch.testing.assert_close(padded.mean(), authors, rtol=1e-12, atol=1e-12)
    real = kl_from_logits(ref_logits, logits, real_positions(mask))
    by_row = kl(ref_logits, logits)
    torch.testing.assert_close(real.mean(), by_row[mask.bool()].mean(), rtol=1e-12, atol=1e-12)
    labels = torch.where(mask.bool(), 3, -100)
    answers = kl_from_logits(ref_logits, logits, answer_positions(labels, vocab=7))
    expected = by_row[:, :-1][labels[:, 1:] != -100].mean()
    torch.testing.assert_close(answers.mean(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("wide", ["hidden", "weight", "bias"])
@pytest.mark.parametrize("budget", [0, 2**28])
def test_the_widest_of_what_the_model_brings_decides(wide: str, budget: int) -> None:
    ref_hidden, ref_head, hidden, head, positions = _batch(0, torch.float32)
    assert head.bias is not None
    head = head._replace(**{wide: getattr(head, wide).double()}) if wide != "hidden" else head
    hidden = hidden.double() if wide == "hidden" else hidden
    assert kl_from_hidden(ref_hidden, ref_head, hidden, head, positions, budget=budget).kl.dtype == torch.float64


def test_errors_name_what_is_wrong() -> None:
    ref_hidden, ref_head, hidden, head, positions = _batch(0)
    nothing = positions.clone()
    nothing[1] = False
    with pytest.raises(ValueError, match=r"No position to compare in example\(s\) \[1\]"):
        kl_from_hidden(ref_hidden, ref_head, hidden, head, nothing)
    with pytest.raises(ValueError, match=r"No position to compare in example\(s\) \[1\]"):
        kl_from_logits(_plain(ref_hidden, ref_head), _plain(hidden, head), nothing)
    smaller = Head(ref_head.weight[:5])
    with pytest.raises(ValueError, match="The reference has 5 tokens in its vocabulary, not 7"):
        kl_from_hidden(ref_hidden, smaller, hidden, head, positions)
    for budget in (0, 2**28):
        with pytest.raises(ValueError, match="softcap must be positive"):
            kl_from_hidden(ref_hidden, ref_head._replace(softcap=-1.0), hidden, head, positions, budget=budget)
