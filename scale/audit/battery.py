"""The battery: every family of one model, and of the models beside it, so that each score has its counterpart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from records.doing import doing
from records.work import Progress, silent
from scale.audit.asked import AskedSets
from scale.audit.families import FAMILIES, Family
from scale.audit.items import Items, Score, difference, score_of, statistic
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside

__all__ = ["BESIDE", "MODEL", "Audit", "Measured", "audit", "measured", "plain_scores"]

Measured: TypeAlias = Mapping[str, Mapping[str, Items]]
"""Scores of one model by family and name."""
MODEL, BESIDE = "model", ("retrained", "finetuned")
"""Whose scores an audit has."""


@dataclass(frozen=True)
class Audit:
    """What was measured of the model, and of those beside it that were given: by `MODEL` and `BESIDE`."""

    models: Mapping[str, Measured]
    settings: AuditSettings

    @property
    def scores(self) -> dict[str, float | None]:
        """The model's own by name, None where there is no value: a point of a curve."""
        return plain_scores(self.models[MODEL])

    def score(self, name: str, of: str = MODEL) -> Score | None:
        """A score with its interval; None where it was not measured."""
        items = self._items(name, of)
        return score_of(items, draws=self.settings.draws, seed=self.settings.seed) if items else None

    def against_retrained(self, name: str, of: str = MODEL) -> Score | None:
        """A score less the retrained model's, question by question; None where there is no such model."""
        items, beside = self._items(name, of), self._items(name, "retrained")
        if items is None or beside is None:
            return None
        return difference(items, beside, draws=self.settings.draws, seed=self.settings.seed)

    def _items(self, name: str, of: str) -> Items | None:
        return next((found[name] for found in self.models.get(of, {}).values() if name in found), None)


def audit(
    subject: AuditSubject,
    asked: AskedSets,
    settings: AuditSettings | None = None,
    beside: ModelsBeside | None = None,
    progress: Progress = silent,
) -> Audit:
    """Every family of a model, of the retrained and of the finetuned one.

    forget = set_of(read_user_rows(Path("forget.jsonl")).rows)
    found = audit(loaded("out/forgotten/forget/model", Processes()), AskedSets(forget))
    found.scores, found.score("extraction_strength")

    `loaded` is of `scale.audit.subject`, `AskedSets` and `set_of` of `scale.audit.asked`, `read_user_rows` of
    `scale.data.user_rows`, `Processes` of `scale.runtime.processes`. With `ModelsBeside(retrained=loaded(…))` as
    `beside`, `found.against_retrained` has the differences, question by question.
    """
    settings, beside = settings or AuditSettings(), beside or ModelsBeside()
    others = {name: getattr(beside, name) for name in BESIDE}
    chosen = {MODEL: subject} | {name: one for name, one in others.items() if one is not None}
    models = {}
    for done, (name, one) in enumerate(chosen.items()):
        progress(done, len(chosen))
        models[name] = measured(one, asked, settings, beside)
    return Audit(models, settings)


def measured(
    subject: AuditSubject, asked: AskedSets, settings: AuditSettings, beside: ModelsBeside
) -> dict[str, dict[str, Items]]:
    """Every family of one model that can be measured, by name."""
    found = {}
    for family in families_of(settings):
        doing(f"{family.name} of {subject.name}")
        found[family.name] = dict(family.measure(subject, asked.first(settings.questions), settings, beside))
    return found


def families_of(settings: AuditSettings) -> list[Family]:
    """Those that are asked for, in the order in which they are shown."""
    return [family for name, family in FAMILIES.items() if name in settings.families]


def plain_scores(found: Measured) -> dict[str, float | None]:
    """Plain numbers by score, None for what is not finite."""
    values = {name: statistic(items) for family in found.values() for name, items in family.items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
