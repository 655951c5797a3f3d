"""The project in one picture: in intrinsic time every model unlearns along one curve, and how a set leaves it.

Left: single examples of every model at hand, in the coordinates of the intrinsic-time law. Right: of three models the
forget set that leaves the curve furthest, a few of its examples: at the set's collective clock (open), and with the
exact remainder of unequal weights and couplings added (filled). A colour is a model; nothing is fitted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.canvas import LOOK, styled
from records.store import Data
from theory.theorems.time.intrinsic_time import curve, time_on_curve
from theory.theorems.time.paths import IntrinsicPath, from_arrays, labels_of

__all__ = ["draw"]


class ModelLook(NamedTuple):
    """How a model looks, what it is called and what its forget set is made of."""

    colour: str
    marker: str
    name: str
    examples: str = ""


MODELS = {
    "linear": ModelLook("#999999", "o", "linear logistic"),
    "network": ModelLook("#E69F00", "^", "tanh network"),
    "random features": ModelLook("#009E73", "D", "random features", "points"),
    "SmolLM2": ModelLook("#0072B2", "P", "SmolLM2-135M", "answers"),
    "transformer": ModelLook("#CC79A7", "s", "transformer", "sequences"),
}
SHOWN = 8  # examples of a set
GA, NPO = LOOK["GA"]["color"], "black"


class ModelPath(NamedTuple):
    """A path of a model, in units of β (nats for GA, where β = 0)."""

    model: str
    beta: float
    path: IntrinsicPath


def _alone(name: str, data: Data) -> list[tuple[str, float, str]]:
    """(model, β, label) of the paths of single examples that a unit left, of its first seed."""
    labels = labels_of(data.arrays)
    if name == "theory/intrinsic-time":
        model = {label: "linear" if label.startswith("linear") else "network" for label in labels}
        return [(model[label], float(label.rsplit(", ", 1)[1]), label) for label in labels]
    if name == "logistic/law":
        every = [(beta, i) for beta in data.values["betas"] for i in data.values["examples"]]
        return [("random features", beta, f"single-{beta:g}-{i}") for beta, i in every]
    if name.startswith("transformer/single-"):
        first = f"{data.values['seeds'][0]}-"
        return [("transformer", data.values["beta"], label) for label in labels if label.startswith(first)]
    return [("SmolLM2", data.values["beta"], "single")] if name.startswith("smollm2/law/") else []


def _together(name: str, data: Data) -> list[tuple[str, float, str]]:
    """(model, β, label) of the paths of whole forget sets under NPO that a unit left, of its first seed."""
    if name == "logistic/law":
        return [("random features", beta, f"set-{beta:g}") for beta in data.values["set_betas"]]
    if name.startswith("transformer/set-NPO"):
        return [("transformer", data.values["beta"], str(data.values["seeds"][0]))]
    there = name.startswith("smollm2/law/") and "set" in labels_of(data.arrays) and data.values["beta"]
    return [("SmolLM2", data.values["beta"], "set")] if there else []


def _followed(
    results: Mapping[str, Data], chosen: Callable[[str, Data], list[tuple[str, float, str]]]
) -> list[ModelPath]:
    return [
        ModelPath(model, float(beta), from_arrays(data.arrays, label).times(beta or 1.0))
        for name, data in results.items()
        for model, beta, label in chosen(name, data)
    ]


def draw(results: Mapping[str, Data]) -> Figure:
    """Two panels from the units theory/intrinsic-time, logistic/law, transformer/* and smollm2/law/*."""
    singles, sets = _followed(results, _alone), _furthest(_followed(results, _together))
    with styled():
        figure = Figure(figsize=(11.4, 4.8))
        (left, right) = figure.subplots(1, 2)
        _single_panel(left, singles)
        _set_panel(right, sets)
    return figure


# --- one example alone --------------------------------------------------------------------------------------------


def _single_panel(ax: Axes, singles: Sequence[ModelPath]) -> None:
    _law(ax, 1e4)
    for i, (model, _, path) in enumerate(singles):
        time, drop, look = path.clock[:, 0], path.drop[:, 0], MODELS[model]
        at = _spread(time, phase=(i * 0.618) % 1)  # so that no run hides another
        ax.plot(time[at], drop[at], look.marker, color=look.colour, markersize=6, markeredgecolor="white", mew=0.5)
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(2e-2, 2e3),
        ylim=(2e-2, 60),
        title="One example alone: one curve for every model and β",
        xlabel="intrinsic time βT, dimensionless  (GA: T, nats)",
        ylabel="drop βu, dimensionless  (GA: u, nats)",
    )
    ax.annotate("gradient ascent: u = T", (12, 12), (-6, 0), color=GA, textcoords="offset points", ha="right")
    ax.annotate("NPO: βT = ½(βu + e$^{βu}$ − 1)", (30, 4), (-14, -20), textcoords="offset points")
    there = [look for model, look in MODELS.items() if any(s.model == model for s in singles)]
    handles = [Line2D([], [], linestyle="", marker=look.marker, color=look.colour, label=look.name) for look in there]
    betas = sorted({s.beta for s in singles if s.beta})
    ax.legend(handles=handles, loc="lower right", title=f"GA, and NPO with β from {betas[0]:g} to {betas[-1]:g}")


def _law(ax: Axes, until: float) -> None:
    x = np.geomspace(1e-3, until, 400)
    ax.plot(x, x, color=GA, zorder=1)
    ax.plot(x, curve(x), color=NPO, zorder=1)


def _spread(time: np.ndarray, phase: float) -> np.ndarray:
    """Indices of four points about evenly spread in log time from 0.02 on, shifted by a phase in [0, 1)."""
    width = np.log(time[-1] / 0.02) / 4
    wanted = 0.02 * np.exp(width * (np.arange(4) + phase))
    return np.unique(np.searchsorted(time, wanted).clip(0, len(time) - 1))


# --- a whole set --------------------------------------------------------------------------------------------------


class Ended(NamedTuple):
    """A set at the end of its path, over some examples by their drop: the clock, and the clock with the remainder
    added, both over the time that the curve asks for; and how many examples there are.
    """

    before: np.ndarray
    after: np.ndarray
    examples: int


def _ended(path: IntrinsicPath) -> Ended:
    """Some of the examples that a logarithmic axis can show: others push the rest up, so that clock or drop is < 0."""
    time, drop, exact = path.clock[-1], path.drop[-1], path.clock[-1] + path.remainder[-1]
    there = np.flatnonzero((time > 0) & (drop > 0) & (exact > 0))
    order = there[np.argsort(drop[there])]
    shown = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)]
    asked = time_on_curve(drop[shown])
    return Ended(time[shown] / asked, exact[shown] / asked, len(time))


def _furthest(sets: Sequence[ModelPath]) -> dict[str, Ended]:
    """Of each model the set whose clocks are furthest, on average, from what the curve asks for."""
    found: dict[str, list[Ended]] = {}
    for model, _, path in sets:
        if (ended := _ended(path)).before.size:
            found.setdefault(model, []).append(ended)
    return {
        model: max(found[model], key=lambda ended: float(np.abs(np.log(ended.before)).mean()))
        for model in MODELS
        if model in found
    }


def _set_panel(ax: Axes, sets: Mapping[str, Ended]) -> None:
    """The curve made straight; arrows from where the collective clocks are to where the remainder puts them."""
    ax.axvline(1, color=NPO, zorder=1)
    y, places, names = 0.0, [], []
    for model, (before, after, examples) in sets.items():
        look, rows = MODELS[model], y + np.arange(len(before))
        style: dict[str, Any] = {"color": look.colour, "markersize": 6.5, "mew": 1.2}
        for row, start, end in zip(rows, before, after, strict=True):
            arrow = {"arrowstyle": "-|>", "color": look.colour, "shrinkA": 4, "shrinkB": 4, "linewidth": 1}
            ax.annotate("", (end, row), (start, row), arrowprops=arrow)
        ax.plot(before, rows, look.marker, markerfacecolor="white", **style)
        ax.plot(after, rows, look.marker, **style)
        places.append(float(rows.mean()))
        names.append(f"{look.name},\n{examples} {look.examples}")
        y = rows[-1] + 2.5
    ax.set_yticks(places, names)
    for label, model in zip(ax.get_yticklabels(), sets, strict=True):
        label.set(color=MODELS[model].colour, weight="bold")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set(
        xscale="log",
        ylim=(-4.5, y - 1),
        title="Sets leave it; an exact remainder puts them back",
        xlabel="intrinsic time over the time that the curve asks for",
    )
    widest = 1.3 * max((float(np.exp(np.abs(np.log(before)).max())) for before, _, _ in sets.values()), default=10.0)
    ticks = [x for x in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0) if 1 / widest < x < widest]
    ax.set_xlim(1 / widest, widest)
    ax.set_xticks(ticks, [f"{x:g}" if x != 1 else "on the curve" for x in ticks])
    ax.minorticks_off()
    grey: dict[str, Any] = {"linestyle": "", "marker": "o", "color": "0.3", "markersize": 6.5}
    handles = [
        Line2D([], [], **grey, markerfacecolor="white", mew=1.2, label="an example, at its set's clock"),
        Line2D([], [], **grey, label="with the exact remainder added"),
    ]
    ax.legend(handles=handles, loc="lower left", ncols=2, columnspacing=1.2)
