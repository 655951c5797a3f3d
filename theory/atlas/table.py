"""The atlas as a table: a row a loss, with its class and law predicted and measured, and its escape from saturation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.atlas.classify import Classified, classify_speed, judge
from theory.atlas.coupled import CoupledPair
from theory.atlas.family import Member
from theory.atlas.growth import KINDS, Growth
from theory.atlas.scalar import ScalarLoss
from theory.atlas.trajectory import Journey, travel

__all__ = [
    "CONFIDENCE",
    "SATURATED",
    "AtlasRow",
    "atlas_arrays",
    "atlas_row",
    "followed",
    "growth_from",
    "of_member",
    "pair_said",
]

Array = np.ndarray
CONFIDENCE, SATURATED = 2.0, 6.0
"""c = logit π_ref of the laws, and of a reference that is nearly certain, π_ref = 0.9975."""


@dataclass(frozen=True)
class AtlasRow:
    """A loss in the atlas. `escape` is the time τ from π = σ(6) to π = ½, ∞ where it never gets there.

    `predicted` is None for a loss of which nothing is known but its kernel.
    """

    name: str
    predicted: Growth | None
    measured: Classified
    escape: float
    path: Journey
    loss: ScalarLoss

    @property
    def difference(self) -> float:
        """The largest relative difference of a constant; ∞ where the class is another, NaN without a prediction."""
        if self.predicted is None:
            return float("nan")
        said, seen = self.predicted, self.measured.growth
        if said.kind != seen.kind or said.sign != seen.sign:
            return float("inf")
        pairs = ((getattr(said, name), getattr(seen, name)) for name in ("coefficient", "constant", "exponent"))
        return max(abs(a - b) / max(abs(a), 1e-300) if a else abs(b) for a, b in pairs)


def atlas_row(loss: ScalarLoss, saturated: ScalarLoss, predicted: Growth | None = None) -> AtlasRow:
    """The row of a loss, given as a flow from an unsure and from a saturated reference.

    >>> from theory.losses import ga
    >>> row = atlas_row(ScalarLoss("GA", ga, 2.0), ScalarLoss("GA", ga, 6.0))
    >>> row.measured.growth.kind, round(row.escape)
    ('linear', 408)
    """
    path = travel(loss.speed, near=abs(loss.confidence) + 30)
    far = travel(saturated.speed, until=1e12, near=abs(saturated.confidence) + 30)
    escape = far.time(saturated.confidence) if far.sign > 0 else float("inf")
    return AtlasRow(loss.name, predicted, judge(path), escape, path, loss)


def of_member(one: Member) -> AtlasRow:
    """The row of a member of the family.

    >>> from theory.atlas.family import FAMILY
    >>> of_member(FAMILY["GA"]).difference < 1e-5
    True
    """
    return atlas_row(one.at(CONFIDENCE), one.at(SATURATED), one.predicted(CONFIDENCE))


def pair_said(pair: CoupledPair) -> str:
    """The classes of a pair whose positive answer has a logit of its own, in a sentence.

    >>> pair_said(CoupledPair(beta=1.0)).partition(", measured")[0].rpartition("positive one ")[2]
    'log-log, m = log log τ + 2'
    """
    seen = classify_speed(pair.positive_speed, until=1e290).growth
    return (
        f"DPO({pair.beta:g}) and AltPO({pair.beta:g}) with a positive answer of its own logit, of log-odds "
        f"{pair.positive_confidence:g}: forget margin {pair.forget().kind}, {pair.forget()}; positive one "
        f"{pair.positive().kind}, {pair.positive()}, measured {seen.kind}, {seen}."
    )


def followed(path: Journey, tau: Float[Array, " t"]) -> Float[Array, " t"]:
    """m(τ) along a path, at its end where τ is beyond it."""
    seen = path.tau > 0
    if not seen.any():
        return np.zeros_like(tau)
    margin = np.exp(np.interp(np.log(tau), np.log(path.tau[seen]), np.log(path.margin[seen])))
    return np.asarray(path.sign * margin)


def atlas_arrays(rows: Iterable[AtlasRow], tau: Float[Array, " t"]) -> dict[str, Array]:
    """What a picture of the atlas needs: `tau` and, by name, `.margin` along it, `.measured` and `.predicted` laws.

    A law is five numbers: the place of its class in `KINDS` (−1: another), coefficient, constant, exponent and sign.
    """
    found: dict[str, Array] = {"tau": tau}
    for row in rows:
        found[f"{row.name}.margin"] = followed(row.path, tau)
        found[f"{row.name}.escape"] = np.array(row.escape)
        laws: Mapping[str, Growth | None] = {"measured": row.measured.growth, "predicted": row.predicted}
        found |= {f"{row.name}.{what}": _numbers(law) for what, law in laws.items() if law is not None}
    return found


def _numbers(law: Growth) -> Array:
    kind = KINDS.index(law.kind) if law.kind in KINDS else -1
    return np.array([kind, law.coefficient, law.constant, law.exponent, law.sign])


def growth_from(numbers: Float[Array, " 5"]) -> Growth | None:
    """The law that `atlas_arrays` wrote; None for one of no class of the atlas.

    >>> growth_from(np.array([0, 1.0, -7.5, 1.0, 1])).kind
    'linear'
    """
    kind, coefficient, constant, exponent, sign = (float(x) for x in numbers)
    return Growth(KINDS[int(kind)], coefficient, constant, exponent, int(sign)) if kind >= 0 else None
