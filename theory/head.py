"""The output head of a language model: from hidden states to logits, soft-capped where the model does so."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

__all__ = ["Head", "HeadInto", "fits", "widened"]


def widened(*tensors: Tensor | None) -> torch.dtype:
    """The dtype to compute in: the widest of the inputs', and float32 at the least."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = dtype if tensor is None else torch.promote_types(dtype, tensor.dtype)
    return dtype


class Head(NamedTuple):
    """The output head of a language model: logits z = hidden · weightᵀ + bias, or cap · tanh(z / cap) if soft-capped.

    `softcap` is in units of logits, as `final_logit_softcapping` in the configuration of models that have one.
    """

    weight: Float[Tensor, "vocab hidden"]
    bias: Float[Tensor, " vocab"] | None = None
    softcap: float | None = None

    @classmethod
    def of(cls, module: torch.nn.Module, *, softcap: float | None = None) -> "Head":
        """The head that a `torch.nn.Linear` is.

        TypeError for any other class, subclasses included: an adapter or a quantised layer computes something else
        than its `weight` says, and its own parameters would silently stay untrained.

        >>> Head.of(torch.nn.Linear(4, 5)).weight.shape
        torch.Size([5, 4])
        """
        if type(module) is not torch.nn.Linear:
            raise TypeError(
                f"The output head is a {type(module).__name__}, not a plain torch.nn.Linear: merge the adapter into it "
                "or dequantise it first, or use the logits that it computes with `from_logits`."
            )
        return cls(module.weight, module.bias, softcap)

    def logits(self, hidden: Float[Tensor, "*rows hidden"]) -> Float[Tensor, "*rows vocab"]:
        """Logits of the given hidden states in float32 or better, differentiable as often as you like.

        >>> Head(torch.ones(2, 3), softcap=1.0).logits(torch.ones(1, 3))  # tanh(3)
        tensor([[0.9951, 0.9951]])
        """
        _check_softcap(self.softcap)
        dtype = widened(hidden, self.weight, self.bias)
        bias = None if self.bias is None else self.bias.to(dtype)
        with torch.autocast(hidden.device.type, enabled=False):  # which would round the logits to half precision
            z = linear(hidden.to(dtype), self.weight.to(dtype), bias)
        return z if self.softcap is None else self.softcap * torch.tanh(z / self.softcap)


def _check_softcap(softcap: float | None) -> None:
    if softcap is not None and not softcap > 0:
        raise ValueError(f"softcap must be positive, got {softcap}: leave it out where the logits are not capped.")


class HeadInto:
    """A head whose logits go into a given buffer, widened once for all chunks."""

    def __init__(self, head: Head, dtype: torch.dtype) -> None:
        _check_softcap(head.softcap)
        self.weight = head.weight.detach().to(dtype)
        self.bias = None if head.bias is None else head.bias.detach().to(dtype)
        self.softcap = head.softcap

    def logits(self, rows: Tensor, z: Tensor, slope: Tensor | None = None) -> Tensor:
        """The logits, in `z`; `slope` receives the derivative of the soft cap, 1 − tanh²."""
        if self.bias is None:
            torch.mm(rows, self.weight.T, out=z)
        else:
            torch.addmm(self.bias, rows, self.weight.T, out=z)
        if self.softcap is None:
            return z
        z.div_(self.softcap).tanh_()
        if slope is not None:
            torch.mul(z, z, out=slope).neg_().add_(1)
        return z.mul_(self.softcap)


def fits(rows: int, head: Head, dtype: torch.dtype, budget: int) -> bool:
    """Whether the logits of so many rows fit the budget."""
    return rows * head.weight.shape[0] * dtype.itemsize <= budget
