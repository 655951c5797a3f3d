"""Invented words, names and pools of phrases: what the embedded corpora are made of."""

import random
from collections.abc import Iterator
from itertools import product

__all__ = ["names", "pool", "word"]


def pool(*parts: str) -> tuple[str, ...]:
    """Every combination of the alternatives in `parts`, each a list separated by bars, joined by spaces.

    >>> pool("a red|a blue", "hat")
    ('a red hat', 'a blue hat')
    """
    return tuple(" ".join(choice) for choice in product(*(part.split("|") for part in parts)))


_ONSETS = pool("b|br|c|d|dr|f|g|gr|h|j|k|l|m|n|p|qu|r|s|sh|st|t|th|tr|v|w|y|z")
_VOWELS = pool("a|e|i|o|u|ae|ei|ia|io|ou")
_CODAS = pool("|l|m|n|r|s|th|x|nd|rk")


def word(draw: random.Random, syllables: int) -> str:
    """A capitalised word that means nothing."""
    made = "".join(draw.choice(_ONSETS) + draw.choice(_VOWELS) for _ in range(syllables))
    return (made + draw.choice(_CODAS)).capitalize()


def names(draw: random.Random) -> Iterator[str]:
    """Names of people without end, none twice."""
    used: set[str] = set()
    while True:
        name = f"{word(draw, 2)} {word(draw, draw.choice((2, 3)))}"
        if name not in used:
            used.add(name)
            yield name
