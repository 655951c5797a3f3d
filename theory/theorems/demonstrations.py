"""The theorems run on instances of their own: what the main job, the figures and the notebooks show of this room.

Each function returns named float64 arrays (a single number is an array without axes).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import linregress, t

from theory.losses import npo, npo_weight
from theory.theorems.paper.divergence import THEOREM_2_GA, THEOREM_2_NPO, Divergence, build, constants, coupling
from theory.theorems.paper.ga_limit import PROPOSITION_1, PROPOSITION_1_WEIGHT, LogRatios
from theory.theorems.paper.margins import LinearLogistic, log_grid, simulate
from theory.theorems.specimens import Specimen, linear_logistic, small_network
from theory.theorems.theorem import Bounds, HypothesisError, Measurement
from theory.theorems.time.flows import ga_time, npo_time
from theory.theorems.time.intrinsic_time import INTRINSIC_TIME, Single, alone, measured_on
from theory.theorems.time.paths import to_arrays

__all__ = [
    "QUICK",
    "REPRODUCE",
    "TheoryPreset",
    "exponential_slowdown",
    "intrinsic_time",
    "proposition_1",
    "slope_with_interval",
    "theorem_2",
]

LEAST_STEPS, MOST_STEPS = 100, 10**9
LARGEST = 10**8

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TheoryPreset:
    """How large the instances are; `step` is the step of the intrinsic-time law in units of βu."""

    examples: int = 64
    dimension: int = 128
    beta: float = 1.0
    lr: float = 10.0
    steps: int = 1_000_000
    seed: int = 0
    law_betas: tuple[float, ...] = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # 0 is GA
    law_step: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what no instance can be built from, and what would share a name in the results."""
        for name in ("examples", "dimension", "beta", "lr", "steps", "law_step"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite")
        if self.dimension < self.examples:
            raise ValueError(f"{self.examples} nearly orthogonal examples need dimension ≥ {self.examples}")
        if self.steps < LEAST_STEPS:
            raise ValueError(f"slopes against log t need steps ≥ {LEAST_STEPS}")
        if self.examples * self.dimension > LARGEST:
            raise ValueError(f"examples × dimension must be at most {LARGEST:,} numbers, of 8 bytes each")
        if self.steps > MOST_STEPS or self.law_step < 1 / MOST_STEPS:
            raise ValueError(f"no path may have more than {MOST_STEPS:,} steps: lower steps, raise law_step")
        if self.law_step >= 1:
            raise ValueError("the bounds on the law need law_step < 1")
        if not 0 <= self.seed < 2**63:
            raise ValueError("seed must be at least 0 and below 2^63")
        if not self.law_betas or not all(0 <= beta < math.inf for beta in self.law_betas):
            raise ValueError("law_betas must be one or more finite numbers ≥ 0")
        if len({f"{beta:g}" for beta in self.law_betas}) < len(self.law_betas):
            raise ValueError("law_betas must differ from each other in their first six digits")
        self.model()

    def model(self) -> LinearLogistic:
        """The forget set of Theorem 2; HypothesisError where this size, β and step size allow none."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            model = build(n=self.examples, d=self.dimension, beta=self.beta, lr=self.lr, seed=self.seed)
            if not all(map(math.isfinite, vars(constants(model, self.beta)).values())):
                raise HypothesisError(f"Theorem 2 has no finite constants for β = {self.beta:g}: take a smaller one")
        return model


REPRODUCE = TheoryPreset()
QUICK = TheoryPreset(examples=16, dimension=24, steps=20_000, law_betas=(0.0, 0.1, 1.0), law_step=0.04)


def slope_with_interval(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of y on x with its 95 % interval: (slope, low, high)."""
    fit = linregress(x, y)
    half = float(t.ppf(0.975, len(x) - 2)) * fit.stderr
    return np.array([fit.slope, fit.slope - half, fit.slope + half])


def proposition_1(preset: TheoryPreset) -> Arrays:
    """Gaps between NPO and GA, loss and gradient weight, for β from 1e-12 to 1e3, with their bounds and the rate."""
    log_ratio = np.random.default_rng(preset.seed).normal(scale=5.0, size=200)
    instance = LogRatios(log_ratio, np.geomspace(1e-12, 1e3, 61))
    loss, weight = PROPOSITION_1.measure(instance), PROPOSITION_1_WEIGHT.measure(instance)
    loss_bound = PROPOSITION_1.predict(instance, loss.at)
    weight_bound = PROPOSITION_1_WEIGHT.predict(instance, weight.at)
    small = instance.betas <= 1e-3
    return {
        "betas": instance.betas,
        "loss_gap": loss.value,
        "loss_upper": loss_bound.upper,
        "weight_gap": weight.value.max(axis=1),
        "weight_upper": weight_bound.upper.max(axis=1),
        "loss_slack": np.array(PROPOSITION_1.judge(loss_bound, loss).slack),
        "weight_slack": np.array(PROPOSITION_1_WEIGHT.judge(weight_bound, weight).slack),
        "rate": slope_with_interval(np.log(instance.betas[small]), np.log(loss.value[small])),
        "off_the_kernels": np.array(_off_the_kernels(instance, loss.value, weight.value)),
    }


def _off_the_kernels(instance: LogRatios, loss: np.ndarray, weight: np.ndarray) -> float:
    """How far the gaps are from those of the kernels as they stand, where these keep enough digits (β ≥ 1e-3)."""
    R, worst = torch.from_numpy(instance.log_ratio), 0.0
    zero = torch.zeros_like(R)
    for k in np.flatnonzero(instance.betas >= 1e-3):
        beta = float(instance.betas[k])
        gap = (npo(R, zero, beta=beta) - 2 / beta * np.log(2) - R).mean()
        weight_gap = (npo_weight(R, zero, beta=beta) - 1).abs().numpy()
        worst = max(worst, abs(float(gap) - loss[k]), float(np.abs(weight_gap - weight[k]).max()))
    return worst


def theorem_2(preset: TheoryPreset) -> Arrays:
    """GA and NPO on a built, nearly orthogonal forget set, with the two-sided bounds at every recorded step."""
    model = preset.model()
    instance = Divergence(model, preset.beta, preset.steps)
    found: Arrays = {"beta": np.array(preset.beta), "lr": np.array(preset.lr), "coupling": np.array(coupling(model))}
    for label, theorem in (("GA", THEOREM_2_GA), ("NPO", THEOREM_2_NPO)):
        theorem.hypotheses(instance)
        measured = theorem.measure(instance)
        bounds = theorem.predict(instance, measured.at)
        found |= _with_bounds(label, measured, bounds)
        found[f"{label}.slack"] = np.array(theorem.judge(bounds, measured).slack)
    steps, late = found["NPO.steps"], found["NPO.steps"] >= preset.steps / 100
    found["NPO.growth"] = slope_with_interval(np.log(steps[late]), found["NPO.margin"].mean(axis=1)[late])
    found["GA.growth"] = slope_with_interval(np.log(steps[late]), np.log(found["GA.margin"].mean(axis=1)[late]))
    return found


def _with_bounds(label: str, measured: Measurement, bounds: Bounds) -> Arrays:
    return {
        f"{label}.steps": measured.at.astype(np.float64),
        f"{label}.margin": measured.value,
        f"{label}.lower": bounds.lower[:, 0],  # uniform: the same for every example
        f"{label}.upper": bounds.upper[:, 0],
    }


def exponential_slowdown(preset: TheoryPreset) -> Arrays:
    """Steps that GA and NPO need to reach a margin, from the exact flow, and from gradient descent as far as it goes.

    One example, ‖x‖ = 1, confidence 2, step size 0.1, so that steps = τ / 0.1.
    """
    confidence, lr = 2.0, 0.1
    margins = np.arange(1.0, 61.0)
    model = LinearLogistic(np.ones((1, 1)), np.array([confidence]), confidence, lr)
    at = log_grid(preset.steps, 4000)
    found: Arrays = {"margins": margins, "GA.steps": ga_time(margins, confidence) / lr}
    found["GA.steps_of_descent"] = _first_reach(at, simulate(model, beta=0.0, at=at)[:, 0], margins)
    betas = np.array([0.25, 0.5, 1.0])
    for beta in betas:
        flow = np.array([npo_time(m, confidence, beta=beta) for m in margins]) / lr
        late = beta * margins >= 8  # where e^{βm} has outgrown the rest
        label = f"NPO-{beta:g}"
        found[f"{label}.steps"] = flow
        found[f"{label}.steps_of_descent"] = _first_reach(at, simulate(model, beta=beta, at=at)[:, 0], margins)
        found[f"{label}.rate"] = slope_with_interval(margins[late], np.log(flow[late]))
    return found | {"betas": betas, "confidence": np.array(confidence), "lr": np.array(lr)}


def _first_reach(at: np.ndarray, path: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """The step at which a rising path reaches each margin, interpolated in log t; NaN where it does not."""
    return np.where(margins <= path[-1], np.exp(np.interp(margins, path, np.log(at))), np.nan)


def intrinsic_time(preset: TheoryPreset) -> Arrays:
    """Single examples of three models on the curve: an undecided and a saturated linear one, and a small network."""
    specimens = {
        "linear, confidence 2": linear_logistic(confidence=2.0),
        "linear, confidence 6": linear_logistic(confidence=6.0),
        "tanh network": small_network(seed=preset.seed),
    }
    found: Arrays = {"betas": np.array(preset.law_betas), "step": np.array(preset.law_step)}
    for label, specimen in specimens.items():
        for beta in preset.law_betas:
            found |= _on_the_curve(f"{label}, {beta:g}", specimen, beta, preset.law_step)
    return found


def _on_the_curve(label: str, specimen: Specimen, beta: float, step: float) -> Arrays:
    instance = Single(specimen.log_probs, specimen.parameters, beta, step=step)
    path = alone(instance)
    measured = measured_on(path, beta)
    verdict = INTRINSIC_TIME.judge(INTRINSIC_TIME.predict(instance, measured.at), measured)
    return to_arrays(path, label) | {f"{label}.slack": np.array(verdict.slack)}
