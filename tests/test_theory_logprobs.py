"""Log-probabilities of answers: the shift, the mask, and errors that name the example."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from theory.logprobs import IGNORE, Head, answer_rows, from_logits, from_margins, summed


def _batch(seed: int, batch: int = 3, time: int = 6, hidden: int = 5, vocab: int = 11, bias: bool = True):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(batch, time, hidden, generator=generator, dtype=torch.float64)
    weight = torch.randn(vocab, hidden, generator=generator, dtype=torch.float64)
    head = Head(weight, torch.randn(vocab, generator=generator, dtype=torch.float64) if bias else None)
    labels = torch.randint(vocab, (batch, time), generator=generator)
    masked = torch.rand(batch, time, generator=generator) < 0.5
    masked[:, -1] = False
    return h, head, torch.where(masked, IGNORE, labels)


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


@given(seed=st.integers(0, 10**6), bias=st.booleans())
def test_three_ways_agree(seed: int, bias: bool) -> None:
    hidden, head, labels = _batch(seed, bias=bias)
    logits = linear(hidden, *head)
    slow, counts = _slowly(logits, labels)
    for found in (summed(hidden, head, labels), from_logits(logits, labels)):
        torch.testing.assert_close(found.logp, torch.tensor(slow, dtype=torch.float64), rtol=1e-12, atol=1e-12)
        assert found.tokens.tolist() == counts


@given(seed=st.integers(0, 10**6), junk=st.sampled_from([math.nan, math.inf, 1e30]))
def test_positions_that_predict_nothing_do_not_matter(seed: int, junk: float) -> None:
    hidden, head, labels = _batch(seed)
    predicts = torch.zeros_like(labels, dtype=torch.bool)
    predicts[:, :-1] = labels[:, 1:] != IGNORE
    spoilt = torch.where(predicts[..., None], hidden, junk).requires_grad_()
    clean = hidden.clone().requires_grad_()
    weight = head.weight.clone().requires_grad_()
    dirty_sum = summed(spoilt, Head(weight, head.bias), labels).logp.sum()
    clean_sum = summed(clean, Head(weight, head.bias), labels).logp.sum()
    assert dirty_sum == clean_sum
    dirty, clean_grad = (
        torch.autograd.grad(dirty_sum, [spoilt, weight]),
        torch.autograd.grad(clean_sum, [clean, weight]),
    )
    torch.testing.assert_close(dirty, clean_grad, rtol=0, atol=0)


def test_half_precision_is_answered_in_float32() -> None:
    hidden, head, labels = _batch(0, batch=1, time=401, vocab=50)
    labels[:, 1:] = torch.arange(400) % 50
    exact = from_logits(linear(hidden, *head).bfloat16().double(), labels).logp
    found = from_logits(linear(hidden, *head).bfloat16(), labels).logp
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=1e-3)


def test_errors_name_the_example() -> None:
    with pytest.raises(ValueError, match=r"No answer token in example\(s\) \[1\]"):
        answer_rows(torch.tensor([[IGNORE, 1], [1, IGNORE]]), vocab=5)
    with pytest.raises(ValueError, match=r"Example 1, position 2: label 7 is outside \[0, 5\)"):
        answer_rows(torch.tensor([[0, 1, 2], [0, 1, 7]]), vocab=5)
    with pytest.raises(ValueError, match="label -1 is outside"):
        answer_rows(torch.tensor([[0, -1]]), vocab=5)


@given(margin=st.floats(-700, 700))
def test_binary_labels(margin: float) -> None:
    found = from_margins(torch.tensor([margin], dtype=torch.float64))
    two_class = from_logits(
        torch.tensor([[[0.0, margin], [0.0, 0.0]]], dtype=torch.float64), torch.tensor([[IGNORE, 1]])
    ).logp
    torch.testing.assert_close(found, two_class, rtol=1e-12, atol=1e-15)  # cross entropy subtracts from the row maximum
