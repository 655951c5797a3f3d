"""The project in one picture: in intrinsic time every model unlearns along one curve, and how a set leaves it.

Left: single examples of every model at hand, in the coordinates of the intrinsic-time law. Right: the examples of
forget sets, each at its collective clock (open), and with the exact remainder of unequal weights added (filled).
Nothing is fitted.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.theorems.intrinsic_time import curve
from theory.theorems.paths import IntrinsicPath, from_arrays, labels_of

__all__ = ["draw"]

FAR = 15.0  # βu at which the sets of the transformer are shown; their paths go on to 80
MODELS = {"linear": "o", "network": "^", "random features": "D", "transformer": "s", "SmolLM2": "P"}
NAMES = {
    "linear": "linear logistic (theory)",
    "network": "tanh network (theory)",
    "random features": "random features (logistic)",
    "transformer": "transformer",
    "SmolLM2": "SmolLM2-135M",
}


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


class SetEnd(NamedTuple):
    """The end of a set's path, in units of β; the arrays are over examples."""

    model: str
    beta: float
    clock: np.ndarray  # βT
    drop: np.ndarray  # βu
    remainder: np.ndarray  # times β


def _end(followed: ModelPath) -> SetEnd:
    """The end of a set's path; the transformer's where βu passes FAR."""
    model, beta, path = followed
    far = np.flatnonzero(path.drop.max(axis=1) >= FAR)
    at = int(far[0]) if far.size else -1
    return SetEnd(model, beta, path.clock[at], path.drop[at], path.remainder[at])


def draw(results: Mapping[str, Data]) -> Figure:
    """Two panels from the units theory/intrinsic-time, logistic/law and transformer/*."""
    singles, sets = _followed(results, _alone), [_end(one) for one in _followed(results, _together)]
    betas = sorted({s.beta for s in singles if s.beta} | {beta for _, beta, *_ in sets})
    looks = beta_look(betas)
    with styled():
        figure = Figure(figsize=(11.4, 5.0))
        (left, right) = figure.subplots(1, 2, width_ratios=(1.25, 1))
        _law(left, 1e4)
        for i, s in enumerate(singles):
            time, drop = s.path.clock[:, 0], s.path.drop[:, 0]
            at = _spread(time, phase=(i * 0.618) % 1)  # so that no run hides another
            colour = looks[s.beta]["color"] if s.beta else LOOK["GA"]["color"]
            style = {"color": colour, "markersize": 5.5, "markeredgecolor": "white", "mew": 0.5}
            left.plot(time[at], drop[at], MODELS[s.model], **style)
        left.set(
            xscale="log",
            yscale="log",
            xlim=(2e-2, 2e3),
            ylim=(2e-2, 60),
            title="One example alone: one curve for every β and model",
            xlabel="intrinsic time βT, dimensionless  (GA: T, nats)",
            ylabel="drop βu, dimensionless  (GA: u, nats)",
        )
        _law(right, 1e9)
        _set_panel(right, sets, looks)
        figure.legend(handles=_key(looks, betas, singles), loc="outside lower center", ncols=6)
    return figure


def _law(ax: Axes, until: float) -> None:
    x = np.geomspace(1e-3, until, 400)
    ax.plot(x, x, color=LOOK["GA"]["color"], zorder=1)
    ax.plot(x, curve(x), color="black", zorder=1)


def _spread(time: np.ndarray, phase: float) -> np.ndarray:
    """Indices of six points about evenly spread in log time from 0.02 on, shifted by a phase in [0, 1)."""
    width = np.log(time[-1] / 0.02) / 6
    wanted = 0.02 * np.exp(width * (np.arange(6) + phase))
    return np.unique(np.searchsorted(time, wanted).clip(0, len(time) - 1))


def _set_panel(ax: Axes, sets: list[SetEnd], looks: Mapping[float, Mapping[str, str]]) -> None:
    """Open markers at the collective clocks, filled ones with the remainder added."""
    hidden = total = 0
    furthest = 1e3
    for model, beta, time, drop, rest in sets:
        shown = (time > 0) & (drop > 0) & (time + rest > 0)
        hidden, total = hidden + int(np.sum(~shown)), total + len(time)
        t, y, r = (x[shown] for x in (time, drop, rest))
        colour = looks[beta]["color"]
        ax.hlines(y, t, t + r, color=colour, linewidth=0.5, alpha=0.6)
        ax.plot(t, y, MODELS[model], color=colour, markersize=4, markerfacecolor="white", mew=0.8)
        ax.plot(t + r, y, MODELS[model], color=colour, markersize=2.5)
        furthest = max([furthest, *(t + r)])
    ax.set(
        xscale="log",
        xlim=(1, 10 * furthest),
        ylim=(0, 1.1 * float(curve(furthest))),
        title="A set leaves it, by an exact remainder",
        xlabel="collective clock βT$_i$ (open), plus β · remainder$_i$ (filled)",
    )
    note = f"{hidden} of {total} not shown: others push their\nlabel back up, so that clock or drop is negative"
    ax.annotate(note, (0.98, 0.02), xycoords="axes fraction", ha="right", fontsize=8, color="0.35")


def _key(looks: dict[float, dict[str, str]], betas: list[float], singles: list[ModelPath]) -> list[Line2D]:
    lines = [
        Line2D([], [], color=LOOK["GA"]["color"], label="GA: u = T"),
        Line2D([], [], color="black", label="NPO: βT = ½(βu + e$^{βu}$ − 1)"),
    ]
    models = [m for m in MODELS if any(s.model == m for s in singles)]
    lines += [Line2D([], [], linestyle="", marker=MODELS[m], color="0.4", label=NAMES[m]) for m in models]
    lines += [Line2D([], [], linestyle="", marker="o", color=looks[b]["color"], label=f"β = {b:g}") for b in betas]
    return lines
