"""Figure 4 of arXiv:2404.05868: its six methods on the logistic problem, mean and range over seeds.

(a1), (a2), (a3) are α = 1, where forget and retain inputs lie apart; (b) is α = 0, where they lie over each other.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, across, line_with_spread, log_ticks, styled
from records.store import Data
from synthetic.logistic.results import by_alpha

__all__ = ["draw"]

Arrays = Mapping[str, np.ndarray]
METHODS = ("GA", "GA+RT", "IDK+RT", "DPO+RT", "NPO", "NPO+RT")  # of the paper's figure


def draw(results: Mapping[str, Data]) -> Figure:
    """From the units logistic/methods-1-* and, where they are there, logistic/methods-0-*."""
    apart, together = by_alpha(results)
    with styled():
        figure = Figure(figsize=(10.6, 7.6))
        axes = figure.subplots(2, 2).ravel()
        for name in METHODS:
            _steps(axes[0], apart, name, "forget_distance")
            _steps(axes[1], apart, name, "retain_distance")
            _plane(axes[2], apart, name)
            if together:
                _steps(axes[3], together, name, "forget_distance")
        axes[0].set(ylabel="forget distance (nats)", title="(a1) α = 1: what is to go")
        axes[1].set(ylabel="retain distance (nats)", title="(a2) α = 1: what should stay")
        axes[2].set(
            xlabel="forget distance (nats)",
            ylabel="retain distance (nats)",
            xscale="log",
            yscale="log",
            title="(a3) α = 1: one against the other",
        )
        axes[3].set(ylabel="forget distance (nats)", title="(b) α = 0: both at once")
        for ax in (axes[0], axes[1], axes[3]):
            ax.set(xlabel="gradient-descent steps", xlim=(0, None), yscale="log")
        log_ticks(axes[3].yaxis)
        for ax in axes:
            if ax.lines:
                ax.legend(ncols=2)
    return figure


def _steps(ax: Axes, runs: Sequence[Arrays], name: str, column: str) -> None:
    line_with_spread(ax, *across(runs, name, column), label=name, markevery=20, **LOOK[name])


def _plane(ax: Axes, runs: Sequence[Arrays], name: str) -> None:
    forget, retain = (across(runs, name, f"{side}_distance")[1].mean(axis=0) for side in ("forget", "retain"))
    ax.plot(forget, retain, markevery=[-1], label=name, **LOOK[name])
    ax.plot(forget[0], retain[0], "k*", markersize=9, zorder=5)
    ax.annotate("start", (forget[0], retain[0]), textcoords="offset points", xytext=(0, 8), ha="center")
