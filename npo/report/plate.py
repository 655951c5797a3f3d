"""A figure of the gallery: its name and words, and from which results it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch

from matplotlib.figure import Figure

from npo.ledger import Results
from records.store import Data

__all__ = ["Plate"]


@dataclass(frozen=True)
class Plate:
    """A figure: file name, title, caption, patterns of the units it needs and of those it also draws, and how."""

    name: str
    title: str
    caption: str
    units: tuple[str, ...]
    draw: Callable[[Results], Figure]
    optional: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()  # of an unlearning run

    def its(self, results: Results) -> Results:
        """The results that it is drawn from; none where a unit that it needs is missing, or a measure."""
        mine = {name: x for name, x in results.items() if any(fnmatch(name, p) for p in self.units + self.optional)}
        there = all(any(fnmatch(name, p) for name in mine) for p in self.units)
        return mine if there and all(self._measured(data) for data in mine.values()) else {}

    def _measured(self, data: Data) -> bool:
        return not self.measures or data.values["moments"][0].keys() >= set(self.measures)
