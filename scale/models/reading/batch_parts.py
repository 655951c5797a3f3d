"""What may be wanted of the answers of a batch, and how it is had from their hidden states and the output head."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from theory.chunks import BUDGET
from theory.kernel import Kernel, Quantities
from theory.logprobs import IGNORE, Head, TokenLogprobs, answer_positions, answer_rows, summed, token_logprobs
from theory.retain import kl, kl_from_hidden
from theory.row_kernels import kernel_sums

__all__ = ["BatchPart", "BodyStates", "ReferenceBatch", "RowKernel", "budget", "wanted_of"]

LOOKING = 32 * 2**20
"""Bytes of logits at a time where no gradient is wanted: more is no faster (`benchmarks/unlearning.py`)."""


def budget() -> int:
    """Bytes of logits that may be held at once."""
    return BUDGET if torch.is_grad_enabled() else LOOKING


class ReferenceBatch(NamedTuple):
    """π_ref on rows of a batch: its final states where answers are predicted (batch, longest + 1, width), and head."""

    hidden: Tensor
    head: Head


class RowKernel(NamedTuple):
    """A kernel of logits, to be run on the answers of a part in chunks, and what else it takes, by name.

    `others` has what the logits of other models are had from, by the quantity that they are, such as `ref_logits`.
    """

    kernel: Kernel
    given: Quantities
    others: Mapping[str, ReferenceBatch] = MappingProxyType({})


class BatchPart(NamedTuple):
    """So many rows of a batch, in their order, and what is wanted of them.

    `wanted` names quantities of `theory.kernel`: of `logp`, `token_logp`, `mean_prob`, `logits`, `hidden` (after block
    `block`, 1 the first). `kernel` asks for a kernel's values instead of its logits. `weight` maps the rows' own `logp`
    and `token_logp` to d loss / d each, where it is known so early (`theory.logprobs.summed`). `logged` asks for `logp`
    too, without gradient.
    """

    rows: int
    wanted: tuple[str, ...] = ("logp",)
    weight: Callable[[Quantities], Quantities] | None = None
    kernel: RowKernel | None = None
    block: int | None = None
    logged: bool = False


class BodyStates(NamedTuple):
    """Final hidden states (batch, time, width), and those after some blocks, by their number; or of answers alone."""

    final: Tensor
    after: Mapping[int, Tensor]


def wanted_of(part: BatchPart, states: BodyStates, head: Head, labels: Tensor) -> dict[str, Tensor]:
    """What is wanted of a part, from its states."""
    hidden, found = states.final, dict[str, Tensor]()
    if part.kernel is not None:
        found |= _by_kernel(part.kernel, hidden, head, labels)
    if {"token_logp", "mean_prob"} & set(part.wanted):
        found |= _token_logp(part, hidden, head, labels)
    elif "logp" in part.wanted:
        weight = part.weight
        own = None if weight is None else (lambda logp: weight({"logp": logp})["logp"])
        found["logp"] = summed(hidden, head, labels, own, budget=budget()).logp
    elif part.logged and "logp" not in found:
        with torch.no_grad():
            found["logp"] = summed(hidden, head, labels, budget=LOOKING).logp
    where = answer_rows(labels, len(head.weight)).rows if {"logits", "hidden"} & set(part.wanted) else None
    if where is not None and "logits" in part.wanted:
        found["logits"] = head.logits(hidden.flatten(0, 1).index_select(0, where))
    if where is not None and "hidden" in part.wanted:
        assert part.block is not None
        found["hidden"] = states.after[part.block].flatten(0, 1).index_select(0, where)
    return found


def _by_kernel(chosen: RowKernel, hidden: Tensor, head: Head, labels: Tensor) -> dict[str, Tensor]:
    """The kernel's value of each answer; and `logp`, but of the KL, which has a form of its own."""
    kernel, given, others = chosen
    # the part's answers may be shorter than the batch's: cut to the others' states, which know their length
    time = next((one.hidden.shape[1] for one in others.values()), hidden.shape[1])
    hidden, labels = hidden[:, :time], labels[:, :time]
    if kernel is kl and "ref_logits" in others:
        where = answer_positions(labels, len(head.weight))
        return {"value": kl_from_hidden(*others["ref_logits"], hidden, head, where, once=True).kl}
    sums = kernel_sums(kernel, hidden, head, labels, given, further=others)
    return {"value": sums.value, "logp": sums.logp}


def _token_logp(part: BatchPart, hidden: Tensor, head: Head, labels: Tensor) -> dict[str, Tensor]:
    """Log-probability of each answer token, the sum of each answer, and where it is wanted its mean probability."""
    counts = (labels[:, 1:] != IGNORE).sum(dim=1)
    example = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)

    def weigh(token_logp: Tensor) -> Tensor:
        """d loss / d log-probability of each token, by way of its answer's sum too."""
        assert part.weight is not None
        own = {"token_logp": token_logp, "logp": TokenLogprobs(token_logp, example, counts).summed().logp}
        weights = part.weight(own)
        direct = weights.get("token_logp", torch.zeros_like(token_logp))
        return direct + weights["logp"].to(direct).index_select(0, example) if "logp" in weights else direct

    found = token_logprobs(hidden, head, labels, weigh if part.weight else None, budget=budget())
    of_tokens = {"token_logp": found.logp, "logp": found.summed().logp}
    return of_tokens | ({"mean_prob": found.mean_prob()} if "mean_prob" in part.wanted else {})
