"""Which examined moment of a run is its best: the rule that a recipe gives for `unlearn.keep: best`.

A trap: forget quality and the KS distance compare with a model that was retrained without what is forgotten, which
nobody has who needs to unlearn. To choose by them is a peek at the answer; a run that does so says it.
"""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from records.examined import Examined
from records.settings import Positive

__all__ = ["BestSettings", "best_of"]

PEEKS = frozenset({"forget_quality", "log10_forget_quality", "ks_statistic"})
"""Scores that need the retrained model."""


class BestSettings(BaseModel):
    """The moment at which a score is highest, of those at which others are not below a share of the finetuned's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    maximise: str = Field("log10_forget_quality", description="a score; -forget_probability: the lowest of that one")
    at_least: Mapping[str, Positive] = Field(
        {"model_utility": 0.95}, description="scores, each with the share of the finetuned model's that it may not miss"
    )

    @property
    def score(self) -> str:
        """The score by its own name."""
        return self.maximise.removeprefix("-")

    @property
    def named(self) -> tuple[str, ...]:
        """All scores that it asks for."""
        return (self.score, *self.at_least)

    @property
    def peeks(self) -> bool:
        """Does it need the retrained model?"""
        return bool(PEEKS & set(self.named))

    def value(self, moment: Examined) -> float | None:
        """What is maximised; None where it was not measured, or not finite."""
        found = moment.scores.get(self.score)
        return -found if found is not None and self.maximise != self.score else found

    def allows(self, moment: Examined, start: Examined) -> bool:
        """Has it kept enough of what the finetuned model had?"""
        pairs = [(moment.scores.get(name), start.scores.get(name), share) for name, share in self.at_least.items()]
        return all(now is not None and was is not None and now >= share * was for now, was, share in pairs)


def best_of(moments: Sequence[Examined], rule: BestSettings) -> int | None:
    """Which moment is the best, the first of equal ones; None where none is allowed.

    The first moment, before training, is the finetuned model that the others are held against; it is no candidate.

    >>> rule = BestSettings(maximise="-forget_probability", at_least={"model_utility": 0.9})
    >>> scores = [(0.9, 0.60), (0.5, 0.58), (0.3, 0.57), (0.1, 0.2)]
    >>> names = ("forget_probability", "model_utility")
    >>> best_of([Examined(i, i, dict(zip(names, both))) for i, both in enumerate(scores)], rule)
    2
    """
    start, *later = moments
    values = [rule.value(moment) if rule.allows(moment, start) else None for moment in later]
    known = [(value, -i) for i, value in enumerate(values, 1) if value is not None]
    return -max(known)[1] if known else None
