"""The output head in chunks of rows: a value per row of logits and its gradients, never holding all logits at once.

A row is one position of a language model. What is computed from its logits says a `RowLoss`; this module applies the
head, cuts the rows into chunks that fit a budget of bytes, and makes the gradient as early as it can be known:

    head frozen       in the forward pass: d value / d hidden of each row, times the upstream gradient in the backward
    weights promised  in the forward pass: chunks of whole examples, whose weights are known once their values are
    otherwise         in the backward pass, from logits computed a second time

A promise that is not kept costs time, never accuracy: then the gradient is recomputed too.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from theory.head import Head, HeadInto, widened

__all__ = ["BUDGET", "RowLoss", "over_rows"]

BUDGET = 256 * 2**20
"""Bytes of float logits that may be held at once (256 MiB)."""


class RowLoss(ABC):
    """A value per row of logits, and its gradient, in `buffers` arrays of the size of a chunk of logits.

    `aside` more of that size it may make for itself at a time; they count in the budget.
    """

    buffers: int
    aside: int = 0

    @abstractmethod
    def values(self, buffers: Sequence[Tensor], rows: slice) -> Tensor:
        """The values of these rows, whose logits are in the first buffer and may be overwritten."""

    @abstractmethod
    def gradient(self, buffers: Sequence[Tensor], rows: slice, upstream: Tensor) -> Tensor:
        """upstream · d value / d logits from what the last call of `values` left; in one of the buffers, then spent."""


@dataclass
class _Gradients:
    """Of hidden rows, head weight and bias, filled chunk by chunk; None where it is not asked for."""

    rows: Tensor | None
    weight: Tensor | None
    bias: Tensor | None
    started: bool = field(default=False, init=False)

    @classmethod
    def empty(cls, rows: Tensor, weight: Tensor, wanted: Sequence[bool]) -> "_Gradients":
        shapes = (rows.shape, weight.shape, weight.shape[:1])
        return cls(*(weight.new_empty(shape) if want else None for shape, want in zip(shapes, wanted, strict=True)))

    def add(self, dz: Tensor, rows: Tensor, weight: Tensor, where: slice) -> None:
        if self.rows is not None:
            torch.mm(dz, weight, out=self.rows[where])
        if self.weight is not None:  # beta = 0 overwrites, so that nothing has to be zeroed first
            self.weight.addmm_(dz.T, rows, beta=int(self.started))
        if self.bias is not None:
            self.bias.add_(dz.sum(dim=0)) if self.started else torch.sum(dz, dim=0, out=self.bias)
        self.started = True

    def scale(self, factor: float) -> None:
        for gradient in (self.rows, self.weight, self.bias):
            if gradient is not None:
                gradient.mul_(factor)

    def narrowed(self, *inputs: Tensor | None) -> list[Tensor | None]:
        found = zip((self.rows, self.weight, self.bias), inputs, strict=True)
        return [None if gradient is None or x is None else gradient.to(x.dtype) for gradient, x in found]


@dataclass(frozen=True)
class _Plan:
    """What to compute of the rows, in which chunks, and what is known of the gradient that will come back."""

    loss: RowLoss
    softcap: float | None
    dtype: torch.dtype
    chunk: int  # rows
    examples: Sequence[int]  # how many rows each example has, one after the other
    promise: Callable[[Tensor], Tensor] | None
    warn: bool


def _cut(start: int, stop: int, chunk: int) -> list[tuple[int, int]]:
    # of like size: a product of few rows takes another way through the library and rounds otherwise
    size = _even(stop - start, chunk)
    return [(a, min(a + size, stop)) for a in range(start, stop, size)]


def _even(rows: int, chunk: int) -> int:
    """Rows of each piece, where as few pieces as fit the chunk are of like size."""
    return -(-rows // max(1, -(-rows // chunk))) or 1


def _whole_examples(counts: Sequence[int], chunk: int) -> Iterator[tuple[int, int]]:
    """Runs of whole examples that fit one chunk, of like size; an example longer than a chunk is a run of its own."""
    start, stop, size = 0, 0, _even(sum(counts), chunk)
    for count in counts:
        if stop > start and (stop - start >= size or stop + count - start > chunk):
            yield start, stop
            start = stop
        stop += count
    if stop > start:
        yield start, stop


def _sweep(
    plan: _Plan,
    rows: Tensor,
    head: Head,
    runs: Iterable[tuple[int, int]],
    weigh: Callable[[Tensor], Tensor] | None = None,
    wanted: Sequence[bool] = (False, False, False),
) -> tuple[Tensor, Tensor, _Gradients]:
    """Values of all rows; with `weigh`, also the weights that it gave them and the gradients so weighted.

    A run is weighed when all its values are known: one chunk at once, a longer one by a second pass over its chunks.
    """
    rows, into = rows.detach().to(plan.dtype), HeadInto(head, plan.dtype)
    capped = weigh is not None and head.softcap is not None
    buffers = into.weight.new_empty(plan.loss.buffers + capped, plan.chunk, len(into.weight))
    values, weights = (rows.new_zeros(len(rows)) for _ in range(2))
    gradients = _Gradients.empty(rows, into.weight, wanted)

    def evaluate(start: int, stop: int) -> tuple[list[Tensor], Tensor]:
        used = [buffer[: stop - start] for buffer in buffers]
        into.logits(rows[start:stop], used[0], used[-1] if capped else None)
        return used, plan.loss.values(used, slice(start, stop))

    for first, last in runs:
        chunks = _cut(first, last, plan.chunk)
        for start, stop in chunks:
            used, values[start:stop] = evaluate(start, stop)
        if weigh is None:
            continue
        weights[first:last] = weigh(values)[first:last]
        for start, stop in chunks:
            if len(chunks) > 1:
                used, _ = evaluate(start, stop)
            dz = plan.loss.gradient(used, slice(start, stop), weights[start:stop])
            gradients.add(dz.mul_(used[-1]) if capped else dz, rows[start:stop], into.weight, slice(start, stop))
    return values, weights, gradients


class _OverRows(torch.autograd.Function):
    """The loss of each row; its gradient is made in the forward pass where `_Plan` says that it is known by then."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, plan: _Plan) -> Tensor:
        head, by_chunk = Head(weight, bias, plan.softcap), _cut(0, len(rows), plan.chunk)
        wanted = ctx.needs_input_grad[:3]
        ctx.plan, ctx.frozen, ctx.made = plan, not any(wanted[1:]), None
        if ctx.frozen:  # every row for itself: any upstream gradient can multiply it afterwards
            values, _, ctx.made = _sweep(plan, rows, head, by_chunk, torch.ones_like, wanted)
            ctx.save_for_backward(rows.new_empty(0))  # for its dtype
            return values
        ctx.save_for_backward(rows, weight, bias)
        if plan.promise is None:
            return _sweep(plan, rows, head, by_chunk)[0]
        runs = _whole_examples(plan.examples, plan.chunk)
        values, ctx.promised, ctx.made = _sweep(plan, rows, head, runs, plan.promise, wanted)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.frozen:
            (like,) = ctx.saved_tensors
            return (ctx.made.rows * upstream[:, None]).to(like.dtype), None, None, None
        rows, weight, bias = ctx.saved_tensors
        plan: _Plan = ctx.plan
        made, ctx.made = ctx.made, None  # handed out once, so that it may be scaled in place and kept without a copy
        factor = None if made is None else _common_factor(upstream, ctx.promised, warn=plan.warn)
        if factor is None:
            made, head = None, Head(weight, bias, plan.softcap)  # the memory of a broken promise is freed first
            by_chunk = _cut(0, len(rows), plan.chunk)
            made = _sweep(plan, rows, head, by_chunk, lambda _: upstream, ctx.needs_input_grad[:3])[2]
        elif factor != 1:
            made.scale(factor)
        return *made.narrowed(rows, weight, bias), None


def _common_factor(upstream: Tensor, promised: Tensor, *, warn: bool) -> float | None:
    """c where upstream = c · promised up to rounding, None where there is no such c; 1 if it differs by rounding."""
    eps, most = torch.finfo(promised.dtype).eps, float(upstream.abs().max())
    if not math.isfinite(most):
        return None  # no gradient to speak of; whoever steps by it sees a loss that is not finite
    largest = promised.abs().argmax()
    factor = float(upstream[largest] / promised[largest]) if promised[largest] != 0 else 1.0
    if torch.allclose(upstream, factor * promised, rtol=64 * eps, atol=eps * most):
        return 1.0 if abs(factor - 1) <= 64 * eps else factor
    if warn:
        message = "The gradient that came back is not a multiple of the weights given, and was recomputed: exact, slow."
        warnings.warn(message, stacklevel=2)
    return None


def over_rows(
    rows: Float[Tensor, "rows hidden"],
    head: Head,
    loss: RowLoss,
    *,
    examples: Sequence[int],
    budget: int,
    promise: Callable[[Tensor], Tensor] | None = None,
    warn: bool = True,
) -> Float[Tensor, " rows"]:
    """The loss of each row, in chunks whose logits and buffers fit `budget` bytes (one row at least).

    `examples` says how many rows each example has. `promise` maps the values of all rows, of which only those of
    examples done so far are meaningful, to the gradient that will come back for each, up to a common factor; it is
    used where the head is trained, and checked in the backward pass. Differentiable once.
    """
    dtype = widened(rows, head.weight, head.bias)
    of_a_row = len(head.weight) * dtype.itemsize * (loss.buffers + loss.aside + (head.softcap is not None))
    chunk = max(1, min(budget // of_a_row, len(rows)))
    plan = _Plan(loss, head.softcap, dtype, chunk, examples, promise, warn)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in (rows, head.weight, head.bias)):
        return _OverRows.apply(rows, head.weight, head.bias, plan)
    return _sweep(plan, rows, head, _cut(0, len(rows), chunk))[0]
