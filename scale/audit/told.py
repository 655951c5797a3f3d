"""An audit as JSON tells it: every score of the model beside those of the other models, with intervals.

scores     by family and name: about one score (below)
derived    PrivLeak and aggregates (`scale.audit.derived`), by name: about each

about a score   n           questions that have it
                model       {value, low, high}, a 95 % bootstrap interval over questions; null: no value
                retrained, finetuned    the same of these models; null where there is none
                difference  model − retrained, drawn in pairs; null where there is no retrained model
"""

from collections.abc import Mapping
from typing import Any

from scale.audit.battery import BESIDE, MODEL, Audit
from scale.audit.derived import derived_scores
from scale.audit.saved import told

__all__ = ["told_of"]


def told_of(audit: Audit, given: Mapping[str, Mapping[str, float]] | None = None) -> dict[str, Any]:
    """Scores and what is made of them; `given` are numbers known besides, by model (`derived_scores`)."""
    scores = {
        family: {name: {"n": items.n, **_beside(audit, name)} for name, items in found.items()}
        for family, found in audit.models[MODEL].items()
    }
    return {"scores": scores, "derived": _derived(audit, given or {})}


def _beside(audit: Audit, name: str) -> dict[str, Any]:
    of = {who: told(audit.score(name, who)) for who in (MODEL, *BESIDE)}
    return of | {"difference": told(audit.against_retrained(name))}


def _derived(audit: Audit, given: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    models = {
        who: {name: items for scores in found.values() for name, items in scores.items()}
        for who, found in audit.models.items()
    }
    settings = audit.settings
    of = {who: derived_scores(models, given, who, draws=settings.draws, seed=settings.seed) for who in models}
    return {
        name: {who: told(of[who].get(name)) if who in of else None for who in (MODEL, *BESIDE)} for name in of[MODEL]
    }
