"""The atlas's speed against what was measured, as ranks: drop, and damage at equal steps and at an equal drop."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata

from figures.canvas import styled
from figures.labels import literal
from records.store import Data
from synthetic.practice import SHARE, Correlation, correlated, forget_loss
from synthetic.practised import Practised, practised, predicted_speed, read

__all__ = ["draw"]

LOOKS = {"": ("alone", "#0072B2", "o"), "+RT": ("with +RT", "#D55E00", "^")}
ROWS = (
    ("speed", "rank of drop, equal steps"),
    ("damage", "rank of KL on kept rows, equal steps"),
    ("damage at an equal drop", f"rank of KL on kept rows at {SHARE:g} u*"),
)
NAMED = 5  # losses of a panel that are named: those that stand furthest from the order, and gradient ascent


def draw(results: Mapping[str, Data]) -> Figure:
    """A column for each room and optimiser, from units that `synthetic.practised` reads."""
    settings = practised(results)
    with styled():
        figure = Figure(figsize=(3.0 * len(settings) + 0.6, 8.2))
        grid = figure.subplots(len(ROWS), len(settings), squeeze=False)
        for column, setting in enumerate(settings):
            for row, (reading, label) in enumerate(ROWS):
                _panel(grid[row, column], setting, reading)
                grid[row, 0].set_ylabel(label)
            grid[0, column].set_title(f"{setting.room}, {setting.optimizer}", fontsize=10)
            grid[-1, column].set_xlabel("rank of speed by the atlas")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _panel(axes: Axes, setting: Practised, reading: str) -> None:
    told = []
    for term, (label, colour, marker) in LOOKS.items():
        x, y = predicted_speed(setting, term), read(setting, reading, term)
        known = [name for name in x if np.isfinite(x[name]) and np.isfinite(y[name])]
        across, up = (rankdata([values[name] for name in known]) for values in (x, y))
        axes.plot(across, up, linestyle="", marker=marker, color=colour, alpha=0.8, markersize=5, label=label)
        told.append(f"{label}: {_said(correlated(x, y))}")
        if not term:
            for k in _odd(across, up, known):
                name = literal(forget_loss(known[k]))
                axes.annotate(name, (across[k], up[k]), (3, 3), textcoords="offset points", fontsize=7)
    most = len(predicted_speed(setting, ""))
    axes.plot([1, most], [1, most], color="black", linewidth=0.6, zorder=0)
    axes.set(xlim=(0, most + 3), ylim=(0, 1.35 * most))
    axes.text(0.03, 0.97, "\n".join(told), transform=axes.transAxes, va="top", fontsize=8)


def _said(one: Correlation) -> str:
    return f"ρ = {one.rho:.2f} of {one.methods}" if np.isfinite(one.rho) else f"only {one.methods} get there"


def _odd(x: np.ndarray, y: np.ndarray, names: list[str]) -> list[int]:
    """Those whose ranks differ most, and gradient ascent."""
    most = [int(k) for k in np.argsort(-np.abs(x - y), kind="stable")[:NAMED]]
    return list(dict.fromkeys([*most, *(k for k, name in enumerate(names) if name == "GA")]))
