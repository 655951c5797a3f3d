"""Which β ends at the wanted drop: predicted against measured, distance to the retrained model, what bends the rule.

In units of the wanted drop u* and of β = 1/u*, so that settings of 2 and of 60 nats lie in one picture.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import log_ticks, styled
from records.store import Data
from synthetic.chosen_beta import by_setting, ending_at

__all__ = ["draw"]

OfSeed = Mapping[str, np.ndarray]
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
ROOMS = {"logistic": {"marker": "o", "linestyle": "--"}, "transformer": {"marker": "D"}}
STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 12,
    "linestyle": "none",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
}


@dataclass(frozen=True)
class Setting:
    """A setting of a room, with its look."""

    label: str
    seeds: Sequence[OfSeed]
    look: Mapping[str, Any]


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels from the units logistic/beta-* and transformer/beta-*."""
    settings = list(_settings(results))
    with styled():
        figure = Figure(figsize=(15.0, 4.8))
        (predicted, distance, ends) = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
        _predicted(predicted, settings)
        _distance(distance, settings)
        _ends(ends, settings)
    return figure


def _settings(results: Mapping[str, Data]) -> Iterator[Setting]:
    """Equal settings of the two rooms have one colour."""
    colours = dict[str, str]()
    for room, look in ROOMS.items():
        for label, seeds in by_setting(results, room).items():
            colour = colours.setdefault(label, COLOURS[len(colours) % len(COLOURS)])
            yield Setting(f"{room}: {label}", seeds, {"color": colour, "markersize": 5} | look)


def _mean(setting: Setting, name: str) -> np.ndarray:
    """Geometric mean over seeds, over u*, of drops at the last look; where one is not above 0 there is none."""
    rows = np.stack([c[name][-1] / c["wanted"] for c in setting.seeds])
    return np.asarray(np.exp(np.log(np.where(rows > 0, rows, np.nan)).mean(axis=0)))


def _predicted(ax: Axes, settings: Sequence[Setting]) -> None:
    for setting in settings:
        said, was = _mean(setting, "predicted"), _mean(setting, "drop")
        ax.plot(said, was, label=setting.label, **{**setting.look, "linewidth": 1.0})
        probe = len(said) // 2
        ax.plot(said[probe], was[probe], "o", color="none", markeredgecolor="black", markersize=10)
    line = np.array([0.15, 30.0])
    ax.plot(line, line, color="0.4", linewidth=1, zorder=1)
    ax.plot(1, 1, "k+", markersize=16, zorder=5)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="drop that the law says, u/u*",
        ylabel="drop measured, u/u*",
        title="(a) two decades of β from one probe",
    )
    for axis in (ax.xaxis, ax.yaxis):
        log_ticks(axis)
    ax.legend(fontsize=7, loc="upper left")


def _distance(ax: Axes, settings: Sequence[Setting]) -> None:
    """The forget distance at the end over that of π_ref; the rule's own run is a star."""
    for setting in settings:
        seeds = setting.seeds
        over = np.stack([c["forget_distance"][-1] / c["before"] for c in seeds])
        ax.plot(seeds[0]["multiple"], np.exp(np.log(over).mean(axis=0)), **setting.look)
        own = np.array([(c["chosen"][-1], c["tried_forget_distance"][-1] / c["before"]) for c in seeds])
        ax.plot(*np.exp(np.log(own).mean(axis=0)), color=setting.look["color"], zorder=5, **STAR)
    ax.axhline(1, color="0.4", linewidth=1, zorder=1)
    ax.annotate("as far as the reference", (0.02, 0.75), xycoords=("axes fraction", "data"), fontsize=8)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="βu*",
        ylabel=r"E KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ over the reference's",
        title="(b) distance to the retrained model",
    )
    ax.plot([], [], color="white", label="the rule's β", **STAR)
    ax.legend(fontsize=8, loc="lower left")
    log_ticks(ax.xaxis)


def _ends(ax: Axes, settings: Sequence[Setting]) -> None:
    """One line a setting, one mark a seed."""
    for k, setting in enumerate(settings):
        for look, filled, lift in ((-1, True, 0.16), (-2, False, -0.16)):
            found = [ending_at(c["multiple"], c["drop"][look], float(c["wanted"])) for c in setting.seeds]
            face = setting.look["color"] if filled else "white"
            style = {**setting.look, "linestyle": "none", "markerfacecolor": face}
            ax.plot(found, np.full(len(found), k - lift), **style)
        chosen = [float(c["chosen"][-1]) for c in setting.seeds]
        ax.plot(np.mean(chosen), k - 0.16, color=setting.look["color"], zorder=5, **STAR)
    for label, face in (("all the steps", "0.3"), ("half of them", "white")):
        ax.plot([], [], "s", color="0.3", markerfacecolor=face, markersize=5, label=label)
    ax.plot([], [], color="0.7", label="the rule, all the steps", **STAR)
    ax.legend(fontsize=8, loc="lower left")
    ax.set_yticks(range(len(settings)), [setting.label for setting in settings], fontsize=8)
    ax.set(xscale="log", xlabel="βu* that ends at u*", ylim=(len(settings) - 0.5, -0.5), title="(c) what bends it")
    log_ticks(ax.xaxis)
