"""Claims about the theorems themselves, on built instances."""

import numpy as np

from npo.claims.claim import Claim, Judgement, Results, distance_from_curve, holds_if

__all__ = ["CLAIMS"]

ROUNDING = 1e-12


def _pair(x: np.ndarray) -> tuple[float, float]:
    return float(x[1]), float(x[2])


def proposition_1(results: Results) -> Judgement:
    """Both gaps under their bounds at every β, and first order in β."""
    a = results["theory/proposition-1"].arrays
    inside = a["loss_slack"] >= -ROUNDING and a["weight_slack"] >= -ROUNDING
    return Judgement(holds_if(bool(inside and abs(a["rate"][0] - 1) < 1e-3)), a["rate"][0], _pair(a["rate"]))


def ga_is_linear(results: Results) -> Judgement:
    """Inside Theorem 2's bounds, and the margin grows as t to the power 1."""
    a = results["theory/theorem-2"].arrays
    return Judgement(
        holds_if(bool(a["GA.slack"] >= -ROUNDING and abs(a["GA.growth"][0] - 1) < 0.02)),
        a["GA.growth"][0],
        _pair(a["GA.growth"]),
    )


def npo_is_logarithmic(results: Results) -> Judgement:
    """Inside Theorem 2's bounds, and the margin grows by 1/β a unit of log t."""
    a = results["theory/theorem-2"].arrays
    scaled = a["NPO.growth"] * a["beta"]
    inside = bool(a["NPO.slack"] >= -ROUNDING)
    return Judgement(holds_if(inside and abs(scaled[0] - 1) < 0.02), scaled[0], _pair(scaled))


def exponentially_slower(results: Results) -> Judgement:
    """log(steps) against the margin rises at rate β, for every β looked at; the worst ratio rate/β is the effect."""
    a = results["theory/exponential-slowdown"].arrays
    ratios = [a[f"NPO-{beta:g}.rate"] / beta for beta in a["betas"]]
    worst = max(ratios, key=lambda r: abs(r[0] - 1))
    return Judgement(holds_if(abs(worst[0] - 1) < 0.02), worst[0], _pair(worst))


def one_curve(results: Results) -> Judgement:
    """Every model and β inside the law's discretisation bounds; the effect is the largest distance in βu."""
    a = results["theory/intrinsic-time"].arrays
    far, inside = 0.0, True
    for run in [key.removesuffix(".time") for key in a if key.endswith(".time")]:
        ascent = run.endswith(", 0")
        off, within = distance_from_curve(
            a[f"{run}.time"], a[f"{run}.drop"], gradient_ascent=ascent, step=float(a["step"])
        )
        far, inside = max(far, off), inside and within
    return Judgement(holds_if(inside), far)


CLAIMS = (
    Claim(
        id="proposition-1",
        statement="As β → 0, NPO's loss (less a constant) and gradient tend to gradient ascent's, at first order in β.",
        source="arXiv:2404.05868, Proposition 1; rate: theory/ga_limit.py",
        measure="fitted exponent of the loss gap in β, β ≤ 1e-3 (predicted 1)",
        units=("theory/proposition-1",),
        figure="proposition_1",
        judge=proposition_1,
    ),
    Claim(
        id="theorem-2-ga",
        statement="On a nearly orthogonal forget set GA's margin grows linearly in t, between C₁η₀t and C₂η₀t.",
        source="arXiv:2404.05868, Theorem 2; constants: theory/divergence.py",
        measure="fitted power of t in the last two decades of steps (predicted 1)",
        units=("theory/theorem-2",),
        figure="theorem_2",
        judge=ga_is_linear,
    ),
    Claim(
        id="theorem-2-npo",
        statement="NPO's margin grows logarithmically, between (1/β) log(1 + C_a η₀t) and (1/β) log(1 + C_b η₀t).",
        source="arXiv:2404.05868, Theorem 2; constants: theory/divergence.py",
        measure="β × growth of the margin a unit of log t, in the last two decades of steps (predicted 1)",
        units=("theory/theorem-2",),
        figure="theorem_2",
        judge=npo_is_logarithmic,
    ),
    Claim(
        id="exponentially-slower",
        statement="The steps to a margin m grow linearly in m for GA and as exp(βm) for NPO.",
        source="arXiv:2404.05868, Sec. 3 (the reading of Theorem 2); exact flow: theory/flows.py",
        measure="rate of log(steps) in m, over β, for the β where it is furthest from 1 (predicted 1)",
        units=("theory/exponential-slowdown",),
        figure="steps_to_margin",
        judge=exponentially_slower,
    ),
    Claim(
        id="intrinsic-time-theory",
        statement="One example alone unlearns along one parameter-free curve in intrinsic time, for any β and model.",
        source="this project: theory/intrinsic_time.py",
        measure="largest distance from the curve in βu over 3 models and all β (predicted 0, to the descent's step)",
        units=("theory/intrinsic-time",),
        figure="one_curve",
        judge=one_curve,
    ),
)
