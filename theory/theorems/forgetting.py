"""Intrinsic time for every loss, put to the test: one answer of a model, forgotten under each loss apart.

Descent is by the loss's own weight, in steps of whatever size keeps them small for the law, and never asks the law.
A step is linear to a fraction s, and along it log w moves by at most τ, so that where one answer ends obeys

    T (1 − s) e^{−τ} ≤ F(u) ≤ T (1 + s) e^τ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.kernel import Kernel
from theory.theorems.drop_weights import ForgetAnswer, drop_weight
from theory.theorems.intrinsic_time import LogProbs, Parameters, follow
from theory.theorems.loss_times import LossTime, loss_time
from theory.theorems.paths import IntrinsicPath
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = [
    "LOSS_TIMES",
    "Forgetting",
    "asked_over_passed",
    "end_of",
    "forgotten",
    "laws_of",
    "room",
    "weights_of",
]

Array = np.ndarray
POINTS = 40  # of a path that the theorem looks at
SHORT_OF = 0.98  # of the drop at which a loss is content, which descent never reaches


@dataclass(frozen=True)
class Forgetting:
    """An instance: one answer, under each of several losses; log π (losses, 1) and the parameters (losses, …) of each.

    Each run ends at a drop of `until` nats, or where its law reaches the time `longest`.
    """

    log_probs: LogProbs
    parameters: Parameters
    kernels: Mapping[str, Kernel]
    count: int = 1
    step: float = 0.02
    until: float = 8.0
    longest: float = 1e5


def laws_of(instance: Forgetting) -> list[LossTime]:
    """The law of each loss, from where its run starts; HypothesisError where a loss has none."""
    start = instance.log_probs(instance.parameters).detach()[:, 0]
    answers = [ForgetAnswer(float(x), instance.count) for x in start]
    return [loss_time(kernel, answer) for kernel, answer in zip(instance.kernels.values(), answers, strict=True)]


def end_of(law: LossTime, until: float, longest: float) -> float:
    """The drop at which a run ends: `until` nats, or that of the time `longest`, short of where a loss is content."""
    return min(until, float(law.drop(longest)), SHORT_OF * law.most)


def weights_of(kernels: Sequence[Kernel], ref_logp: Tensor, count: Tensor | int = 1) -> Callable[[Tensor], Tensor]:
    """Drops (losses, n) to gradient weights, a loss a run: what `follow` takes of runs that go together."""
    one = [drop_weight(kernel, ref, count=count) for kernel, ref in zip(kernels, ref_logp, strict=True)]

    def weight(drop: Tensor) -> Tensor:
        return torch.stack([w(u) for w, u in zip(one, drop, strict=True)])

    return weight


def forgotten(instance: Forgetting) -> IntrinsicPath:
    """The paths of all runs: (steps, losses, 1)."""
    start = instance.log_probs(instance.parameters).detach()
    ends = [end_of(law, instance.until, instance.longest) for law in laws_of(instance)]
    return follow(
        instance.log_probs,
        instance.parameters,
        weights_of(list(instance.kernels.values()), start, instance.count),
        step=instance.step,
        turn=instance.step,
        until=torch.tensor(ends),
    )


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
    path, shares, columns = forgotten(instance), np.linspace(0, 1, POINTS), []
    for k, law in enumerate(laws_of(instance)):
        found = asked_over_passed(law, path.of(k))
        columns.append(found[(shares * (len(found) - 1)).round().astype(int)])
    return Measurement(shares, np.stack(columns, axis=1))


LOSS_TIMES: Theorem[Forgetting] = Theorem(
    name="Intrinsic time for every loss",
    statement="F(u)/T = 1, F(u) = ∫₀ᵘ dv/w(v), w the gradient weight: one line for each loss, whatever the model",
    source="derived in theory/theorems/loss_times.py from ∇L = w ∇log π; NPO's w is arXiv:2404.05868, Sec. 3",
    hypotheses=_one_answer,
    predict=_predict,
    measure=_measure,
)
