"""From logits, or hidden states and an output head, to log-probabilities of answers.

The only place that knows the label −100 ("not part of the answer") and the shift by one: the logits at position t
predict the label at position t + 1. Answer positions are picked out before anything of vocabulary size is made.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, logsigmoid

__all__ = ["IGNORE", "Head", "Summed", "answer_rows", "from_logits", "from_margins", "summed"]

IGNORE = -100


class Head(NamedTuple):
    """The output head of a language model: logits = hidden · weightᵀ + bias."""

    weight: Float[Tensor, "vocab hidden"]
    bias: Float[Tensor, " vocab"] | None = None


class Summed(NamedTuple):
    """Per example: the summed log-probability of its answer in nats, and how many tokens that is."""

    logp: Float[Tensor, " batch"]
    tokens: Int[Tensor, " batch"]


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


def _sum_by_example(token_logp: Tensor, found: AnswerRows) -> Summed:
    total = torch.zeros(found.tokens.shape[0], dtype=token_logp.dtype, device=token_logp.device)
    return Summed(total.index_add(0, found.example, token_logp), found.tokens)


def _token_logp(logits: Tensor, targets: Tensor) -> Tensor:
    # log softmax(z)_y as −cross entropy: fused, and stable because the row maximum is subtracted first.
    wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return -cross_entropy(wide, targets, reduction="none")


def from_logits(logits: Float[Tensor, "batch time vocab"], labels: Int[Tensor, "batch time"]) -> Summed:
    """Summed log-probability of each answer from the logits of all positions.

    log π(y|x) = Σ_{t : labels[t+1] ≠ −100} log softmax(logits[t])[labels[t+1]], in float32 or better.

    >>> from_logits(torch.zeros(1, 3, 2), torch.tensor([[-100, 0, 1]]))
    Summed(logp=tensor([-1.3863]), tokens=tensor([2]))
    """
    found = answer_rows(labels, logits.shape[-1])
    return _sum_by_example(_token_logp(logits.flatten(0, 1)[found.rows], found.targets), found)


def summed(hidden: Float[Tensor, "batch time hidden"], head: Head, labels: Int[Tensor, "batch time"]) -> Summed:
    """Summed log-probability of each answer from the final hidden states and the output head.

    Equal to `from_logits(linear(hidden, *head), labels)`, but the head runs on answer positions only.

    >>> head = Head(torch.zeros(5, 4))
    >>> summed(torch.ones(1, 3, 4), head, torch.tensor([[-100, -100, 2]])).logp  # log(1/5)
    tensor([-1.6094])
    """
    found = answer_rows(labels, head.weight.shape[0])
    rows = hidden.flatten(0, 1)[found.rows]
    return _sum_by_example(_token_logp(linear(rows, head.weight, head.bias), found.targets), found)


def from_margins(margins: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """log π(y|x) of a binary label from its margin, the logit of y against the other label.

    log σ(margin) = −softplus(−margin).

    >>> from_margins(torch.zeros(1))
    tensor([-0.6931])
    """
    return logsigmoid(margins)
