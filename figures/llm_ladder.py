"""The intrinsic-time law in a language model, from its output head alone (left) up to all weights (right).

Above: βu against βT of the first answer alone, along the flow; lines are the law, nothing is fitted. Middle: how far
the answers of a set are from the curve, at their collective clocks (dashed) and with the exact remainder added. Below:
the mean drop by step, under plain gradient descent at a constant step size and under AdamW (dashed).
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.theorems.time.intrinsic_time import curve, time_on_curve
from theory.theorems.time.paths import from_arrays, labels_of

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
        figure = Figure(figsize=(1.2 + 3.1 * len(there), 8.6))
        axes = figure.subplots(3, len(there), squeeze=False, sharey="row")
        for (alone, together, steps), rung in zip(axes.T, there, strict=True):
            _flows(alone, by_rung[rung], looks)
            _sets(together, by_rung[rung], looks)
            _steps(steps, by_rung[rung], looks)
            for ax, what in ((alone, "one answer"), (together, "a set"), (steps, "by step")):
                if ax.axison:
                    ax.set_title(f"{TITLES[rung]}: {what}")
        axes[0, 0].set_ylabel("drop βu  (GA: u, nats)")
        axes[1, 0].set_ylabel("largest |βF(u) − time| / (1 + βF)")
        axes[2, 0].set_ylabel("mean drop u (nats)")
    return figure


def _colour(data: Data, looks: Looks) -> str:
    beta = data.values["beta"]
    return looks[beta]["color"] if beta else LOOK["GA"]["color"]


def _flows(axes: Axes, units: list[Data], looks: Looks) -> None:
    x = np.geomspace(1e-2, 1e5, 300)
    axes.plot(x, x, color=LOOK["GA"]["color"], linewidth=1, zorder=1, label="GA: u = T")
    axes.plot(x, curve(x), color="black", linewidth=1, zorder=1, label="NPO: the curve")
    for data in units:
        unit, colour = data.values["beta"] or 1.0, _colour(data, looks)
        single = from_arrays(data.arrays, "single").times(unit)
        clock, drop = single.clock[:, 0], single.drop[:, 0]
        at = _spread(clock)
        label = f"β = {data.values['beta']:g}" if data.values["beta"] else None
        axes.plot(clock[at], drop[at], "o", color=colour, markersize=6, markeredgecolor="white", mew=0.6, label=label)
    axes.set(xscale="log", yscale="log", xlim=(1e-2, 1e5), ylim=(1e-2, 100), xlabel="intrinsic time βT  (GA: T, nats)")
    axes.set_xticks([1e-2, 1, 1e2, 1e4])
    axes.legend(loc="lower right", fontsize=8)


def _sets(axes: Axes, units: list[Data], looks: Looks) -> None:
    """How far the answers of a set are from the curve, in the measure of the claim; empty where none was followed."""
    followed = [data for data in units if data.values["beta"] and "set" in labels_of(data.arrays)]
    if not followed:
        axes.axis("off")
        return
    for data in followed:
        path, beta = from_arrays(data.arrays, "set").times(data.values["beta"]), data.values["beta"]
        asked = time_on_curve(path.drop)
        for time, style, label in (
            (path.clock, "--", None),
            (path.clock + path.remainder, "-", f"β = {beta:g}"),
        ):
            far = (np.abs(asked - time) / (1 + np.abs(asked))).max(axis=1)
            axes.plot(path.drop.mean(axis=1)[1:], far[1:], style, color=_colour(data, looks), label=label)
    axes.plot([], [], "--", color="0.4", label="at the clock")
    axes.plot([], [], color="0.4", label="with the remainder")
    axes.set(xlabel="mean drop βu", yscale="log", ylim=(1e-3, 10))
    axes.legend(loc="upper left", fontsize=8, ncols=2)


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
                beta, alone = data.values["beta"], kind == "descent"
                label = (f"β = {beta:g}" if beta else "GA") if alone else None
                axes.plot(steps[1:], drop[1:], style, color=_colour(data, looks), label=label)
    for style, label in (("-", "plain descent"), ("--", "AdamW")):
        axes.plot([], [], style, color="0.4", label=label)
    axes.set(xscale="log", yscale="log", ylim=(1e-3, 1e4), xlabel="step")
    axes.legend(loc="lower right", fontsize=8, ncols=2)
