"""A model as it was examined at a moment of its unlearning: what a run writes, and pages, claims and figures read."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Examined", "further", "kept_of", "moments_of"]

_BESIDE = ("_rouge1", "_degenerate", "_kl")
"""How measures end that are taken beside others of their set, and have no column or panel of their own."""


class Examined(NamedTuple):
    """After which step and epoch, and the measures by name; None where one was not finite, or not taken then."""

    step: int
    epoch: int
    scores: Mapping[str, float | None]

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Examined":
        """From its entry in `data.json`, where the measures stand beside step and epoch.

        >>> Examined.of({"step": 8, "epoch": 2, "model_utility": 0.5})
        Examined(step=8, epoch=2, scores={'model_utility': 0.5})
        """
        return cls(saved["step"], saved["epoch"], {k: v for k, v in saved.items() if k not in ("step", "epoch")})

    def saved(self) -> dict[str, float | None]:
        """Its entry in `data.json`."""
        return {"step": self.step, "epoch": self.epoch, **self.scores}


def moments_of(values: Mapping[str, Any]) -> list[Examined]:
    """The moments of a run's values, the first before training, the last its end."""
    return [Examined.of(saved) for saved in values["moments"]]


def further(scores: Iterable[Mapping[str, Any]], known: Collection[str]) -> list[str]:
    """Measures that are in some results and are not known beforehand: metrics that a recipe or a task has named.

    >>> further([{"model_utility": 1.0, "forget_kl": 0.1, "forget_min_k": 2.0}], known=["model_utility"])
    ['forget_min_k']
    """
    every = dict.fromkeys(key for one in scores for key in one)
    return [key for key in every if key not in known and key != "forget_quality" and not key.endswith(_BESIDE)]


def kept_of(values: Mapping[str, Any]) -> int:
    """Which of a run's moments is that of its model: the last, or the best where that was kept."""
    steps = [moment.step for moment in moments_of(values)]
    kept = (values.get("kept") or {}).get("step")
    return steps.index(kept) if kept in steps else len(steps) - 1
