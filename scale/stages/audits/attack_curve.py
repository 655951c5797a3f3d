"""A model audited at every level of an attack, each level kept as soon as it is done."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from records.doing import doing
from records.store import CHECKPOINT, Data, load, save
from records.work import Progress
from scale.audit.asked import AskedSets
from scale.audit.battery import measured
from scale.audit.saved import arrays_of, items_of
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.stages.audits.audited import families_told, flat, scores_told

__all__ = ["AttackCurve"]


@dataclass
class AttackCurve:
    """The levels done so far, of a model that is changed from level to level; `folder` is the unit's.

    `before` is what an audit of the model as it was has found already, of these questions: the first level.
    """

    folder: Path
    subject: AuditSubject
    asked: AskedSets
    settings: AuditSettings
    beside: ModelsBeside
    before: Data | None = None
    done: list[Data] = field(default_factory=list)

    def follow(self, levels: Iterable[tuple[float, nn.Module]], count: int, progress: Progress) -> None:
        """Audit the model at every level; a level that an interrupted run has audited is only passed."""
        for number, (level, scorer) in enumerate(levels):
            doing(f"auditing at {level:g}")
            self.done.append(self._at(number, level, scorer))
            progress(min(number + 1, count), count)

    def _at(self, number: int, level: float, scorer: nn.Module) -> Data:
        if number == 0 and self.before is not None:
            return self._known(self.before, level)
        place, processes = self.folder / CHECKPOINT / f"level-{number}", self.subject.processes
        if processes.agreed(partial(_is_there, place)):
            return load(place)
        now = replace(self.subject, scorer=scorer, read={}, kept=None)
        found = measured(now, self.asked, self.settings, self.beside)
        data = Data(arrays_of(flat(found)), {"level": level, "families": families_told(found)})
        if processes.first:
            place.mkdir(parents=True, exist_ok=True)
            save(place, data)
        return data

    def _known(self, before: Data, level: float) -> Data:
        """The first level, of the families that are wanted."""
        families = {name: before.values["families"][name] for name in self.settings.families}
        names = {score for scores in families.values() for score in scores}
        arrays = {name: x for name, x in before.arrays.items() if name.removesuffix(".others") in names}
        return Data(arrays, {"level": level, "families": families})

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Every score by level and question, (levels, n)."""
        return {name: np.stack([data.arrays[name] for data in self.done]) for name in self._names(self.done[0].arrays)}

    def _names(self, first: Iterable[str]) -> list[str]:
        """Those that every level has: an audit before has more of rows to retain."""
        return [name for name in first if all(name in data.arrays for data in self.done)]

    def values(self) -> dict[str, Any]:
        """Levels, families and scores with their intervals, each a list by level."""
        points = [scores_told(items_of(data.arrays), self.settings) for data in self.done]
        names = self._names(points[0])
        families = {family: self._names(of) for family, of in self.done[0].values["families"].items()}
        return {
            "levels": [data.values["level"] for data in self.done],
            "families": families,
            "scores": {name: {key: [p[name][key] for p in points] for key in points[0][name]} for name in names},
            "asked": {name: len(one.questions) for name, one in self.asked.first(self.settings.questions).sets.items()},
        }


def _is_there(place: Path) -> bool:
    return (place / "data.json").is_file()  # written last
