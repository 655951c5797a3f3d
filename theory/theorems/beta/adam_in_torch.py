"""Adam's law put to the test: torch.optim.Adam on one coordinate, and on any model with the speeds that it goes at.

In one coordinate the recursion of `theory.theorems.beta.adam_clock` is torch's Adam step for step, and the β that it
gives for a wanted drop ends there. In a model of many parameters each coordinate has its own gradient, and the gradient
turns: there the law is as good as the speeds that it is told, those of a run of gradient ascent (`probed_speeds`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory.logprobs import from_margins
from theory.theorems.beta.adam_clock import UNSURE, Confidence, beta_under_adam, drops_under_adam
from theory.theorems.specimens import Specimen
from theory.theorems.theorem import Bounds, Measurement, Theorem
from theory.theorems.time.intrinsic_time import LogProbs, Parameters, weight_by_drop

__all__ = ["ADAM_CLOCK", "BETA_UNDER_ADAM", "AdamRun", "adam_drops", "one_coordinate", "probed_speeds"]

Array = np.ndarray


def adam_drops(
    log_probs: LogProbs,
    parameters: Parameters,
    beta: float,
    rates: Float[Array, " steps"],
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 0.0,
) -> Float[Array, "steps n"]:
    """The drops (nats) of every example after each step of torch.optim.Adam on NPO's mean, or GA's for β = 0.

    `rates` are learning rates, one for each step.
    """
    theta = {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}
    optimizer = torch.optim.Adam(theta.values(), betas=betas, eps=eps)
    weight, start, drops = weight_by_drop(beta), log_probs(theta).detach(), []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = float(rate)
        optimizer.zero_grad()
        logp = log_probs(theta)
        (weight(start - logp.detach()) * logp).mean().backward()  # has NPO's gradient, W ∇log π
        optimizer.step()
        drops.append((start - log_probs(theta).detach()).numpy())
    return np.array(drops)


def probed_speeds(log_probs: LogProbs, parameters: Parameters, rates: Float[Array, " steps"]) -> Float[Array, " steps"]:
    """The nats that the mean over examples drops in each step of gradient ascent under Adam: one short run more."""
    drops = adam_drops(log_probs, parameters, 0.0, rates).mean(axis=1)
    return np.asarray(np.diff(drops, prepend=0.0))


def one_coordinate(confidence: Confidence = UNSURE) -> Specimen:
    """A model of one parameter θ = 0, whose answer falls a nat for each |θ|: n tokens log σ(c − θ/n(1 − p₀)), or −θ."""
    p, n = confidence.probability, confidence.tokens

    def log_probs(parameters: Parameters) -> Tensor:
        if p == 0:
            return -parameters["theta"]
        return n * from_margins(float(np.log(p / (1 - p))) - parameters["theta"] / (n * (1 - p)))

    return Specimen(log_probs, {"theta": torch.zeros(1, dtype=torch.float64)})


# --- as theorems --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AdamRun:
    """An instance: what Adam is told in one coordinate, and the βs of the runs, or the drops wanted of them (nats)."""

    speeds: Float[Array, " steps"]
    values: Float[Array, " runs"]
    eps: float = 0.0
    confidence: Confidence = UNSURE

    def by_torch(self, beta: float) -> Float[Array, " steps"]:
        """The drops of torch.optim.Adam; a learning rate is a speed here."""
        model = one_coordinate(self.confidence)
        return adam_drops(model.log_probs, model.parameters, beta, self.speeds, eps=self.eps)[:, 0]

    def chosen(self) -> Float[Array, " runs"]:
        """The β of each wanted drop; HypothesisError where there is none."""
        return np.array(
            [
                beta_under_adam(float(drop), self.speeds, eps=self.eps, confidence=self.confidence)
                for drop in self.values
            ]
        )


def _runs_of(instance: AdamRun) -> None:
    drops_under_adam(float(instance.values.min()), instance.speeds, eps=instance.eps)


def _law(instance: AdamRun, steps: Array) -> Bounds:
    runs = [
        drops_under_adam(float(beta), instance.speeds, eps=instance.eps, confidence=instance.confidence)
        for beta in instance.values
    ]
    return Bounds(np.stack(runs, axis=1), np.stack(runs, axis=1))


def _every_step(instance: AdamRun) -> Measurement:
    runs = [instance.by_torch(float(beta)) for beta in instance.values]
    return Measurement(np.arange(1, len(instance.speeds) + 1), np.stack(runs, axis=1))


def _last_steps(instance: AdamRun) -> Measurement:
    return Measurement(instance.values, np.array([instance.by_torch(float(beta))[-1] for beta in instance.chosen()]))


def _has_betas(instance: AdamRun) -> None:
    instance.chosen()


_SOURCE = "this project: theory/theorems/beta/adam_clock.py, from torch.optim.Adam (arXiv:1412.6980, Algorithm 1)"

ADAM_CLOCK: Theorem[AdamRun] = Theorem(
    name="Adam's law",
    statement="u ← u + speed · m̂/(√v̂ + ε), m and v of W = 2/(1 + e^{βu}): NPO under Adam in one coordinate",
    source=_SOURCE,
    hypotheses=_runs_of,
    predict=_law,
    measure=_every_step,
    tolerance=1e-10,  # two ways to correct biases
)

BETA_UNDER_ADAM: Theorem[AdamRun] = Theorem(
    name="The β of a wanted drop, under Adam",
    statement="the β at which Adam's law ends at u is the one with which torch.optim.Adam drops u",
    source=_SOURCE,
    hypotheses=_has_betas,
    predict=lambda instance, wanted: Bounds(wanted, wanted),
    measure=_last_steps,
    tolerance=1e-9,
)
