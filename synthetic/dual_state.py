"""A retain weight that is a dual variable (`theory.dual`), as the state of one run in a small room."""

from dataclasses import dataclass

from theory.dual import DualAscent
from theory.objective import Objective

__all__ = ["DualState", "begun"]


@dataclass
class DualState:
    """λ, the bound ε on the retain loss, and how many steps of warming up are left."""

    ascent: DualAscent
    value: float
    bound: float
    waiting: int

    def step(self, retain: float) -> None:
        """What a step makes of it, at which the retain loss was so.

        >>> state = DualState(DualAscent(rate=2.0), 1.0, bound=0.5, waiting=1)
        >>> state.step(1.0), state.value, state.step(1.0), state.value
        (None, 1.0, None, 2.0)
        """
        if self.waiting:
            self.waiting -= 1
        else:
            self.value = self.ascent.after(self.value, retain, self.bound)


def begun(objective: Objective, retain: float, *, epoch: int = 1) -> DualState | None:
    """The state before the first step, from the retain loss under the reference; None where the weight is a number.

    `epoch` is how many steps an epoch has: one where every step takes all rows.
    """
    dual = objective.dual
    if dual is None:
        return None
    return DualState(dual, objective.retain_weight, dual.bound(retain), dual.warmup * epoch)
