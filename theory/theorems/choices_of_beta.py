"""The β rules run on instances of their own: what the main job and the figures show of them.

Each function returns named float64 arrays (a single number is an array without axes), see `demonstrations`.
"""

from dataclasses import replace

import numpy as np

from theory.theorems.beta.adam_clock import KAPPA, Confidence, beta_under_adam, drops_under_adam
from theory.theorems.beta.adam_in_torch import ADAM_CLOCK, BETA_UNDER_ADAM, AdamRun, adam_drops, probed_speeds
from theory.theorems.beta.chosen_beta import beta_for
from theory.theorems.beta.wanted_drops import CHOSEN_BETA, CHOSEN_BETA_OF_A_SET, WantedDrops
from theory.theorems.demonstrations import TheoryPreset, slope_with_interval
from theory.theorems.specimens import linear_logistic, small_network
from theory.theorems.theorem import Theorem

__all__ = ["adam_s_law", "chosen_beta"]

Arrays = dict[str, np.ndarray]
BUDGET, WANTED = 200.0, np.array([5.0, 10.0, 20.0, 40.0])  # nats
MEMORY = 1000  # 1/(1 − β₂) steps


def chosen_beta(preset: TheoryPreset) -> Arrays:
    """Wanted drops and where descent with the chosen β ends: one example of two models, and a set of six."""
    step = 4 * preset.law_step
    models = {
        "linear, confidence 2": (linear_logistic(confidence=2.0), CHOSEN_BETA, step),
        "tanh network": (small_network(seed=preset.seed), CHOSEN_BETA, step),
        "set": (small_network(n=6, seed=preset.seed), CHOSEN_BETA_OF_A_SET, 2 * step),
    }
    found: Arrays = {"wanted": WANTED, "budget": np.array(BUDGET), "betas": beta_for(WANTED, BUDGET)}
    for label, (model, theorem, size) in models.items():
        found |= _ended(label, theorem, WantedDrops(model.log_probs, model.parameters, WANTED, BUDGET, size))
    return found


def _ended(label: str, theorem: Theorem[WantedDrops], instance: WantedDrops) -> Arrays:
    theorem.hypotheses(instance)
    measured = theorem.measure(instance)
    verdict = theorem.judge(theorem.predict(instance, measured.at), measured)
    return {
        f"{label}.predicted": measured.at,
        f"{label}.drop": measured.value,
        f"{label}.slack": np.array(verdict.slack),
    }


def adam_s_law(preset: TheoryPreset) -> Arrays:
    """Adam in one coordinate and on the small network, and the closed law: its slope, its constant, its end."""
    return _one_coordinate() | _network(preset) | _closed_law()


def _schedule(steps: int, largest: float) -> np.ndarray:
    """A warm-up over a tenth of the steps, then linear decay."""
    rise = steps // 10
    return largest * np.concatenate([np.arange(rise) / rise, np.linspace(1, 0, steps - rise, endpoint=False)])


def _one_coordinate() -> Arrays:
    """By torch, on answers of ten tokens of probability .8: the recursion, and the drops that were wanted."""
    runs = AdamRun(_schedule(80, 1.0), np.array([0.0, 0.05, 0.5]), eps=1e-8, confidence=Confidence(0.8, 10.0))
    step_for_step = ADAM_CLOCK.check(runs)
    wanted = replace(runs, values=np.array([20.0, 30.0, 40.0]))
    plain = beta_for(wanted.values, wanted.by_torch(0.0)[-1])
    return {
        "coordinate.slack": np.array(step_for_step.slack),
        "coordinate.wanted": wanted.values,
        "coordinate.betas": wanted.chosen(),
        "coordinate.drop": BETA_UNDER_ADAM.measure(wanted).value,
        "coordinate.plain_drop": np.array([wanted.by_torch(float(beta))[-1] for beta in plain]),
    }


def _network(preset: TheoryPreset) -> Arrays:
    """A network under Adam with the β of a gradient-ascent probe, by Adam's law and by the plain one."""
    wanted = WANTED[1:]
    model, rates = small_network(n=6, seed=preset.seed), _schedule(100, 2e-2)
    speeds = probed_speeds(model.log_probs, model.parameters, rates)
    adam = np.array([beta_under_adam(float(drop), speeds) for drop in wanted])
    plain = beta_for(wanted, float(speeds.sum()))

    def ends(betas: np.ndarray) -> np.ndarray:
        runs = [adam_drops(model.log_probs, model.parameters, float(beta), rates) for beta in betas]
        return np.array([drops[-1].mean() for drops in runs])

    return {
        "network.wanted": wanted,
        "network.betas": adam,
        "network.drop": ends(adam),
        "network.plain_betas": plain,
        "network.plain_drop": ends(plain),
    }


def _closed_law() -> Arrays:
    """Three learning rates; the slope in log t where memory has no end, the law's constant; the speed beyond memory."""
    steps, products = 20 * MEMORY, np.array([0.05, 0.2, 0.8])  # β · speed
    runs = np.stack([drops_under_adam(1.0, np.full(steps, x)) for x in products])
    at = np.unique(np.geomspace(1, steps, 60).astype(int))
    tau = 1e-2 * np.arange(1, 200_001)
    endless = drops_under_adam(1.0, np.full(len(tau), 1e-2), (0.0, 1 - 1e-12))
    late = np.unique(np.geomspace(1e4, 2e5, 40).astype(int)) - 1
    return {
        "law.products": products,
        "law.steps": at.astype(np.float64),
        "law.drop": runs[:, at - 1],
        "law.slope": slope_with_interval(np.log(tau[late]), endless[late]),
        "law.constant": np.array(endless[-1] - 1.5 * np.log(tau[-1]) - KAPPA),
        "law.late_speed": np.array([(run[-1] - run[-MEMORY]) / (MEMORY - 1) for run in runs]),
    }
