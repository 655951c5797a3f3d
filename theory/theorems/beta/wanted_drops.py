"""The chosen β put to the test: does descent with a budget T end at the drop that was wanted?

One example does, to the size of the steps, whatever the model. A set whose mean clock has reached T ends at

    mean u = (1/n) Σ_i u(T_i + R_i, β),      R_i the remainder of example i (theory/theorems/time/intrinsic_time.py),

which is the wanted mean drop only as far as examples that share a tangent kernel share a weight.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.theorems.beta.chosen_beta import beta_for
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem
from theory.theorems.time.intrinsic_time import LogProbs, Parameters, bounds_on_curve, curve, follow, weight_by_drop

__all__ = ["CHOSEN_BETA", "CHOSEN_BETA_OF_A_SET", "SetEnd", "WantedDrops", "ends", "final_drop"]

Array = np.ndarray
FURTHER = 2.0  # how far a set is followed, in drops of the law at its budget, for its mean clock to get there
LEFT = 1.0  # of a step in βu: what a set's steps may leave; first order, measured as .55 at most, not proven


@dataclass(frozen=True)
class WantedDrops:
    """An instance: any model, the drops that are wanted of it one after the other (nats), and the budget T (nats)."""

    log_probs: LogProbs
    parameters: Parameters
    drops: Float[Array, " wanted"]
    budget: float
    step: float = 0.02  # of the descent, in units of βu

    @property
    def betas(self) -> Float[Array, " wanted"]:
        """The β chosen for each wanted drop."""
        return beta_for(self.drops, self.budget)


@dataclass(frozen=True)
class SetEnd:
    """Where a set is at the end of its budget: nats, the drops' means over examples."""

    drop: float
    predicted: float  # with the measured remainders


def final_drop(instance: WantedDrops, beta: float) -> SetEnd:
    """Descend until the mean clock has reached the budget, between the two recorded steps around it."""
    s = instance.step
    at = beta * instance.budget
    alone = instance.log_probs(instance.parameters).shape[0] == 1
    until = float(curve((1 + s) * np.exp(s * (1 + s)) * at)) if alone else FURTHER * float(curve(at))
    path = follow(
        instance.log_probs,
        instance.parameters,
        weight_by_drop(beta),
        step=s,
        until=until,
        scale=beta,
    )
    clock = path.clock.mean(axis=1)
    if clock[-1] < instance.budget:
        raise HypothesisError(f"An example of the set drops {FURTHER:g} times as far as the law says: raise the β.")

    def at_end(columns: Array) -> Array:
        return np.array([np.interp(instance.budget, clock, column) for column in columns.T])

    time = at_end(path.clock) + at_end(path.remainder)
    return SetEnd(float(at_end(path.drop).mean()), float((curve(beta * time) / beta).mean()))


def ends(instance: WantedDrops) -> list[SetEnd]:
    """Where the model ends with each chosen β."""
    return [final_drop(instance, float(beta)) for beta in instance.betas]


def _within_the_budget(instance: WantedDrops) -> None:
    if not bool(np.all(instance.drops < instance.budget)):
        raise HypothesisError(
            f"Gradient ascent itself drops {instance.budget:g} nats, less than the wanted {instance.drops.max():g}: "
            "no β gets there. Raise the budget (more steps, a larger learning rate)."
        )


def _one_example(instance: WantedDrops) -> None:
    _within_the_budget(instance)
    n = instance.log_probs(instance.parameters).shape[0]
    if n != 1:
        raise HypothesisError(f"The rule is exact for one example, {n} were given: take CHOSEN_BETA_OF_A_SET.")


def _bounds(instance: WantedDrops, wanted: Array) -> Bounds:
    scaled = bounds_on_curve(instance.betas * instance.budget, gradient_ascent=False, step=instance.step)
    return Bounds(scaled.lower / instance.betas, scaled.upper / instance.betas)


def _set_bounds(instance: WantedDrops, predicted: Array) -> Bounds:
    room = LEFT * instance.step / instance.betas
    return Bounds(predicted - room, predicted + room)


def _measure(at: Callable[[WantedDrops, list[SetEnd]], Array]) -> Callable[[WantedDrops], Measurement]:
    def measure(instance: WantedDrops) -> Measurement:
        found = ends(instance)
        return Measurement(at(instance, found), np.array([end.drop for end in found]))

    return measure


CHOSEN_BETA: Theorem[WantedDrops] = Theorem(
    name="The β of a wanted drop",
    statement="log((e^x − 1)/x) = log(2T/u − 1), β = x/u: after T nats of descent one example has dropped u",
    source="this project: theory/theorems/beta/chosen_beta.py, from the intrinsic-time law",
    hypotheses=_one_example,
    predict=_bounds,
    measure=_measure(lambda instance, found: instance.drops),
)

CHOSEN_BETA_OF_A_SET: Theorem[WantedDrops] = Theorem(
    name="The β of a wanted drop, for a set",
    statement="mean u = mean_i u(T_i + R_i, β) when the mean clock has reached T, R_i the measured remainder",
    source="this project: theory/theorems/beta/wanted_drops.py, from the intrinsic-time law of a set",
    hypotheses=_within_the_budget,
    predict=_set_bounds,
    measure=_measure(lambda instance, found: np.array([end.predicted for end in found])),
)
