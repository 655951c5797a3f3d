"""A theorem as a value: what it assumes, what it predicts, what is measured, and whether the two agree.

Tests, notebooks, figures and the report are readers of the same object:

    verdict = PROPOSITION_1.check(instance)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

__all__ = ["Bounds", "HypothesisError", "Measurement", "Theorem", "Verdict"]

Instance = TypeVar("Instance")


class HypothesisError(ValueError):
    """Is raised when an instance does not satisfy a theorem's hypotheses; the message names the remedy."""


@dataclass(frozen=True)
class Measurement:
    """Values observed at the points `at` (steps, β, or intrinsic time, as the theorem says)."""

    at: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Bounds:
    """lower ≤ value ≤ upper, elementwise; equal where the theorem is a law."""

    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """Does the measurement lie within the prediction?

    `slack` is the smallest distance to a bound as a fraction of the measured value (negative where it is broken).
    """

    theorem: str
    holds: bool
    points: int
    slack: float

    def __str__(self) -> str:
        word = "holds" if self.holds else "FAILS"
        return f"{self.theorem}: {word} at {self.points} points, smallest relative slack {self.slack:.2e}"


@dataclass(frozen=True)
class Theorem(Generic[Instance]):
    """A statement of a paper, executable.

    `hypotheses(instance)` raises HypothesisError, `predict(instance, at)` gives bounds with explicit constants,
    `measure(instance)` runs the real thing. `tolerance` is relative rounding allowed to a comparison.
    """

    name: str
    statement: str
    source: str
    hypotheses: Callable[[Instance], None]
    predict: Callable[[Instance, np.ndarray], Bounds]
    measure: Callable[[Instance], Measurement]
    tolerance: float = 1e-12

    def check(self, instance: Instance) -> Verdict:
        """Hypotheses, prediction, measurement, verdict."""
        self.hypotheses(instance)
        measured = self.measure(instance)
        return self.judge(self.predict(instance, measured.at), measured)

    def judge(self, bounds: Bounds, measured: Measurement) -> Verdict:
        """Hold a measurement against bounds; a NaN breaks every bound."""
        scale = np.maximum(np.abs(measured.value), 1e-290)  # where doubles are not yet denormal
        slack = np.minimum(measured.value - bounds.lower, bounds.upper - measured.value) / scale
        holds = bool(np.all(slack >= -self.tolerance))  # NaN compares false
        return Verdict(self.name, holds, measured.value.size, float(np.min(slack)))
