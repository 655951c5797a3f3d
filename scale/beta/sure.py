"""How sure a β is: what it would be if the wanted drop were another, and in words where the rule is at its end."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from scale.beta.budget import beta_for

__all__ = ["CHECKED", "FOUND", "Range", "beta_range", "caveats"]

FOUND: Mapping[str, tuple[float, float]] = {
    "retrained": (0.9, 1.1),
    "held-out": (1.0, 1.9),
    "base": (1.1, 3.8),
    "paraphrase": (0.6, 2.3),
    "nats": (1.0, 1.0),
}
"""Between how many times the drop of a retrained model each estimate lay, where there was one to hold it against
(`figures/data/wanted-drop.json`, rounded outwards); of the retrained model, how far the mean over answers is known."""
LAW_OFF = 0.1
"""By how much of the wanted drop runs at the β of the rule ended beside it, at most (in that file)."""
ASTRAY = 1.5
"""The ratio of the last run's drop to the wanted one from which the law has not led there."""
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
    (0.018, 0.047)
    """
    low, high = FOUND[by]
    return Range(beta_for(drop / low * (1 + LAW_OFF), budget), beta_for(drop / high * (1 - LAW_OFF), budget))


def caveats(wanted: Mapping[str, Any], *, ended: float, budget: float, reached: bool, optimizer: str) -> list[str]:
    """A sentence for each thing that makes this β less than it should be; `wanted` is the record of the wanted drop.

    `ended` is the drop (nats) of the last run, `budget` the nats that it used of the law's time.
    """
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
    if by in estimates and (error := estimates[by]["error"]) is not None and 2 * error > drop:
        told.append(f"The wanted drop is hardly known: {drop:.3g} ± {error:.2g} nats. More rows would tell more.")
    if reached and not 1 / ASTRAY <= ended / drop <= ASTRAY:
        told.append(
            f"The last run ended at {ended:.3g} and not at {drop:.3g} nats, so this β is a guess: with steps so large "
            "the answers fall past it before NPO can stop them, or β had to be moved too far. Try a smaller lr."
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
