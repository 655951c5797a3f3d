"""Is an answer empty or mostly repetition?"""

from collections.abc import Sequence

from scale.models.answering import generation

__all__ = ["degenerate"]


def degenerate(generated: Sequence[int], text: str) -> float:
    """1 where a generated answer is empty or repeats itself (`scale.models.answering.generation.degenerate`), else 0.

    >>> degenerate([5, 6, 7] * 4, "It is. " * 4)
    1.0
    """
    return float(generation.degenerate(list(generated), text))
