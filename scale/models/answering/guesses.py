"""What a row may say next: what once followed its last two tokens, in it or in a text that it may come back to.

A guess costs little where it is read together with the token before it, and is right or not; so it may be a bold one.
Answers that leave the true one come back to it, and a model that has lost its words repeats itself.
Source: prompt lookup decoding, arXiv:2304.04487.
"""

from collections.abc import Iterable

__all__ = ["Guesses"]


class Guesses:
    """A text that grows, and what followed each two tokens of it last.

    >>> guesses = Guesses([3, 4, 5, 6, 2])
    >>> guesses.extend([9, 4, 5])
    >>> guesses.next(2), guesses.next(9)
    ([6, 2], [6, 2, 9, 4, 5, 6, 2, 9, 4])
    """

    def __init__(self, hint: Iterable[int]) -> None:
        self.text: list[int] = []
        self.after: dict[tuple[int, ...], int] = {}
        for token in hint:
            self.after[tuple(self.text[-1:])] = len(self.text)  # of the hint one token is enough
            self._add(token)

    def extend(self, tokens: Iterable[int]) -> None:
        """The row goes on with these."""
        for token in tokens:
            self._add(token)

    def _add(self, token: int) -> None:
        if len(self.text) > 1:
            self.after[(self.text[-2], self.text[-1])] = len(self.text)
        self.text.append(token)

    def next(self, most: int) -> list[int]:
        """At most so many tokens, none where nothing is known; at the end of the text it goes round in a circle."""
        at = self.after.get(tuple(self.text[-2:]), self.after.get(tuple(self.text[-1:])))
        if at is None or not self.text:
            return []
        found: list[int] = []
        for i in range(at, at + most):
            found.append(self.text[i] if i < len(self.text) else found[i - len(self.text)])
        return found
