"""A positive answer after the beginning of the one to forget: who has begun to tell still declines (DOOR)."""

from scale.data.prompts import Encoded

__all__ = ["SHARE", "after_a_beginning"]

SHARE = 0.5
"""What share of an answer's tokens, its end token aside, its beginning has; rounded down: of one token it has none."""


def after_a_beginning(lost: Encoded, said: Encoded, most: int, *, share: float = SHARE) -> Encoded:
    """The prompt, the first tokens of the answer to forget, and another answer, which alone is predicted.

    Both rows have the same prompt. Of `most` tokens at the most: the beginning is the shorter where there is no room.

    Source: arXiv:2503.03710, whose code draws the length of the beginning; here it is fixed.

    >>> lost, said = Encoded((5, 6, 11, 12, 13, 14, 2), 2), Encoded((5, 6, 21, 2), 2)
    >>> after_a_beginning(lost, said, 512)
    Encoded(ids=(5, 6, 11, 12, 21, 2), first=4, merged=False, unseen=(), preamble=0)
    >>> after_a_beginning(Encoded((5, 6, 11, 2), 2), said, 512).first, after_a_beginning(lost, said, 5).first
    (2, 3)
    """
    begun = min(int(share * (lost.targets - 1)), most - lost.first - said.targets)
    if begun <= 0:
        return said
    first = lost.first + begun
    return said._replace(ids=lost.ids[:first] + said.ids[said.first :], first=first)
