"""Intrinsic time for every loss, put to the test: one answer of a model, forgotten under each loss apart.

Descent is by the loss's own weight, in steps of whatever size keeps them small for the law, and never asks the law.
A step is linear to a fraction s, and along it log w moves by at most τ, so that where one answer ends obeys

    T (1 − s) e^{−τ} ≤ F(u) ≤ T (1 + s) e^τ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.kernel import Kernel
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem
from theory.theorems.time.drop_weights import ForgetAnswer, drop_weight
from theory.theorems.time.intrinsic_time import LogProbs, Parameters, follow
from theory.theorems.time.loss_times import LossTime, loss_time
from theory.theorems.time.paths import IntrinsicPath, to_arrays

__all__ = [
    "LOSS_TIMES",
    "Forgetting",
    "OffTheLaw",
    "asked_over_passed",
    "columns_of",
    "end_of",
    "forgotten",
    "laws_from",
    "laws_of",
    "off_the_law",
    "room",
]

Array = np.ndarray
POINTS = 40  # of a path that the theorem looks at
SAVED = 60
SHORT_OF = 0.98  # of the drop at which a loss is content, which descent never reaches


@dataclass(frozen=True)
class Forgetting:
    """An instance: answers, forgotten under each of several losses apart, which have a leading axis in the parameters.

    log π is (losses, n); the law is for n = 1, and with the remainder for a set of n examples, or of the tokens of an
    answer where a loss looks at each. `counts` has the tokens of an answer by loss, where they are not 1. Each run ends
    at a drop of `until` nats, where a law reaches the time `longest`, or after `most` steps.
    """

    log_probs: LogProbs
    parameters: Parameters
    kernels: Mapping[str, Kernel]
    counts: Mapping[str, int] = field(default_factory=dict)
    step: float = 0.02
    until: float = 8.0
    longest: float = 1e5
    most: int = 100_000


def laws_of(instance: Forgetting) -> list[list[LossTime]]:
    """The law of each loss, for each answer as its run starts; HypothesisError where a loss has none."""
    start = instance.log_probs(instance.parameters).detach()
    return [
        laws_from(kernel, row, instance.counts.get(name, 1))
        for (name, kernel), row in zip(instance.kernels.items(), start, strict=True)
    ]


def laws_from(kernel: Kernel, ref_logp: Tensor, count: int = 1) -> list[LossTime]:
    """The law of a loss for each of several answers."""
    return [loss_time(kernel, ForgetAnswer(float(x), count)) for x in ref_logp]


def end_of(laws: Sequence[LossTime], until: float, longest: float) -> float:
    """The drop at which a run ends: `until` nats, or what a law reaches at `longest`, short of where it is content."""
    return min(min(until, float(law.drop(longest)), SHORT_OF * law.most) for law in laws)


def forgotten(
    instance: Forgetting, laws: Sequence[Sequence[LossTime]], progress: Callable[[int, int], None] | None = None
) -> IntrinsicPath:
    """The paths of all runs: (steps, losses, n); the `laws_of` the instance say where they end, and no more."""
    start = instance.log_probs(instance.parameters).detach()
    weights = [
        drop_weight(kernel, ref, count=instance.counts.get(name, 1))
        for (name, kernel), ref in zip(instance.kernels.items(), start, strict=True)
    ]
    ends = [end_of(own, instance.until, instance.longest) for own in laws]
    return follow(
        instance.log_probs,
        instance.parameters,
        lambda drop: torch.stack([w(u) for w, u in zip(weights, drop, strict=True)]),
        step=instance.step,
        turn=instance.step,
        until=torch.tensor(ends),
        max_steps=instance.most,
        progress=progress,
    )


def columns_of(path: IntrinsicPath, laws: Sequence[LossTime], label: str) -> dict[str, Array]:
    """A path under a label as `theory.theorems.time.paths` saves it, of at most 60 steps; beside it `asked` (steps, n).

    `asked` is F_i(u_i), the time that the law asks for; the remainder lets clock + remainder be equal to it.
    """
    at = np.unique(np.linspace(0, len(path.time) - 1, SAVED).round().astype(int))
    columns = {key: column[at] for key, column in to_arrays(path, label).items()}
    drop = columns[f"{label}.drop"]
    return columns | {f"{label}.asked": np.stack([law.time(u) for law, u in zip(laws, drop.T, strict=True)], axis=1)}


class OffTheLaw(NamedTuple):
    """How far a path is from what its law asks for, at most, by the clock alone and with the exact remainder.

    In units of 1 + |F| + |R|, F the time asked for and R the remainder: what the steps of a descent can be held to.
    """

    plain: float
    exact: float


def off_the_law(arrays: Mapping[str, Array], label: str) -> OffTheLaw:
    """Of a path as `columns_of` saves it; where π passed 1 in a step's rounding there is no F, and it is left out."""
    clock, remainder, asked = (arrays[f"{label}.{name}"] for name in ("clock", "remainder", "asked"))
    unit = 1 + np.abs(asked) + np.abs(remainder)
    plain, exact = (np.abs(asked - time) / unit for time in (clock, clock + remainder))
    return OffTheLaw(float(np.nanmax(plain)), float(np.nanmax(exact)))


def asked_over_passed(law: LossTime, path: IntrinsicPath, example: int = 0) -> Float[Array, " moves"]:
    """F(u)/T along a path, remainder included, from its first step on: 1 where the law is exact."""
    time = path.clock[1:, example] + path.remainder[1:, example]
    return np.asarray(law.time(path.drop[1:, example]) / time)


def room(step: float) -> Bounds:
    """Where F(u)/T may be after descent in steps of `step`."""
    return Bounds(np.array((1 - step) * np.exp(-step)), np.array((1 + step) * np.exp(step)))


def _one_answer(instance: Forgetting) -> None:
    shape = instance.log_probs(instance.parameters).shape
    if shape != (len(instance.kernels), 1):
        raise HypothesisError(
            f"The law is for one answer of each of {len(instance.kernels)} runs, log-probabilities {tuple(shape)} were "
            "given: for a set, add the `remainder` of its path, with every example's own weight."
        )


def _predict(instance: Forgetting, at: Array) -> Bounds:
    within, shape = room(instance.step), (len(at), len(instance.kernels))
    return Bounds(np.broadcast_to(within.lower, shape), np.broadcast_to(within.upper, shape))


def _measure(instance: Forgetting) -> Measurement:
    """F(u)/T at the same shares of each run, a column a loss."""
    laws, shares, columns = laws_of(instance), np.linspace(0, 1, POINTS), []
    path = forgotten(instance, laws)
    for k, (law,) in enumerate(laws):
        found = asked_over_passed(law, path.of(k))
        columns.append(found[(shares * (len(found) - 1)).round().astype(int)])
    return Measurement(shares, np.stack(columns, axis=1))


LOSS_TIMES: Theorem[Forgetting] = Theorem(
    name="Intrinsic time for every loss",
    statement="F(u)/T = 1, F(u) = ∫₀ᵘ dv/w(v), w the gradient weight: one line for each loss, whatever the model",
    source="derived in theory/theorems/time/loss_times.py from ∇L = w ∇log π; NPO's w is arXiv:2404.05868, Sec. 3",
    hypotheses=_one_answer,
    predict=_predict,
    measure=_measure,
)
