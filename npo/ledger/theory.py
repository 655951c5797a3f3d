"""Claims about the theorems themselves, on built instances."""

import numpy as np

from npo.ledger.claim import Claim, Judgement, Results
from npo.ledger.statistics import JudgedPath, holds_if, judge_singles
from theory.theorems.paths import from_arrays, labels_of

__all__ = ["CLAIMS"]

ROUNDING = 1e-12


def _pair(x: np.ndarray) -> tuple[float, float]:
    return float(x[1]), float(x[2])


def _seeds(results: Results) -> tuple[int, ...]:
    return (int(next(iter(results.values())).values["seed"]),)


def proposition_1(results: Results) -> Judgement:
    """Both gaps under their bounds at every β, first order in β, and they are the gaps of the kernels themselves."""
    a = results["theory/proposition-1"].arrays
    inside = a["loss_slack"] >= -ROUNDING and a["weight_slack"] >= -ROUNDING and a["off_the_kernels"] < 1e-9
    holds = holds_if(bool(inside and abs(a["rate"][0] - 1) < 1e-3))
    return Judgement(holds, a["rate"][0], _pair(a["rate"]), _seeds(results))


def ga_is_linear(results: Results) -> Judgement:
    """Inside Theorem 2's bounds, and the margin grows as t to the power 1."""
    a = results["theory/theorem-2"].arrays
    holds = holds_if(bool(a["GA.slack"] >= -ROUNDING and abs(a["GA.growth"][0] - 1) < 0.02))
    return Judgement(holds, a["GA.growth"][0], _pair(a["GA.growth"]), _seeds(results))


def npo_is_logarithmic(results: Results) -> Judgement:
    """Inside Theorem 2's bounds, and the margin grows by 1/β a unit of log t."""
    a = results["theory/theorem-2"].arrays
    scaled = a["NPO.growth"] * a["beta"]
    holds = holds_if(bool(a["NPO.slack"] >= -ROUNDING) and abs(scaled[0] - 1) < 0.02)
    return Judgement(holds, scaled[0], _pair(scaled), _seeds(results))


def exponentially_slower(results: Results) -> Judgement:
    """GA's steps are a line in m, NPO's an exponential at rate β, and descent needs as many as the exact flow.

    The effect is the ratio rate/β for the β where it is furthest from 1.
    """
    a = results["theory/exponential-slowdown"].arrays
    m, ga = a["margins"], a["GA.steps"]
    late = m >= m[-1] / 2
    line = np.polyfit(m[late], ga[late], 1)
    straight = abs(line[0] * a["lr"] - 1) < 0.01 and np.abs(np.polyval(line, m[late]) / ga[late] - 1).max() < 0.01
    ratios = [a[f"NPO-{beta:g}.rate"] / beta for beta in a["betas"]]
    worst = max(ratios, key=lambda r: abs(r[0] - 1))
    agree = max(
        float(np.nanmax(np.abs(a[f"{label}.steps_of_descent"] / a[f"{label}.steps"] - 1)))
        for label in ("GA", *(f"NPO-{beta:g}" for beta in a["betas"]))
    )
    holds = holds_if(bool(straight) and abs(worst[0] - 1) < 0.02 and agree < 0.05)
    reason = f"descent needs as many steps as the flow within {agree:.1%}"
    return Judgement(holds, worst[0], _pair(worst), _seeds(results), reason)


def one_curve(results: Results) -> Judgement:
    """Every model and β inside the law's discretisation bounds."""
    a = results["theory/intrinsic-time"].arrays

    def run(label: str) -> JudgedPath:
        beta = float(label.rsplit(", ", 1)[1])
        return JudgedPath(from_arrays(a, label).times(beta or 1.0), beta == 0, float(a["step"]))

    return judge_singles(map(run, labels_of(a)), _seeds(results))


CLAIMS = (
    Claim(
        id="proposition-1",
        short="NPO tends to GA as β → 0, at first order",
        statement="As β → 0, NPO's loss (less a constant) and gradient tend to gradient ascent's, at first order in β.",
        source="arXiv:2404.05868, Proposition 1; rate: theory/theorems/ga_limit.py",
        measure="fitted exponent of the loss gap in β, β ≤ 1e-3 (predicted 1)",
        units=("theory/proposition-1",),
        figure="proposition_1",
        judge=proposition_1,
    ),
    Claim(
        id="theorem-2-ga",
        short="GA's margin grows linearly in t",
        statement="On a nearly orthogonal forget set GA's margin grows linearly in t, between C₁η₀t and C₂η₀t.",
        source="arXiv:2404.05868, Theorem 2; constants: theory/theorems/divergence.py",
        measure="fitted power of t in the last two decades of steps (predicted 1)",
        units=("theory/theorem-2",),
        figure="theorem_2",
        judge=ga_is_linear,
    ),
    Claim(
        id="theorem-2-npo",
        short="NPO's margin grows logarithmically in t",
        statement="NPO's margin grows logarithmically, between (1/β) log(1 + C_a η₀t) and (1/β) log(1 + C_b η₀t).",
        source="arXiv:2404.05868, Theorem 2; constants: theory/theorems/divergence.py",
        measure="β × growth of the margin a unit of log t, in the last two decades of steps (predicted 1)",
        units=("theory/theorem-2",),
        figure="theorem_2",
        judge=npo_is_logarithmic,
    ),
    Claim(
        id="exponentially-slower",
        short="steps to a margin m: m for GA, exp(βm) for NPO",
        statement="The steps to a margin m grow linearly in m for GA and as exp(βm) for NPO.",
        source="arXiv:2404.05868, Sec. 3 (the reading of Theorem 2); exact flow: theory/theorems/flows.py",
        measure="rate of log(steps) in m, over β, for the β where it is furthest from 1 (predicted 1)",
        units=("theory/exponential-slowdown",),
        figure="steps_to_margin",
        judge=exponentially_slower,
    ),
    Claim(
        id="intrinsic-time-theory",
        short="one example alone keeps to the curve",
        statement="One example alone unlearns along one parameter-free curve in intrinsic time, for any β and model.",
        source="this project: theory/theorems/intrinsic_time.py",
        measure="largest distance from the curve in βu, 3 models (an identity of the flow: 0, to the descent's step)",
        units=("theory/intrinsic-time",),
        figure="one_curve",
        judge=one_curve,
    ),
)
