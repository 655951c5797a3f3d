"""Attacks on SmolLM2-135M in curves, as `figures.attacks` draws them, from the one file in which all are kept."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures import attacks
from records.store import Data

__all__ = ["draw"]


def draw(results: Mapping[str, Data]) -> Figure:
    """A column for each attack, a row for each score, of the unit smollm2/battery."""
    units = results["smollm2/battery"].values["units"]
    return attacks.draw({name: Data({}, values) for name, values in units.items() if name.startswith("attack/")})
