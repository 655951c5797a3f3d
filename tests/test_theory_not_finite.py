"""A gradient that is not finite comes back to the head in chunks: it is handed on, and nothing is said."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from theory.logprobs import IGNORE, Head, summed

WEIGHTS = {"none": None, "one": torch.ones_like, "nan": lambda logp: torch.full_like(logp, torch.nan)}


@pytest.mark.parametrize("upstream", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("frozen", [True, False])
def test_a_gradient_that_is_not_finite_is_handed_on(upstream: float, weight: str, *, frozen: bool) -> None:
    torch.manual_seed(0)
    head = Head(torch.randn(11, 4, requires_grad=not frozen))
    hidden = torch.randn(3, 5, 4, requires_grad=True)
    labels = torch.randint(0, 11, (3, 5))
    labels[:, 0] = IGNORE
    promised: Callable[[Tensor], Tensor] | None = WEIGHTS[weight]
    summed(hidden, head, labels, promised, budget=200).logp.backward(torch.tensor([1.0, upstream, 1.0]))
    trained = hidden if frozen else head.weight
    assert trained.grad is not None
    assert not trained.grad.isfinite().all()
