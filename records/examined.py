"""A model as it was examined at a moment of its unlearning: what a run writes, and pages, claims and figures read."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Examined", "moments_of"]


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
