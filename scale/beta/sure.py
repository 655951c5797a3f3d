"""How sure a β is: what it would be if the wanted drop were another, and in words where the rule is at its end."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from scale.beta.budget import beta_for

__all__ = ["CHECKED", "OFF", "Range", "beta_range", "caveats"]

OFF: Mapping[str, float] = {"retrained": 0.1, "held-out": 0.1, "base": 0.25, "paraphrase": 0.25, "nats": 0.0}
"""By how much of the wanted drop each estimate was off, at most, where it was held against a retrained model
(`figures/data/wanted-drop.json`); of the retrained model itself, by how much another seed of it differs."""
LAW_OFF = 0.1
"""By how much of the wanted drop runs at the β of the rule ended beside it (the same file)."""
DISAGREE = 2.0
"""The ratio of two estimates from which they contradict each other."""
CHECKED = ("adamw", "adamw8bit")
"""Optimizers with which the rule was held against runs."""


class Range(NamedTuple):
    """The β for the largest and for the smallest drop that may be the wanted one; None where there is no such β."""

    low: float | None
    high: float | None


def beta_range(drop: float, by: str, budget: float) -> Range:
    """Between which β lies, as far as the estimate and the law were found to be off.

    >>> found = beta_range(356.0, "held-out", 3.1e4)
    >>> round(found.low, 3), round(found.high, 3)
    (0.017, 0.024)
    """
    off = (OFF[by] ** 2 + LAW_OFF**2) ** 0.5
    return Range(*(beta_for(drop * (1 + sign * off), budget) for sign in (1, -1)))


def caveats(wanted: Mapping[str, Any], *, budget: float, reached: bool, optimizer: str) -> list[str]:
    """A sentence for each thing that makes this β less than it should be; `wanted` is the record of the wanted drop."""
    drop, by, estimates = wanted["drop"], wanted["by"], wanted["estimates"]
    told = []
    if by == "retrained":
        told.append(
            "The wanted drop is from the retrained model: a peek at what there is not where one has to unlearn."
        )
    others = {name: one["drop"] for name, one in estimates.items() if name != by}
    if far := [name for name, one in others.items() if not 1 / DISAGREE <= one / drop <= DISAGREE]:
        said = ", ".join(f"{others[name]:.3g} by {name}" for name in far)
        told.append(
            f"Estimates of the wanted drop disagree by more than a factor {DISAGREE:g}: {drop:.3g} nats, {said}."
        )
    if not reached:
        told.append(
            f"The schedule does not come to the wanted drop: it lets the answers fall by about {max(budget, 0):.3g} of "
            f"{drop:.3g} nats even as gradient ascent, which this β nearly is. More epochs or a larger lr come further."
        )
    if optimizer.lower() not in CHECKED:
        told.append(
            f"The rule was held against runs with AdamW; with {optimizer} it was not, so look at the drop of the run."
        )
    return told
