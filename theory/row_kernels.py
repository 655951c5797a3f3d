"""Any kernel of logits over the answers of a language model, in chunks of rows: never all logits at once.

A kernel of logits gives one value for each row, from that row alone (`theory.losses`); the rows are the positions that
predict an answer token. Values and gradients are those of the kernel on all logits together.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory.chunks import RowLoss, over_rows
from theory.head import Head, HeadInto, widened
from theory.kernel import QUANTITIES, Kernel, Quantities, gather, gradient_weights, moves, needs, one_value_per_example
from theory.logprobs import TokenLogprobs, answer_rows, at_targets

__all__ = ["ROWS_BUDGET", "RowSums", "by_rows", "kernel_sums"]

ROWS_BUDGET = 64 * 2**20
"""Bytes of logits, and of what a kernel makes of them, that are held at once: more is no faster."""


class RowSums(NamedTuple):
    """Per example: the sum of a kernel's values over its answer, and its summed log-probability, without gradient."""

    value: Float[Tensor, " batch"]
    logp: Float[Tensor, " batch"]


def by_rows(kernel: Kernel) -> bool:
    """Whether a kernel can be run row by row: the logits are all that it takes of the model that is trained.

    >>> from theory.losses import npo
    >>> from theory.retain import kl
    >>> by_rows(kl), by_rows(npo)
    (True, False)
    """
    return [name for name in needs(kernel) if moves(name)] == ["logits"]


class _KernelRows(RowLoss):
    """A kernel on rows of logits, other models' from hidden states of theirs; on the way, what the answer's token gets.

    The kernel makes arrays of its own, as many as a log-softmax or two and their gradients: `aside` counts them.
    """

    aside = 5

    def __init__(
        self,
        kernel: Kernel,
        given: Quantities,
        targets: Tensor,
        others: Mapping[str, tuple[Tensor, Head]],
        dtype: torch.dtype,
    ) -> None:
        self.kernel, self.given, self.targets = kernel, given, targets
        self.others = {name: (x.detach().to(dtype), HeadInto(head, dtype)) for name, (x, head) in others.items()}
        self.buffers = 1 + len(others)
        self.logp = torch.zeros(len(targets), dtype=dtype, device=targets.device)

    def values(self, buffers: Sequence[Tensor], rows: slice) -> Tensor:
        z = buffers[0]
        self.logp[rows] = at_targets(z, self.targets[rows])
        self.inputs = {name: x[rows] if _of_rows(name) else x for name, x in self.given.items()} | {"logits": z}
        for (name, (states, head)), buffer in zip(self.others.items(), buffers[1 : self.buffers], strict=True):
            self.inputs[name] = head.logits(states[rows], buffer)
        inputs = gather(self.kernel, self.inputs)
        return one_value_per_example(self.kernel, inputs, self.kernel(**inputs)).to(z.dtype)

    def gradient(self, buffers: Sequence[Tensor], rows: slice, upstream: Tensor) -> Tensor:
        found = gradient_weights(self.kernel, self.inputs)["logits"]
        self.inputs = {}  # which may be kept as long as the graph is
        return torch.mul(found, upstream[:, None], out=buffers[0])


def _of_rows(name: str) -> bool:
    return name in QUANTITIES and QUANTITIES[name].level != "example"


def _at(rows: Tensor, hidden: Tensor, head: Head, vocabulary: int) -> tuple[Tensor, Head]:
    """Another model's states at these rows, and its head; ValueError where it has other words."""
    if len(head.weight) != vocabulary:
        raise ValueError(f"The reference has {len(head.weight)} tokens in its vocabulary, not {vocabulary}.")
    return hidden.flatten(0, 1).index_select(0, rows), head


def kernel_sums(
    kernel: Kernel,
    hidden: Float[Tensor, "batch time hidden"],
    head: Head,
    labels: Int[Tensor, "batch time"],
    given: Quantities,
    *,
    reference: tuple[Float[Tensor, "batch time ref_hidden"], Head] | None = None,
    further: Mapping[str, tuple[Float[Tensor, "batch time their_hidden"], Head]] | None = None,
    budget: int = ROWS_BUDGET,
) -> RowSums:
    """A kernel of logits summed over each answer, from hidden states and output head.

    Equal to the kernel on the logits of all answer rows, `ref_logits` being those of `reference`, memory apart.
    `further` has the states and heads of still other models, by the name of the quantity that their logits are;
    `given` holds the other quantities that it takes. The gradient is `<kernel>_gradient` where one stands beside the
    kernel, else autograd's within the chunk; it is made in the forward pass, and again in the backward pass only where
    the head is trained and examples come to weigh differently. Differentiable once. ValueError as in
    `theory.logprobs.answer_rows`, and where the kernel gives other than one value a row.

    >>> from theory.retain import kl
    >>> head, labels = Head(torch.eye(3, 2)), torch.tensor([[-100, 2]])
    >>> flat = torch.zeros(1, 2, 2), Head(torch.zeros(3, 2))
    >>> kernel_sums(kl, torch.ones(1, 2, 2), head, labels, {}, reference=flat).value
    tensor([0.0967])
    """
    found = answer_rows(labels, len(head.weight))
    dtype = widened(hidden, head.weight, head.bias)
    rows = hidden.flatten(0, 1).index_select(0, found.rows)
    others = dict(further or {}) | ({} if reference is None else {"ref_logits": reference})
    there = {name: _at(found.rows, states, other, len(head.weight)) for name, (states, other) in others.items()}
    loss = _KernelRows(kernel, given, found.targets, there, dtype)
    counts = found.tokens.tolist()
    values = over_rows(rows, head, loss, examples=counts, budget=budget, promise=torch.ones_like, warn=False)
    value, logp = (TokenLogprobs(x, found.example, found.tokens).summed().logp for x in (values, loss.logp))
    return RowSums(value, logp)
