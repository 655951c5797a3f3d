"""The β that a wanted drop asks for: where runs end that chose it, by the plain law and by Adam's, and Adam's law.

Left: final against wanted drop. Right: NPO under Adam in one coordinate, βu against the number of steps, along
(3/2) log t within Adam's memory and straight in t beyond it, and the plain law's log t for comparison.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import beta_look, styled
from records.store import Data
from theory.theorems import choices_of_beta, demonstrations
from theory.theorems.beta.adam_clock import KAPPA
from theory.theorems.time.intrinsic_time import curve

__all__ = ["compute", "draw"]

CHOSEN, ADAM = "theory/chosen-beta", "theory/adam-law"
DESCENT, UNDER_ADAM, WRONG = "#0072B2", "#009E73", "#D55E00"
MEMORY = 1000  # steps


def compute(quick: bool = False) -> dict[str, Data]:
    """Both units, in a few seconds."""
    preset = demonstrations.QUICK if quick else demonstrations.REPRODUCE
    return {CHOSEN: Data(choices_of_beta.chosen_beta(preset), {}), ADAM: Data(choices_of_beta.adam_s_law(preset), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Two panels from the units theory/chosen-beta and theory/adam-law."""
    with styled():
        figure = Figure(figsize=(10.6, 4.4))
        left, right = figure.subplots(1, 2)
        _ends(left, results[CHOSEN].arrays, results[ADAM].arrays)
        _law(right, results[ADAM].arrays)
    return figure


def _ends(ax: Axes, descent: Mapping[str, np.ndarray], adam: Mapping[str, np.ndarray]) -> None:
    ax.plot([4, 100], [4, 100], color="0.6", zorder=1)
    wanted = descent["wanted"]
    markers = {"linear, confidence 2": "o", "tanh network": "^", "set": "s"}
    for label, marker in markers.items():
        name = "six examples" if label == "set" else "one example"
        ax.plot(wanted, descent[f"{label}.drop"], marker, color=DESCENT, label=f"descent: {name}, {label}")
    for label, name, marker in (("coordinate", "one coordinate", "o"), ("network", "tanh network, set", "s")):
        at = adam[f"{label}.wanted"]
        ax.plot(at, adam[f"{label}.drop"], marker, color=UNDER_ADAM, label=f"Adam, its own law: {name}")
        ax.plot(at, adam[f"{label}.plain_drop"], marker, color=WRONG, mfc="none", label=f"Adam, plain law: {name}")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="wanted drop u (nats)",
        ylabel="drop at the end (nats)",
        title="(a) β chosen for a wanted drop",
    )
    ax.legend(loc="upper left", fontsize=7)


def _law(ax: Axes, adam: Mapping[str, np.ndarray]) -> None:
    steps, products = adam["law.steps"], [float(x) for x in adam["law.products"]]
    looks = beta_look(products)
    for product, drops in zip(products, adam["law.drop"], strict=True):
        look, tau = looks[product], product * steps
        ax.plot(steps, drops, look["marker"], color=look["color"], markersize=4, label=f"β · speed = {product:g}")
        within = (tau > 3) & (steps < 3 * MEMORY)
        ax.plot(steps[within], 1.5 * np.log(tau[within]) + KAPPA, color=look["color"])
        ax.plot(steps, curve(tau), ":", color=look["color"])
    ax.axvline(MEMORY, color="0.7", linewidth=0.8)
    ax.annotate("1/(1 − β₂)", (MEMORY, 0), (3, 3), textcoords="offset points", color="0.4")
    ax.plot([], [], color="0.3", label="(3/2) log τ + κ")
    ax.plot([], [], ":", color="0.3", label="the plain law")
    ax.set(xscale="log", xlabel="steps of Adam", ylabel="βu, dimensionless", title="(b) NPO under Adam, one coordinate")
    ax.legend(loc="upper left", fontsize=8)
