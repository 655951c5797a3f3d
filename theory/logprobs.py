"""From logits, or hidden states and an output head, to log-probabilities of answers.

The only place that knows the label −100 ("not part of the answer") and the shift by one: the logits at position t
predict the label at position t + 1. Answer positions are picked out before anything of vocabulary size is made, and
where their logits do not fit a budget, `theory.chunks` takes them piece by piece. Float32 or better inside and out.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from theory.chunks import BUDGET, RowLoss, over_rows
from theory.head import Head, fits, widened

__all__ = [
    "BUDGET",
    "IGNORE",
    "Head",
    "Summed",
    "TokenLogprobs",
    "answer_positions",
    "answer_rows",
    "at_targets",
    "from_logits",
    "from_margins",
    "summed",
    "token_logprobs",
    "token_logprobs_from_logits",
]

IGNORE = -100


class Summed(NamedTuple):
    """Per example: the summed log-probability of its answer in nats, and how many tokens that is."""

    logp: Float[Tensor, " batch"]
    tokens: Int[Tensor, " batch"]


class TokenLogprobs(NamedTuple):
    """Per answer token, example after example: its log-probability in nats, and whose it is; `tokens` per example."""

    logp: Float[Tensor, " tokens"]
    example: Int[Tensor, " tokens"]
    tokens: Int[Tensor, " batch"]

    @property
    def position(self) -> Int[Tensor, " tokens"]:
        """The place of each token in its answer, from 0.

        >>> TokenLogprobs(torch.zeros(3), torch.tensor([0, 0, 1]), torch.tensor([2, 1])).position
        tensor([0, 1, 0])
        """
        starts = torch.cumsum(self.tokens, 0) - self.tokens
        return torch.arange(len(self.logp), device=self.logp.device) - starts[self.example]

    def summed(self) -> Summed:
        """The sum of each example, over its tokens in their order.

        >>> TokenLogprobs(torch.ones(3), torch.tensor([0, 0, 1]), torch.tensor([2, 1])).summed().logp
        tensor([2., 1.])
        """
        longest = int(self.tokens.max())  # each into a place of its own, as in `sum_by_example`
        spread = self.logp.new_zeros(len(self.tokens) * longest, dtype=torch.double)
        spread = spread.scatter(0, self.example * longest + self.position, self.logp.double())
        return Summed(spread.view(-1, longest).sum(dim=1).to(self.logp), self.tokens)

    def mean_prob(self) -> Float[Tensor, " batch"]:
        """The mean probability of each example's tokens, (1/n) Σ_t exp(log p_t).

        >>> TokenLogprobs(torch.tensor([0.5, 0.25]).log(), torch.tensor([0, 0]), torch.tensor([2])).mean_prob()
        tensor([0.3750])
        """
        return self._replace(logp=self.logp.exp()).summed().logp / self.tokens


class AnswerRows(NamedTuple):
    """Where the answers of a batch are: row = position that predicts, target = token predicted, example = whose."""

    rows: Tensor  # (tokens,) index into the flattened (batch · time) positions
    targets: Tensor  # (tokens,)
    example: Tensor  # (tokens,)
    tokens: Tensor  # (batch,) how many each example has


def answer_rows(labels: Int[Tensor, "batch time"], vocab: int) -> AnswerRows:
    """Find the positions that predict an answer token.

    Raises ValueError, naming the example, where one has no answer token or a label outside [0, vocab).

    >>> found = answer_rows(torch.tensor([[-100, -100, 7, 3]]), vocab=10)
    >>> found.rows, found.targets, found.tokens
    (tensor([1, 2]), tensor([7, 3]), tensor([2]))
    """
    targets = labels[:, 1:]
    keep = targets != IGNORE
    tokens = keep.sum(dim=1)
    if bool((tokens == 0).any()):
        where = torch.nonzero(tokens == 0).flatten().tolist()
        raise ValueError(f"No answer token in example(s) {where}: every label after the first position is {IGNORE}.")
    outside = keep & ((targets < 0) | (targets >= vocab))
    if bool(outside.any()):
        example, position = torch.nonzero(outside)[0].tolist()
        label = int(targets[example, position])
        raise ValueError(f"Example {example}, position {position + 1}: label {label} is outside [0, {vocab}).")
    example, position = torch.nonzero(keep, as_tuple=True)
    return AnswerRows(example * labels.shape[1] + position, targets[keep], example, tokens)


def answer_positions(labels: Int[Tensor, "batch time"], vocab: int) -> Bool[Tensor, "batch time"]:
    """Which positions predict an answer token, as a mask; the errors are those of `answer_rows`.

    >>> answer_positions(torch.tensor([[-100, -100, 7, 3]]), vocab=10)
    tensor([[False,  True,  True, False]])
    """
    mask = torch.zeros_like(labels, dtype=torch.bool)
    mask.view(-1)[answer_rows(labels, vocab).rows] = True
    return mask


def sum_by_example(token_logp: Tensor, found: AnswerRows, labels: Tensor) -> Tensor:
    """Each example's sum, (batch,)."""
    # Each into a place of its own and then row by row: in the same order each time, which adding by index is not on a
    # GPU. The weight of a sequence is taken from its sum in the forward pass and must be that of the final sum.
    # In float64, so that it does not depend on how many places there are behind an answer either.
    spread = token_logp.new_zeros(labels.numel(), dtype=torch.double).scatter(0, found.rows, token_logp.double())
    return spread.view(labels.shape).sum(dim=1).to(token_logp)


# --- from logits ----------------------------------------------------------------------------------------------


_FEW = 4096
"""Tokens of a vocabulary over which the fused sum of `cross_entropy` is as exact as the number itself."""


def _log_softmax_at(logits: Tensor, targets: Tensor) -> Tensor:
    # log softmax(z)_y as −cross entropy: fused, and stable because the row maximum is subtracted first. It adds one
    # term to another, and over 50 000 of them loses 1e-5 of the sum, always in the same direction.
    z = logits.to(widened(logits))
    return -cross_entropy(z, targets, reduction="none") if z.shape[-1] <= _FEW else at_targets(z, targets)


def token_logprobs_from_logits(
    logits: Float[Tensor, "batch time vocab"], labels: Int[Tensor, "batch time"]
) -> TokenLogprobs:
    """Log-probability of each answer token from the logits of all positions.

    log π(y_t | x, y_<t) = log softmax(logits[t])[labels[t+1]] wherever labels[t+1] ≠ −100.
    ValueError as in `answer_rows`.

    >>> token_logprobs_from_logits(torch.zeros(1, 3, 2), torch.tensor([[-100, 0, 1]])).logp
    tensor([-0.6931, -0.6931])
    """
    found = answer_rows(labels, logits.shape[-1])
    rows = logits.flatten(0, 1).index_select(0, found.rows)
    return TokenLogprobs(_log_softmax_at(rows, found.targets), found.example, found.tokens)


def from_logits(logits: Float[Tensor, "batch time vocab"], labels: Int[Tensor, "batch time"]) -> Summed:
    """Summed log-probability of each answer from the logits of all positions.

    log π(y|x) = Σ_{t : labels[t+1] ≠ −100} log softmax(logits[t])[labels[t+1]].  ValueError as in `answer_rows`.

    >>> from_logits(torch.zeros(1, 3, 2), torch.tensor([[-100, 0, 1]]))
    Summed(logp=tensor([-1.3863]), tokens=tensor([2]))
    """
    found = answer_rows(labels, logits.shape[-1])
    rows = logits.flatten(0, 1).index_select(0, found.rows)
    return Summed(sum_by_example(_log_softmax_at(rows, found.targets), found, labels), found.tokens)


# --- the one log-softmax of what is trained and of what it is compared with --------------------------------------


def _spent(shifted: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """log softmax(z)_y and Σ exp, (rows, 1) each, from z − max z, which is left as its exp; a row from itself alone."""
    chosen = shifted.gather(1, targets[:, None])
    total = shifted.exp_().sum(dim=1, keepdim=True)
    return chosen - total.log(), total


class _AtTargets(torch.autograd.Function):
    """`at_targets` with its gradient, onehot(y) − softmax(z), as often as one likes."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(z, targets)
        return _spent(z - z.amax(dim=1, keepdim=True), targets)[0][:, 0]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        z, targets = ctx.saved_tensors
        p, by_row = z.softmax(dim=1), upstream[:, None]
        spread = -by_row * p if torch.is_grad_enabled() else p.mul_(-by_row)
        return spread.scatter_add(1, targets[:, None], by_row), None


def at_targets(z: Float[Tensor, "rows vocab"], targets: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """log softmax(z)_y of each row; exact to the last digits over any vocabulary, and the same however rows are cut.

    >>> at_targets(torch.zeros(1, 2), torch.tensor([1]))
    tensor([-0.6931])
    """
    return _AtTargets.apply(z, targets)


# --- from hidden states and an output head ----------------------------------------------------------------------


class _LogProb(RowLoss):
    """log softmax(z)_y of a row, whose gradient is onehot(y) − softmax(z)."""

    buffers = 1

    def __init__(self, targets: Tensor, look: Callable[[Tensor, slice], None] | None = None) -> None:
        self.targets, self.look = targets, look

    def values(self, buffers: Sequence[Tensor], rows: slice) -> Tensor:
        z = buffers[0]
        if self.look is not None:
            self.look(z, rows)
        found, self.total = _spent(z.sub_(z.amax(dim=1, keepdim=True)), self.targets[rows])  # so that no exp overflows
        return found[:, 0]

    def gradient(self, buffers: Sequence[Tensor], rows: slice, upstream: Tensor) -> Tensor:
        dz = buffers[0].mul_(-upstream[:, None] / self.total)
        return dz.scatter_add_(1, self.targets[rows, None], upstream[:, None])


def at_answers(
    hidden: Tensor,
    head: Head,
    found: AnswerRows,
    budget: int,
    promise: Callable[[Tensor], Tensor] | None = None,
    *,
    look: Callable[[Tensor, slice], None] | None = None,
) -> Tensor:
    """The log-probability of each answer token; `look` is shown every chunk of logits, with its rows, on the way."""
    rows = hidden.flatten(0, 1).index_select(0, found.rows)
    if promise is None and fits(len(rows), head, widened(hidden, head.weight, head.bias), budget):
        logits = head.logits(rows)
        if look is not None:
            look(logits, slice(0, len(rows)))
        return at_targets(logits, found.targets)
    loss, counts = _LogProb(found.targets, look), found.tokens.tolist()
    return over_rows(rows, head, loss, examples=counts, budget=budget, promise=promise)


def token_logprobs(
    hidden: Float[Tensor, "batch time hidden"],
    head: Head,
    labels: Int[Tensor, "batch time"],
    weight: Callable[[Tensor], Tensor] | None = None,
    *,
    budget: int = BUDGET,
) -> TokenLogprobs:
    """Log-probability of each answer token from the final hidden states and the output head.

    Equal to `token_logprobs_from_logits(head.logits(hidden), labels)`, but the head runs on answer positions only, and
    in chunks where their logits exceed `budget` bytes (then differentiable once: a trained head computes its logits
    again in the backward pass, a frozen one makes the gradient in the forward pass). `weight` is that of `summed`, from
    the (tokens,) log-probabilities to d loss / d log-probability of each, an example's from its own tokens alone.
    ValueError as in `answer_rows`.

    >>> head = Head(torch.zeros(5, 4))
    >>> token_logprobs(torch.ones(1, 3, 4), head, torch.tensor([[-100, 1, 2]])).logp  # log(1/5)
    tensor([-1.6094, -1.6094])
    """
    found = answer_rows(labels, head.weight.shape[0])
    return TokenLogprobs(at_answers(hidden, head, found, budget, weight), found.example, found.tokens)


def summed(
    hidden: Float[Tensor, "batch time hidden"],
    head: Head,
    labels: Int[Tensor, "batch time"],
    weight: Callable[[Tensor], Tensor] | None = None,
    *,
    budget: int = BUDGET,
) -> Summed:
    """Summed log-probability of each answer from the final hidden states and the output head.

    Equal to `from_logits(head.logits(hidden), labels)`, memory apart (see `token_logprobs`).

    `weight` maps the (batch,) sums to d loss / d sum, each from its own sum, up to one common factor; with it a trained
    head makes its gradient in the forward pass, chunk after chunk of whole answers (a single one where the logits fit
    the budget: faster still, but differentiable once). The gradient is autograd's
    whatever `weight` says: the backward pass multiplies what it finds made by upstream / weight where that is one
    number, and else warns and recomputes. It may be called before all sums are known; those still missing are 0.
    Leave it out for a loss that couples two answers, as DPO does. ValueError as in `answer_rows`.

    >>> from theory.losses import npo, npo_weight
    >>> head, reference = Head(torch.zeros(5, 4, requires_grad=True)), torch.tensor([-2.0])
    >>> weight = lambda logp: npo_weight(logp, reference, beta=0.1)
    >>> logp, tokens = summed(torch.ones(1, 3, 4), head, torch.tensor([[-100, -100, 2]]), weight, budget=0)
    >>> npo(logp, reference, beta=0.1).mean().backward()  # logp = log(1/5)
    >>> head.weight.grad[:, 0]
    tensor([-0.2039, -0.2039,  0.8156, -0.2039, -0.2039])
    """
    found = answer_rows(labels, head.weight.shape[0])

    def promise(token_logp: Tensor) -> Tensor:
        assert weight is not None
        by_example = weight(sum_by_example(token_logp, found, labels))
        return by_example.to(token_logp.dtype).index_select(0, found.example)

    token_logp = at_answers(hidden, head, found, budget, promise if weight else None)
    return Summed(sum_by_example(token_logp, found, labels), found.tokens)


# --- binary labels ----------------------------------------------------------------------------------------------


def from_margins(margins: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """log π(y|x) of a binary label from its margin, the logit of y against the other label.

    log σ(margin) = −softplus(−margin).

    >>> from_margins(torch.zeros(1))
    tensor([-0.6931])
    """
    return logsigmoid(margins)
