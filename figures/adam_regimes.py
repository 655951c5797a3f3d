"""Where NPO's logarithm is under Adam: a = βη/(1 − β₂) against the number of steps, without and with floors."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures.canvas import styled
from records.store import Data
from theory.atlas.optimisers.grid import FLOORS, MEMORY, regimes
from theory.theorems import demonstrations

__all__ = ["compute", "draw"]

MAP = "theory/adam-regimes"
REGIMES = {"linear in t": "#E8A27C", "in between": "#F4F0E6", "≈ (3/2) log t": "#8FCBB0", "log t": "#8FBDDD"}
SATURATED = np.log1p(np.exp(2.0))  # m₀


def compute(quick: bool = False) -> dict[str, Data]:
    """The map, in seconds."""
    return {MAP: Data(regimes(demonstrations.QUICK if quick else demonstrations.REPRODUCE), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels from the unit theory/adam-regimes."""
    a = results[MAP].arrays
    with styled():
        figure = Figure(figsize=(11.0, 4.4))
        axes = figure.subplots(1, 3, sharey=True)
        for ax, name, margins in zip(axes, FLOORS, a["margins"], strict=True):
            _panel(ax, a["a"], a["steps"], margins)
            ax.set(title=name, xlabel="steps t of Adam")
            floor = max(FLOORS[name])
            if floor:
                _floor_line(ax, a["a"], floor)
        axes[0].set_ylabel("a = βη/(1 − β₂)")
        handles: list[Artist] = [Patch(color=colour, label=f"margin {name}") for name, colour in REGIMES.items()]
        handles.append(Line2D([], [], color="0.1", linewidth=1.2, label="force down to the floor, by the law"))
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def _panel(ax: Axes, a: np.ndarray, steps: np.ndarray, margins: np.ndarray) -> None:
    x = np.log(steps)
    rate = np.gradient(margins, x, axis=1)  # dm/d log t, β = 1
    power = np.gradient(np.log(np.maximum(rate, 1e-12)), x, axis=1)
    within = steps <= 1.5 * MEMORY  # the curve of 3/2 is Adam's early one; later it is only passed by
    regime = np.select([power > 0.7, within & (np.abs(rate - 1.5) < 0.25), np.abs(rate - 1.0) < 0.2], [0, 2, 3], 1)
    colours = ListedColormap(list(REGIMES.values()))
    ax.pcolormesh(steps, a, regime, cmap=colours, norm=BoundaryNorm(np.arange(-0.5, 4.5), 4), shading="nearest")
    ax.grid(visible=False)
    ax.plot(MEMORY / a, a, "--", color="0.25", linewidth=1)  # βηt = 1: NPO's weight begins to fall
    ax.axvline(MEMORY, color="0.25", linewidth=1, linestyle=":")
    ax.set(xscale="log", yscale="log", xlim=(2, steps[-2]), ylim=(a[0], a[-1]))
    ax.text(MEMORY * 1.1, a[-1] / 1.5, "1/(1 − β₂)", va="top", fontsize=8)
    ax.text(14, 30, "βηt = 1", rotation=-48, fontsize=8)


def _floor_line(ax: Axes, a: np.ndarray, floor: float) -> None:
    """Where the law says that the force has come down to the floor: y = log(2/floor) nats at Adam's late speed."""
    speed = (np.sqrt(1 + a**2) - a) * a / MEMORY
    ax.plot((SATURATED + np.log(2 / floor)) / speed, a, color="0.1", linewidth=1.2)
