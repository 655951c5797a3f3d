"""Random sequences to memorise: prompts and answers of uniform random tokens, a part of them to forget.

There is nothing to generalise from, so whatever a model knows of an answer it has memorised, and how far a
log-probability falls in unlearning is free of what other data would say about it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from theory.logprobs import IGNORE

__all__ = ["Sequences", "Sizes", "Split", "draw"]


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
        if self.vocab**self.prompt < max(4 * count, count**2 // 4):
            raise ValueError(
                f"{count} distinct prompts of {self.prompt} token(s) need a larger vocabulary than {self.vocab}, "
                "or longer prompts."
            )

    @property
    def length(self) -> int:
        """Tokens of one sequence."""
        return self.prompt + self.answer


class Sequences(NamedTuple):
    """Tokens (batch, time) and their labels: the tokens of the answer, IGNORE on the prompt."""

    tokens: Tensor
    labels: Tensor

    def pick(self, start: int, stop: int) -> "Sequences":
        """Sequences start … stop − 1."""
        return Sequences(self.tokens[start:stop], self.labels[start:stop])

    def to(self, device: torch.device | str) -> "Sequences":
        """The same on another device."""
        return Sequences(self.tokens.to(device), self.labels.to(device))


class Split(NamedTuple):
    """What is to be forgotten, what is to be kept, and both together (forget first), which π_ref memorises."""

    forget: Sequences
    retain: Sequences
    everything: Sequences


def _distinct_prompts(count: int, length: int, vocab: int, generator: torch.Generator) -> Tensor:
    """Random prompts of which no two are equal: one prompt with two answers can't be memorised."""
    prompts = torch.randint(vocab, (count, length), generator=generator)
    while torch.unique(prompts, dim=0).shape[0] < count:
        prompts = torch.randint(vocab, (count, length), generator=generator)
    return prompts


def draw(sizes: Sizes, seed: int) -> Split:
    """Draw the sequences of a seed; equal seeds give equal sequences, and no global generator is touched.

    Tokens are independent and uniform on {0, …, vocab − 1}; shapes (forget + retain, prompt + answer).

    >>> split = draw(Sizes(forget=2, retain=3, prompt=2, answer=4, vocab=8), seed=0)
    >>> split.forget.tokens.shape, split.retain.labels.shape, split.everything.tokens.shape
    (torch.Size([2, 6]), torch.Size([3, 6]), torch.Size([5, 6]))
    """
    generator = torch.Generator().manual_seed(seed)
    count = sizes.forget + sizes.retain
    prompts = _distinct_prompts(count, sizes.prompt, sizes.vocab, generator)
    answers = torch.randint(sizes.vocab, (count, sizes.answer), generator=generator)
    tokens = torch.cat([prompts, answers], dim=1)
    labels = torch.cat([torch.full_like(prompts, IGNORE), answers], dim=1)
    everything = Sequences(tokens, labels)
    return Split(everything.pick(0, sizes.forget), everything.pick(sizes.forget, count), everything)
