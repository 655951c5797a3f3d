"""GA diverges linearly and NPO logarithmically, inside two-sided bounds with explicit constants (Theorem 2)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, styled
from records.store import Data
from theory.theorems import demonstrations

__all__ = ["compute", "draw"]

Arrays = Mapping[str, np.ndarray]
UNIT = "theory/theorem-2"


def compute(quick: bool = False, preset: demonstrations.TheoryPreset | None = None) -> dict[str, Data]:
    """Margins and bounds on a built instance of Theorem 2; a preset of one's own goes before `quick`."""
    usual = demonstrations.QUICK if quick else demonstrations.REPRODUCE
    return {UNIT: Data(demonstrations.theorem_2(preset or usual), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Forgetting margins of all examples against steps: GA on log-log axes, NPO against log t."""
    data = results[UNIT].arrays
    beta = float(data["beta"])
    with styled():
        figure = Figure(figsize=(9.6, 4.2))
        (left, right) = figure.subplots(1, 2)
        _panel(left, data, "GA")
        left.set(xscale="log", yscale="log", title=f"GA: m grows as t to the power {data['GA.growth'][0]:.3f}")
        _panel(right, data, "NPO")
        slope = data["NPO.growth"][0]
        right.set(xscale="log", title=f"NPO: m grows {slope:.3f} a unit of log t (1/β = {1 / beta:g})")
    return figure


def _panel(ax: Axes, data: Arrays, name: str) -> None:
    steps, margin = data[f"{name}.steps"], data[f"{name}.margin"]
    ax.fill_between(
        steps, data[f"{name}.lower"], data[f"{name}.upper"], color="0.88", label="between Theorem 2's bounds"
    )
    ax.fill_between(steps, margin.min(axis=1), margin.max(axis=1), color=LOOK[name]["color"], alpha=0.35, linewidth=0)
    ax.plot(steps, margin.mean(axis=1), color=LOOK[name]["color"], label=f"{name}: mean and range of the examples")
    ax.set(xlabel="gradient-descent steps t", ylabel="forgetting margin m (logit units)")
    ax.legend(loc="upper left")
