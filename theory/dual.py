"""A retain weight that is a dual variable: it grows while the retain loss is above a bound, and falls below it.

    min_θ L_forget(θ)  subject to  L_retain(θ) ≤ ε,    ε = (1 + a) · L_retain(π_ref)

by descent on L_forget + λ L_retain and, after every step, ascent on λ. The value says how; λ is the state of whoever
runs it. Source: arXiv:2506.05314 (PDU).
"""

from dataclasses import dataclass

__all__ = ["DualAscent"]


@dataclass(frozen=True)
class DualAscent:
    """λ ← [λ + η (L_retain − ε)]₊ after each step, once `warmup` epochs are over; it begins with the retain weight.

    `rate` is η, `slack` a.
    """

    rate: float = 1.0
    slack: float = 0.1
    warmup: int = 5

    def __post_init__(self) -> None:
        """Refuse with ValueError what makes no dual ascent."""
        if not (self.rate > 0 and self.slack >= 0 and self.warmup >= 0):
            raise ValueError(f"A dual ascent has a rate above 0, a slack and a warm-up of 0 or more, not {self}.")

    def bound(self, reference: float) -> float:
        """ε, from the retain loss under the reference.

        >>> DualAscent(slack=0.5).bound(2.0)
        3.0
        """
        return (1 + self.slack) * reference

    def after(self, multiplier: float, retain: float, bound: float) -> float:
        """λ after a step at which the retain loss was `retain`.

        >>> DualAscent(rate=2.0).after(1.0, 3.0, 2.5), DualAscent(rate=2.0).after(1.0, 1.0, 2.5)
        (2.0, 0.0)
        """
        return max(0.0, multiplier + self.rate * (retain - bound))
