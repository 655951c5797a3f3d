"""When rounding undoes a move of the weights: where they lay on a grid before they were moved.

Weights at phases uniform over a part w of their cells, |x| ≤ w/2 (0: on the grid, 1: anywhere), f = |δ|/Δ:

    E D = ± Δ (⌊f⌋ + clip((f − ⌊f⌋ − (1 − w)/2)/w, 0, 1))        nothing of a move below (1 − w)Δ/2

Weights on the even grid of b₀ bits, rounded to b bits, both with the largest weight s of a block that does not move:
levels k s/n₀ and j s/n, n = 2^{b−1} − 1. With L = lcm(n, n₀) = n n₀ / (2^{gcd(b−1, b₀−1)} − 1)

    |δ| < s/(2L):                  D = 0 at every level: all of the move is undone
    mean over the levels k:        E D = (s/L) round(δ L/s), as of weights on a grid of spacing s/L

So four bits after four bits undo what is below s/14, three after four s/42, eight after four only s/1778; and a move
δ of a model that came from b₀ bits begins to survive at the first b with L ≥ s/(2|δ|).
"""

from dataclasses import dataclass
from math import lcm

import numpy as np
from jaxtyping import Float

from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = [
    "ROUNDING_DEAD_ZONE",
    "ROUNDING_OTHER_BITS",
    "FromBits",
    "NearLevels",
    "kept_near_levels",
    "some_moves_from_bits",
    "some_moves_near_levels",
    "undone_below",
]

Array = np.ndarray
SOURCE = "own; against arXiv:2410.16454"


def undone_below(bits: int, born: int) -> float:
    """The size, in largest weights of a block, below which `bits` undo every move of weights from `born` bits.

    ValueError for fewer than two bits.

    >>> 1 / undone_below(4, born=4), 1 / undone_below(3, born=4), round(1 / undone_below(8, born=4))
    (14.0, 42.0, 1778)
    """
    if min(bits, born) < 2:
        raise ValueError(f"A grid with a sign and a zero takes two bits or more, not {min(bits, born)}.")
    return 1 / (2 * lcm(2 ** (bits - 1) - 1, 2 ** (born - 1) - 1))


def kept_near_levels(move: Float[Array, "*n"], spacing: float, spread: float) -> Float[Array, "*n"]:
    """The mean move E D of weights at phases uniform over this part of their cells.

    >>> kept_near_levels(np.array([0.2, 0.3, 0.9]), spacing=1.0, spread=0.5)
    array([0. , 0.1, 1. ])
    """
    size = np.abs(move) / spacing
    part = size % 1.0
    crossed = part > 0.5 if spread == 0 else np.clip((part - (1 - spread) / 2) / spread, 0, 1)
    kept: Array = np.sign(move) * spacing * (np.floor(size) + crossed)
    return kept


@dataclass(frozen=True)
class NearLevels:
    """Moves δ (1,) on a grid of spacing Δ, at so many phases evenly spaced over a part `spread` of a cell."""

    move: Array
    spread: float
    spacing: float = 1.0
    phases: int = 10_007


def _a_part(instance: NearLevels) -> None:
    if not (instance.spacing > 0 and instance.phases > 0 and np.all(np.isfinite(instance.move))):
        raise HypothesisError("A grid has a positive spacing, moves are finite and tried at one phase or more.")
    if not 0 <= instance.spread <= 1:
        raise HypothesisError("Weights lie in a part of their cells between 0 (on the grid) and 1 (anywhere).")


def _mean_near_levels(instance: NearLevels) -> Measurement:
    phase = instance.spread * ((np.arange(instance.phases) + 0.5) / instance.phases - 0.5)
    moved = np.round(phase + instance.move[:, None] / instance.spacing) - np.round(phase)
    return Measurement(instance.move, instance.spacing * moved.mean(axis=1))


def _predicted_near_levels(instance: NearLevels, at: Array) -> Bounds:
    law = kept_near_levels(at, instance.spacing, instance.spread)
    off = instance.spacing / instance.phases
    return Bounds(law - off, law + off)


ROUNDING_DEAD_ZONE = Theorem[NearLevels](
    "rounding-dead-zone",
    "of weights within ±wΔ/2 of their levels rounding undoes every move below (1 − w)Δ/2, and keeps δ where w = 1",
    SOURCE,
    _a_part,
    _predicted_near_levels,
    _mean_near_levels,
)


@dataclass(frozen=True)
class FromBits:
    """Moves δ (1,), in largest weights, of weights on every level of `born` bits; then rounded to `bits`."""

    move: Array
    bits: int
    born: int

    def rounded(self) -> Float[Array, "moves levels"]:
        """Q(w + δ) − Q(w) of every move from n₀ successive levels, a whole period of the phases."""
        top, before = 2 ** (self.bits - 1) - 1, 2 ** (self.born - 1) - 1
        level = np.arange(before) * top / before
        return (np.round(level + self.move[:, None] * top) - np.round(level)) / top


def _two_bits(instance: FromBits) -> None:
    if min(instance.bits, instance.born) < 2:
        raise HypothesisError("A grid with a sign and a zero takes two bits or more.")
    gap = 2 * undone_below(instance.bits, instance.born)
    if np.any(np.abs(np.abs(instance.move) / gap % 1 - 0.5) < 1e-9):
        raise HypothesisError(f"A move of an odd number of halves of {gap:.3g} may go either way: move a little more.")


def _mean_from_bits(instance: FromBits) -> Measurement:
    return Measurement(instance.move, instance.rounded().mean(axis=1))


def _predicted_from_bits(instance: FromBits, at: Array) -> Bounds:
    gap = 2 * undone_below(instance.bits, instance.born)
    law = gap * np.round(at / gap)
    return Bounds(law, law)


ROUNDING_OTHER_BITS = Theorem[FromBits](
    "rounding-other-bits",
    "weights that came from b₀ bits move under b bits as on a grid of s/lcm(2^{b−1} − 1, 2^{b₀−1} − 1): below half of "
    "that not at all",
    SOURCE,
    _two_bits,
    _predicted_from_bits,
    _mean_from_bits,
    tolerance=1e-9,
)


def some_moves_near_levels(seed: int) -> NearLevels:
    """Moves of both signs, up to two cells, of weights that a little training took from their levels."""
    return NearLevels(np.random.default_rng(seed).uniform(-0.6, 0.6, size=200), spread=0.4, spacing=0.3)


def some_moves_from_bits(seed: int) -> FromBits:
    """Moves of a four-bit model that is rounded to three."""
    return FromBits(np.random.default_rng(seed).uniform(-0.3, 0.3, size=200), bits=3, born=4)
