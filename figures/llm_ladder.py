"""The intrinsic-time law in a language model, from its output head alone (left) up to all weights (right).

Above: βu against βT; lines are the law, nothing is fitted. Large markers: the first answer alone, along the flow.
Small: the mean over a set of answers at their collective clocks (open), with the exact remainder added (filled). Below:
the mean drop by step, under plain gradient descent at a constant step size (lines) and under AdamW (dashed).
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.theorems.intrinsic_time import curve
from theory.theorems.paths import from_arrays, labels_of

__all__ = ["draw"]

TITLES = {"head": "output head alone", "blocks": "last blocks", "adapter": "LoRA", "full": "all weights"}
Looks = Mapping[float, Mapping[str, str]]


def draw(results: Mapping[str, Data]) -> Figure:
    """From units `…law/<rung>-<run>`."""
    by_rung: dict[str, list[Data]] = {}
    for data in results.values():
        by_rung.setdefault(data.values["rung"], []).append(data)
    there = [rung for rung in TITLES if rung in by_rung]
    looks = beta_look(sorted({d.values["beta"] for d in results.values() if d.values["beta"]}))
    with styled():
        figure = Figure(figsize=(1.2 + 3.1 * len(there), 6.2))
        axes = figure.subplots(2, len(there), squeeze=False, sharey="row")
        for (above, below), rung in zip(axes.T, there, strict=True):
            above.set_title(TITLES[rung])
            _flows(above, by_rung[rung], looks)
            _steps(below, by_rung[rung], looks)
        axes[0, 0].set_ylabel("drop βu  (GA: u, nats)")
        axes[1, 0].set_ylabel("mean drop u (nats)")
        figure.legend(handles=_key(looks), loc="outside lower center", ncols=max(2, 3 * len(there) // 2))
    return figure


def _colour(data: Data, looks: Looks) -> str:
    beta = data.values["beta"]
    return looks[beta]["color"] if beta else LOOK["GA"]["color"]


def _flows(axes: Axes, units: list[Data], looks: Looks) -> None:
    x = np.geomspace(1e-2, 1e5, 300)
    axes.plot(x, x, color=LOOK["GA"]["color"], linewidth=1, zorder=1)
    axes.plot(x, curve(x), color="black", linewidth=1, zorder=1)
    for data in units:
        unit, colour = data.values["beta"] or 1.0, _colour(data, looks)
        single = from_arrays(data.arrays, "single").times(unit)
        clock, drop = single.clock[:, 0], single.drop[:, 0]
        at = _spread(clock)
        axes.plot(clock[at], drop[at], "o", color=colour, markersize=6, markeredgecolor="white", mew=0.6)
        if "set" in labels_of(data.arrays) and data.values["beta"]:
            together = from_arrays(data.arrays, "set").times(unit)
            clock, drop, rest = (x.mean(axis=1) for x in (together.clock, together.drop, together.remainder))
            at = _spread(clock)
            axes.plot(clock[at], drop[at], "s", color=colour, markersize=4, markerfacecolor="white", mew=0.8)
            axes.plot((clock + rest)[at], drop[at], "s", color=colour, markersize=2.5)
    axes.set(xscale="log", yscale="log", xlim=(1e-2, 1e5), ylim=(1e-2, 100), xlabel="intrinsic time βT  (GA: T, nats)")


def _spread(time: np.ndarray) -> np.ndarray:
    """Indices of a dozen points evenly spread in log time."""
    first = max(1, int(np.searchsorted(time, 1e-2)))
    if first >= len(time):
        return np.array([len(time) - 1])
    return np.unique(np.searchsorted(time, np.geomspace(time[first], time[-1], 12)).clip(first, len(time) - 1))


def _steps(axes: Axes, units: list[Data], looks: Looks) -> None:
    for data in units:
        for kind, style in (("descent", "-"), ("adamw", "--")):
            if f"{kind}.drop" in data.arrays:
                steps, drop = data.arrays[f"{kind}.steps"], data.arrays[f"{kind}.drop"].mean(axis=1)
                axes.plot(steps[1:], drop[1:], style, color=_colour(data, looks))
    axes.set(xscale="log", yscale="log", ylim=(1e-2, 1e4), xlabel="step")


def _key(looks: Looks) -> list[Line2D]:
    lines = [
        Line2D([], [], color=LOOK["GA"]["color"], label="GA: u = T"),
        Line2D([], [], color="black", label="NPO: βT = ½(βu + e$^{βu}$ − 1)"),
    ]
    lines += [
        Line2D([], [], linestyle="", marker="o", color=look["color"], label=f"β = {b:g}") for b, look in looks.items()
    ]
    lines += [
        Line2D([], [], linestyle="", marker="s", color="0.4", markerfacecolor="white", label="set, at its clock"),
        Line2D([], [], linestyle="", marker="s", markersize=3, color="0.4", label="set, with remainder"),
        Line2D([], [], color="0.4", label="plain descent"),
        Line2D([], [], color="0.4", linestyle="--", label="AdamW"),
    ]
    return lines
