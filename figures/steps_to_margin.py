"""What "exponentially slower" means: the steps that GA and NPO need to bring a margin down."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.theorems import demonstrations

__all__ = ["compute", "draw"]

UNIT = "theory/exponential-slowdown"


def compute(quick: bool = False) -> dict[str, Data]:
    """Steps to reach margins 1 … 60 by exact flow, and by gradient descent as far as it goes."""
    preset = demonstrations.QUICK if quick else demonstrations.REPRODUCE
    return {UNIT: Data(demonstrations.exponential_slowdown(preset), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Steps against margin: lines are the exact flow, markers the gradient descent that was run."""
    data = results[UNIT].arrays
    margins, betas = data["margins"], [float(b) for b in data["betas"]]
    looks = beta_look(betas)
    with styled():
        figure = Figure(figsize=(6.4, 4.2))
        ax = figure.subplots()
        for beta in reversed(betas):
            rate, look = data[f"NPO-{beta:g}.rate"], looks[beta]
            label = f"NPO, β = {beta:g}: grows as $e^{{{rate[0]:.3f}\\,m}}$"
            ax.plot(margins, data[f"NPO-{beta:g}.steps"], color=look["color"], label=label)
            ax.plot(margins, data[f"NPO-{beta:g}.steps_of_descent"], look["marker"], color=look["color"])
        ax.plot(margins, data["GA.steps"], color=LOOK["GA"]["color"], label="GA: linear in m")
        ax.plot(margins, data["GA.steps_of_descent"], LOOK["GA"]["marker"], color=LOOK["GA"]["color"], markersize=3.5)
        ax.set(
            yscale="log",
            ylim=(5, 1e22),
            xlabel="forgetting margin m to reach (logit units)",
            ylabel="gradient-descent steps",
            title="NPO needs exponentially many steps, GA linearly many",
        )
        ax.plot([], [], color="0.4", label="lines: exact flow")
        ax.plot([], [], "o", color="0.4", label="markers: gradient descent, as far as it was run")
        ax.legend(loc="upper left")
    return figure
