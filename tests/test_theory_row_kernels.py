"""Kernels of logits in chunks of rows: values and gradients of the kernel on all logits, head trained or frozen."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import losses
from theory.head import Head
from theory.logprobs import IGNORE, answer_rows
from theory.retain import kl
from theory.row_kernels import by_rows, kernel_sums

FEWER = settings(max_examples=12)


def wrong_tokens(
    logits: torch.Tensor, labels: torch.Tensor, count: torch.Tensor, example: torch.Tensor
) -> torch.Tensor:
    """A kernel of one's own, without a closed gradient, that takes a quantity of the example too."""
    logp = logits.log_softmax(-1)
    return (logp.exp() * logp).sum(-1) * logp.gather(1, labels[:, None])[:, 0] / count[example]


KERNELS: dict[str, Any] = {
    "closed": partial(losses.undial, beta=3.0),
    "autograd": wrong_tokens,
    "KL": kl,
}


def _problem(seed: int, dtype: torch.dtype) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(3, 7, 5), (11, 5), (11,), (3, 7, 4), (11, 4)]  # hidden, head, bias; states and head of the reference
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    labels = torch.randint(11, (3, 7), generator=generator)
    masked = torch.rand(3, 7, generator=generator) < 0.4
    masked[:, -1] = False
    return tensors, torch.where(masked, IGNORE, labels)


def _given(labels: torch.Tensor) -> dict[str, torch.Tensor]:
    found = answer_rows(labels, 11)
    return {"labels": found.targets, "count": found.tokens, "example": found.example}


@pytest.mark.parametrize("name", list(KERNELS))
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16], ids=["float64", "float32", "bfloat16"]
)
@FEWER
@given(seed=st.integers(0, 10**6), frozen=st.booleans(), chunk=st.sampled_from([1, 2, 5, 100]), capped=st.booleans())
def test_in_chunks_as_on_all_logits(
    name: str, dtype: torch.dtype, seed: int, frozen: bool, chunk: int, capped: bool
) -> None:
    kernel, (tensors, labels) = KERNELS[name], _problem(seed, dtype)
    rtol = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 2e-2}[dtype]
    totals, leaves = [], []
    for chunked in (True, False):
        hidden, weight, bias, ref_hidden, ref_weight = (x.clone() for x in tensors)
        mine = [hidden] if frozen else [hidden, weight, bias]
        for leaf in mine:
            leaf.requires_grad_()
        head, ref_head = Head(weight, bias, 2.0 if capped else None), Head(ref_weight)
        if chunked:
            budget = chunk * 11 * 8 * 8
            sums = kernel_sums(
                kernel, hidden, head, labels, _given(labels), reference=(ref_hidden, ref_head), budget=budget
            )
            total = sums.value
        else:
            where = answer_rows(labels, 11)
            inputs = _given(labels) | {
                "logits": head.logits(hidden.flatten(0, 1)[where.rows]),
                "ref_logits": ref_head.logits(ref_hidden.flatten(0, 1)[where.rows]).detach(),
            }
            names = {"closed": ("logits", "ref_logits", "labels"), "KL": ("logits", "ref_logits")}.get(name)
            values = kernel(**{k: inputs[k] for k in names or ("logits", "labels", "count", "example")})
            total = torch.zeros(3, dtype=values.dtype).index_add(0, where.example, values)
        totals.append(total)
        leaves.append(torch.autograd.grad((total * 0.25).sum(), mine))
    torch.testing.assert_close(totals[0], totals[1], rtol=rtol, atol=rtol)
    torch.testing.assert_close(leaves[0], leaves[1], rtol=rtol, atol=rtol)


def test_examples_may_weigh_differently_and_log_probabilities_come_with_it() -> None:
    """A loss that is no plain sum is recomputed: exact all the same."""
    (hidden, weight, *_), labels = _problem(1, torch.float64)
    found = []
    for budget in (0, 2**28):
        mine = [hidden.clone().requires_grad_(), weight.clone().requires_grad_()]
        sums = kernel_sums(wrong_tokens, mine[0], Head(mine[1]), labels, _given(labels), budget=budget)
        found.append(torch.autograd.grad((sums.value * torch.tensor([1.0, -2.0, 0.5])).sum(), mine))
        assert not sums.logp.requires_grad
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


def test_only_kernels_of_logits_alone_are_run_by_rows() -> None:
    def mixed(logits: torch.Tensor, token_logp: torch.Tensor) -> torch.Tensor:
        return token_logp

    assert [by_rows(k) for k in (*KERNELS.values(), mixed, losses.npo, losses.rmu)] == [True] * 3 + [False] * 3


def test_a_kernel_that_averages_is_refused_by_name() -> None:
    def mean_of(logits: torch.Tensor) -> torch.Tensor:
        return logits.mean()

    (hidden, weight, *_), labels = _problem(0, torch.float32)
    with pytest.raises(ValueError, match="mean_of must return one value a token"):
        kernel_sums(mean_of, hidden, Head(weight), labels, {})
