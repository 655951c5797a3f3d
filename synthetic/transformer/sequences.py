"""Random sequences to memorise: prompts and answers of uniform random tokens, a part of them to forget.

There is nothing to generalise from, so whatever a model knows of an answer it has memorised, and how far a
log-probability falls in unlearning is free of what other data would say about it. Text that can be read is in
`synthetic.transformer.language`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from theory.logprobs import IGNORE

__all__ = ["SequenceSplit", "Sequences", "Sizes", "answered", "concatenated", "draw"]

ENOUGH = 128  # tokens of a prompt beyond which no more are needed to tell any number of them apart


@dataclass(frozen=True)
class Sizes:
    """How many sequences there are, and how long; `prompt` and `answer` count tokens."""

    forget: int
    retain: int
    prompt: int
    answer: int
    vocab: int

    def __post_init__(self) -> None:
        """Refuse so few possible prompts that `draw` would hardly ever, or never, find distinct ones."""
        count = self.forget + self.retain
        if self.vocab ** min(self.prompt, ENOUGH) < max(4 * count, count**2 // 4):
            raise ValueError(
                f"{count} distinct prompts of {self.prompt} token(s) need a larger vocabulary than {self.vocab}, "
                "or longer prompts."
            )

    @property
    def length(self) -> int:
        """Tokens of one sequence."""
        return self.prompt + self.answer


class Sequences(NamedTuple):
    """Tokens (…, batch, time) and their labels: the tokens of the answer, IGNORE on the prompt.

    Leading axes, where there are any, are those of models that go together (`synthetic.transformer.stacked`).
    """

    tokens: Tensor
    labels: Tensor

    def pick(self, start: int, stop: int) -> "Sequences":
        """Sequences start … stop − 1."""
        return Sequences(self.tokens[..., start:stop, :], self.labels[..., start:stop, :])

    def rows(self, index: Tensor) -> "Sequences":
        """The sequences with these numbers."""
        return Sequences(self.tokens[..., index, :], self.labels[..., index, :])

    def to(self, device: torch.device | str) -> "Sequences":
        """The sequences on another device."""
        return Sequences(self.tokens.to(device), self.labels.to(device))


def concatenated(first: Sequences, second: Sequences) -> Sequences:
    """The rows of both, one after the other."""
    return Sequences(*(torch.cat(pair, dim=-2) for pair in zip(first, second, strict=True)))


class SequenceSplit(NamedTuple):
    """What to forget, what to keep, and the forget prompts with other answers.

    `positive` are those of IDK, DPO and KTO; `alternate` are of the same kind as the right ones, and wrong.
    """

    forget: Sequences
    retain: Sequences
    positive: Sequences
    alternate: Sequences | None = None

    @property
    def everything(self) -> Sequences:
        """Forget and retain sequences together, in this order: what π_ref memorises."""
        return concatenated(self.forget, self.retain)

    def to(self, device: torch.device | str) -> "SequenceSplit":
        """The sets on another device."""
        return self.each(lambda part: part.to(device))

    def each(self, change: Callable[[Sequences], Sequences]) -> "SequenceSplit":
        """The sets, each changed."""
        alternate = None if self.alternate is None else change(self.alternate)
        return SequenceSplit(change(self.forget), change(self.retain), change(self.positive), alternate)


def answered(prompts: Tensor, answers: Tensor) -> Sequences:
    """Prompts (batch, time) followed by their answers (batch, time), of which alone the labels speak."""
    return Sequences(
        torch.cat([prompts, answers], dim=1), torch.cat([torch.full_like(prompts, IGNORE), answers], dim=1)
    )


def _distinct_prompts(count: int, length: int, vocab: int, generator: torch.Generator) -> Tensor:
    """Random prompts of which no two are equal: one prompt with two answers can't be memorised."""
    prompts = torch.randint(vocab, (count, length), generator=generator)
    while torch.unique(prompts, dim=0).shape[0] < count:
        prompts = torch.randint(vocab, (count, length), generator=generator)
    return prompts


def draw(sizes: Sizes, seed: int) -> SequenceSplit:
    """Draw the sequences of a seed; equal seeds give equal sequences, and no global generator is touched.

    Tokens are independent and uniform on {0, …, vocab − 1}; shapes (forget + retain, prompt + answer). The positive
    answer of a forget prompt is one more random sequence, and so is its alternative answer.

    >>> split = draw(Sizes(forget=2, retain=3, prompt=2, answer=4, vocab=8), seed=0)
    >>> split.forget.tokens.shape, split.retain.labels.shape, split.everything.tokens.shape
    (torch.Size([2, 6]), torch.Size([3, 6]), torch.Size([5, 6]))
    """
    generator = torch.Generator().manual_seed(seed)
    count, forget = sizes.forget + sizes.retain, sizes.forget
    prompts = _distinct_prompts(count, sizes.prompt, sizes.vocab, generator)
    answers = torch.randint(sizes.vocab, (count, sizes.answer), generator=generator)
    positive = torch.randint(sizes.vocab, (forget, sizes.answer), generator=generator)
    alternate = torch.randint(sizes.vocab, (forget, sizes.answer), generator=generator)
    everything, asked = answered(prompts, answers), prompts[:forget]
    return SequenceSplit(
        everything.pick(0, forget),
        everything.pick(forget, count),
        answered(asked, positive),
        answered(asked, alternate),
    )
