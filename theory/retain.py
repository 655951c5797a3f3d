"""Staying close to the reference on the retain set: the Kullback–Leibler divergence and its gradient.

`kl` is the kernel, one value per row. A language model has a row at every position, and which positions count is part
of the loss; a mask says it, and its name stands for the reduction:

    answer_positions(labels, vocab)    those that predict an answer token (`theory.logprobs`): ours
    real_positions(attention_mask)     every token but padding, the question included
    padded_positions(attention_mask)   every position, padding included: Σ / (batch · time), as the authors' code has it

`KLSums.mean()` divides by as many positions as were counted. Source of the last: `kl_div(..., "batchmean")` on logits
flattened to (batch · time, vocab) in the code of arXiv:2404.05868 and arXiv:2401.06121, where time is 500 or so: for
the same models it is smaller than the mean over real tokens by about the share of padding.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax

from theory.chunks import BUDGET, RowLoss, over_rows
from theory.head import Head, HeadInto, fits, widened

__all__ = ["KLSums", "kl", "kl_from_hidden", "kl_from_logits", "kl_gradient", "padded_positions", "real_positions"]


def _log_probs(logits: Tensor) -> Tensor:
    return log_softmax(logits.to(widened(logits)), dim=-1)


def kl(ref_logits: Float[Tensor, "*rows classes"], logits: Float[Tensor, "*rows classes"]) -> Float[Tensor, " *rows"]:
    """KL(π_ref ‖ π_θ) of each row, in nats.

    KL = Σ_v p_ref(v) (log p_ref(v) − log p(v)).  A row is one position of a language model, or one example of a
    classifier. The direction is that of the published code (arXiv:2404.05868 prints it the other way round).

    >>> kl(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([0.])
    """
    ref_logp, logp = _log_probs(ref_logits), _log_probs(logits)
    p_ref = ref_logp.exp()
    # 0 · (−∞) is 0 here: a class that the reference rules out costs nothing, whatever the model says.
    return torch.where(p_ref == 0, p_ref, p_ref * (ref_logp - logp)).sum(dim=-1)


def kl_gradient(
    ref_logits: Float[Tensor, "*rows classes"], logits: Float[Tensor, "*rows classes"]
) -> Float[Tensor, "*rows classes"]:
    """∂KL/∂logits = p − p_ref, row by row.

    >>> kl_gradient(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([[0., 0.]])
    """
    return _log_probs(logits).exp() - _log_probs(ref_logits).exp()


# --- over the positions of a language model -----------------------------------------------------------------------


class KLSums(NamedTuple):
    """Per example: the sum of KL(π_ref ‖ π_θ) over its positions in nats, and how many positions that is."""

    kl: Float[Tensor, " batch"]
    tokens: Int[Tensor, " batch"]

    def mean(self) -> Float[Tensor, ""]:
        """KL per position, over all examples together: Σ KL / Σ positions.

        >>> KLSums(torch.tensor([1.0, 2.0]), torch.tensor([1, 5])).mean()
        tensor(0.5000)
        """
        return self.kl.sum() / self.tokens.sum()


def real_positions(attention_mask: Tensor) -> Bool[Tensor, "batch time"]:
    """Every position that holds a token, of the question too: a compatibility reduction.

    >>> real_positions(torch.tensor([[0, 1, 1]]))
    tensor([[False,  True,  True]])
    """
    return attention_mask != 0


def padded_positions(attention_mask: Tensor) -> Bool[Tensor, "batch time"]:
    """Every position, padding included: the reduction of the authors' code (arXiv:2404.05868).

    >>> padded_positions(torch.tensor([[0, 1, 1]]))
    tensor([[True, True, True]])
    """
    return torch.ones_like(attention_mask, dtype=torch.bool)


def _rows(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Where the positions are in the flattened batch, and the count of each example."""
    tokens = positions.sum(dim=1)
    if bool((tokens == 0).any()):
        raise ValueError(f"No position to compare in example(s) {torch.nonzero(tokens == 0).flatten().tolist()}.")
    return torch.nonzero(positions.flatten())[:, 0], tokens


def _sum_by_example(values: Tensor, rows: Tensor, positions: Tensor) -> Tensor:
    return values.new_zeros(positions.numel()).scatter(0, rows, values).view(positions.shape).sum(dim=1)


def kl_from_logits(
    ref_logits: Float[Tensor, "batch time vocab"],
    logits: Float[Tensor, "batch time vocab"],
    positions: Bool[Tensor, "batch time"],
) -> KLSums:
    """KL(π_ref ‖ π_θ) summed over the given positions of each example, from the logits of all.

    The sum of `kl` over them.  ValueError, naming the example, where one has no position.

    >>> kl_from_logits(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), torch.tensor([[True, False]]))
    KLSums(kl=tensor([0.]), tokens=tensor([1]))
    """
    rows, tokens = _rows(positions)
    ref_rows, own_rows = (z.flatten(0, 1).index_select(0, rows) for z in (ref_logits, logits))
    return KLSums(_sum_by_example(kl(ref_rows, own_rows), rows, positions), tokens)


class _KLToReference(RowLoss):
    """`kl` of a row to the reference, whose logits come from its own hidden states; the gradient is p − p_ref."""

    buffers = 3

    def __init__(self, ref_rows: Tensor, ref_head: Head, dtype: torch.dtype) -> None:
        self.ref_rows, self.ref_head = ref_rows.detach().to(dtype), HeadInto(ref_head, dtype)

    def values(self, buffers: Sequence[Tensor], rows: slice) -> Tensor:
        difference, ref, own = buffers[:3]
        torch.log_softmax(difference, dim=-1, out=own)
        z_ref = self.ref_head.logits(self.ref_rows[rows], difference)
        torch.log_softmax(z_ref, dim=-1, out=ref)
        torch.sub(ref, own, out=difference)
        p_ref = ref.exp_()
        return difference.mul_(p_ref).masked_fill_(p_ref == 0, 0).sum(dim=1)  # 0 · (−∞) is 0, as in `kl`

    def gradient(self, buffers: Sequence[Tensor], rows: slice, upstream: Tensor) -> Tensor:
        _, p_ref, own = buffers[:3]
        return own.exp_().sub_(p_ref).mul_(upstream[:, None])


def kl_from_hidden(
    ref_hidden: Float[Tensor, "batch time ref_hidden"],
    ref_head: Head,
    hidden: Float[Tensor, "batch time hidden"],
    head: Head,
    positions: Bool[Tensor, "batch time"],
    *,
    budget: int = BUDGET,
    once: bool = False,
) -> KLSums:
    """KL(π_ref ‖ π_θ) summed over the given positions of each example, from hidden states and output heads.

    Equal to `kl_from_logits(ref_head.logits(ref_hidden), head.logits(hidden), positions)`; the reference gets no
    gradient. Both heads run on the given positions only, and in chunks where the logits of either exceed `budget`
    bytes: then the gradient p − p_ref is made in the forward pass, and again in the backward pass only where the head
    is trained and examples come to weigh differently. With `once` that is done where the logits fit too, in a single
    chunk: less memory, and differentiable once, as in chunks. ValueError, naming the example, where one has no
    position.

    >>> ref_head, head, hidden = Head(torch.zeros(3, 2)), Head(torch.eye(3, 2)), torch.ones(1, 2, 2)
    >>> kl_from_hidden(hidden, ref_head, hidden, head, torch.tensor([[True, False]])).kl
    tensor([0.0967])
    """
    if len(ref_head.weight) != len(head.weight):
        raise ValueError(f"The reference has {len(ref_head.weight)} tokens in its vocabulary, not {len(head.weight)}.")
    rows, tokens = _rows(positions)
    ref_rows, own_rows = (h.flatten(0, 1).index_select(0, rows) for h in (ref_hidden.detach(), hidden))
    dtype = widened(hidden, head.weight, head.bias)
    if fits(len(rows), head, dtype, budget) and not once:
        with torch.no_grad():
            ref_logits = ref_head.logits(ref_rows).to(dtype)
        values = kl(ref_logits, head.logits(own_rows))
    else:
        loss = _KLToReference(ref_rows, ref_head, dtype)
        counts = tokens.tolist()
        values = over_rows(own_rows, head, loss, examples=counts, budget=budget, promise=torch.ones_like, warn=False)
    return KLSums(_sum_by_example(values, rows, positions), tokens)
