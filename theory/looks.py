"""What the logits at answer positions say besides the answers' log-probabilities, while they are there.

The likeliest token, its lead over the next likeliest (log of the ratio of both, in nats), and how log p(v) varies over
the vocabulary under p: its mean Σ_v p(v) log p(v), in nats, and its variance. Logits are taken in the same chunks as
for the log-probabilities alone, which come out the same to the bit.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from theory.head import Head
from theory.logprobs import BUDGET, Summed, answer_rows, at_answers, sum_by_example

__all__ = ["LOOKS", "Looked", "looked_at"]

LOOKS = ("predicted", "lead", "mean_logp", "variance")
_COPIED = 16 * 2**20
"""Bytes of logits that are looked at at a time, beside those of the chunk."""


class Looked(NamedTuple):
    """Sums by answer; by token of the answers looked at, one's after another's: its log-probability, what was asked."""

    summed: Summed
    token_logp: Float[Tensor, " looked"]
    looks: dict[str, Tensor]


@torch.no_grad()
def looked_at(
    hidden: Float[Tensor, "batch time hidden"],
    head: Head,
    labels: Int[Tensor, "batch time"],
    answers: Bool[Tensor, " batch"],
    looks: Collection[str],
    *,
    budget: int = BUDGET,
) -> Looked:
    """`theory.logprobs.summed` of all answers, and of the tokens of some `answers` those of `LOOKS` that are asked.

    Without gradient. ValueError as in `theory.logprobs.answer_rows`.

    >>> head = Head(torch.tensor([[0.0], [0.0], [1.0]]))
    >>> hidden, labels = torch.ones(1, 3, 1), torch.tensor([[-100, 2, 0]])
    >>> found = looked_at(hidden, head, labels, torch.tensor([True]), ["predicted"])
    >>> found.looks["predicted"], found.summed.tokens
    (tensor([2, 2]), tensor([2]))
    """
    found = answer_rows(labels, head.weight.shape[0])
    where = answers.to(labels.device)[found.example]
    seen: dict[str, list[Tensor]] = {name: [] for name in looks}
    token_logp = at_answers(hidden, head, found, budget, look=_looking(where, seen) if seen else None)
    summed = Summed(sum_by_example(token_logp, found, labels), found.tokens)
    return Looked(summed, token_logp[where], {name: torch.cat(parts) for name, parts in seen.items()})


def _looking(where: Tensor, seen: dict[str, list[Tensor]]) -> Callable[[Tensor, slice], None]:
    """What is done with the logits of some rows before they are spent."""

    def look(logits: Tensor, rows: slice) -> None:
        chosen = where[rows].nonzero().flatten()
        most = max(1, _COPIED // (logits.shape[1] * logits.itemsize))
        for part in chosen.split(most):
            for name, values in _of(logits.index_select(0, part), seen):
                seen[name].append(values)

    return look


def _of(logits: Tensor, names: Collection[str]) -> list[tuple[str, Tensor]]:
    found = [("predicted", logits.argmax(dim=1))] if "predicted" in names else []
    if {"mean_logp", "variance"} & set(names):
        logp = logits.float().log_softmax(dim=1)
        p = logp.exp()
        logp.masked_fill_(p == 0, 0.0)  # a token that is ruled out adds nothing, and 0 · ∞ would be NaN
        mean = (p * logp).sum(dim=1)
        moments = {"mean_logp": mean}
        if "variance" in names:
            moments["variance"] = (p * (logp - mean[:, None]).square_()).sum(dim=1)
        found += [(name, values) for name, values in moments.items() if name in names]
    if "lead" in names:  # last, since it spends the logits
        first = logits.max(dim=1, keepdim=True)
        others = logits.scatter_(1, first.indices, -torch.inf).amax(dim=1)
        found.append(("lead", first.values[:, 0] - others))
    return found
