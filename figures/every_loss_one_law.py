"""Intrinsic time for every loss: each has a law of its own, and made straight they are one line.

(a) The drop of one answer of the first model against its intrinsic time: each loss's law (line) and descent (marks).
(b) The same of all models at hand: the time that its loss's law asks for, against the time that passed.
(c) Several answers, or the tokens of one, together: off the line by their collective clock (open), on it with the exact
remainder, which has every example's own weight (filled).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.canvas import styled
from records.store import Data

__all__ = ["draw"]

Array = np.ndarray
MODELS = {
    "logistic/loss-times": ("random features", "#009E73", "D"),
    "transformer/loss-times": ("transformer", "#CC79A7", "s"),
    "smollm2/losses": ("SmolLM2-135M, head", "#0072B2", "P"),
}
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
MARKS = ("o", "s", "^", "D", "v", "P")
MOST = 12  # curves of a panel
ALIKE = 0.02  # laws that differ by less are drawn as one
ROWS = 4  # losses of a model on the right
FELL = 0.05  # nats that an example has dropped to be shown there: what others push up, a logarithmic axis can't show
AT = np.array([0.03, 0.1, 0.3, 1.0])  # drops, as shares of the least end, where laws are compared


class OneLaw(NamedTuple):
    """Losses that share a law, and the path of one answer under the first of them."""

    names: list[str]
    clock: Array
    drop: Array
    asked: Array


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels from the units logistic/loss-times, transformer/loss-times and smollm2/losses, as far as given."""
    there = {name: results[name] for name in MODELS if name in results}
    with styled():
        figure = Figure(figsize=(15.5, 5.2))
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.15, 1, 1])
        _laws_panel(left, next(iter(there.values())), MODELS[next(iter(there))][0])
        _straight_panel(middle, there)
        _together_panel(right, there)
    return figure


def _column(data: Data, label: str) -> dict[str, Array]:
    return {name: data.arrays[f"{label}.{name}"] for name in ("clock", "drop", "remainder", "asked")}


# --- every law ------------------------------------------------------------------------------------------------------


def _laws_panel(ax: Axes, data: Data, model: str) -> None:
    for i, law in enumerate(_chosen(_grouped(data))):
        colour, mark = COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)]
        order = np.argsort(law.drop)
        ax.plot(law.asked[order], law.drop[order], color=colour, linewidth=1.2, zorder=1)
        at = np.unique(np.searchsorted(law.drop, np.geomspace(max(law.drop[1], 0.05), law.drop[-1], 6)))
        at = at[at < len(law.drop)]
        style: dict[str, Any] = {"color": colour, "markersize": 5.5, "markeredgecolor": "white", "mew": 0.5}
        ax.plot(law.clock[at], law.drop[at], mark, label=_joined(law.names), zorder=2, **style)
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(1e-2, None),
        ylim=(0.03, 100),
        xlabel="intrinsic time T, nats",
        ylabel="drop u, nats",
        title=f"(a) One answer, one law for each loss  ({model})",
    )
    ax.legend(loc="upper left", fontsize="small", title="line: T = ∫ du/w(u); marks: descent", ncols=2)


def _joined(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} …"


def _grouped(data: Data) -> list[OneLaw]:
    """Losses whose laws differ by less than a few percent, as one; the law is what was asked for at each drop."""
    found: list[OneLaw] = []
    for name in data.values["losses"]:
        columns = {key: column[1:, 0] for key, column in _column(data, f"single-{name}").items()}
        own = OneLaw([name], columns["clock"], columns["drop"], columns["asked"])
        same = next((law for law in found if _apart(law, own) < ALIKE), None)
        if same:
            same.names.append(name)
        else:
            found.append(own)
    return found


def _apart(one: OneLaw, other: OneLaw) -> float:
    """How far two laws are from each other, in log T, up to the least of their ends."""
    at = np.log(AT * min(one.drop.max(), other.drop.max()))
    times = [np.interp(at, np.log(law.drop), np.log(law.asked)) for law in (one, other)]
    return float(np.abs(times[0] - times[1]).max())


def _chosen(laws: Sequence[OneLaw]) -> list[OneLaw]:
    """As many as a panel can show: the first two, then always that which is furthest from those chosen; in order."""
    chosen = list(range(min(2, len(laws))))
    while len(chosen) < min(MOST, len(laws)):
        rest = [i for i in range(len(laws)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: min(_apart(laws[i], laws[j]) for j in chosen)))
    return [laws[i] for i in sorted(chosen)]


# --- made straight --------------------------------------------------------------------------------------------------


def _straight_panel(ax: Axes, results: Mapping[str, Data]) -> None:
    ends = (1e-2, 1e3)
    ax.plot(ends, ends, color="black", linewidth=1, zorder=1)
    for k, (unit, data) in enumerate(results.items()):
        name, colour, mark = MODELS[unit]
        for i, loss in enumerate(data.values["losses"]):
            path = _column(data, f"single-{loss}")
            clock, asked = path["clock"][1:, 0], path["asked"][1:, 0]
            at = np.unique(np.searchsorted(clock, 10 ** (np.arange(-2.0, 3) + (0.31 * i + 0.13 * k) % 1)))
            at = at[at < len(clock)]
            ax.plot(clock[at], asked[at], mark, color=colour, markersize=5, markeredgecolor="white", mew=0.4)
        ax.plot([], [], mark, color=colour, label=f"{name}, {len(data.values['losses'])} losses")
    ax.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        xlabel="intrinsic time T that passed, nats",
        ylabel="∫₀ᵘ dv/w(v) at the drop u, nats",
        title="(b) Made straight: all on one line",
    )
    ax.legend(loc="lower right")


# --- several together -----------------------------------------------------------------------------------------------


class Furthest(NamedTuple):
    """The example of a set that ends furthest from its law: clock over asked, without and with the remainder."""

    name: str
    before: float
    after: float


def _furthest(data: Data) -> list[Furthest]:
    """Of the losses that were followed on several examples, those that leave their law furthest."""
    found = []
    for name in data.values.get("tokens", data.values["losses"]):
        kind = "tokens" if "tokens" in data.values else "set"
        end = {key: column[-1] for key, column in _column(data, f"{kind}-{name}").items()}
        clock, asked, remainder = end["clock"], end["asked"], end["remainder"]
        there = np.flatnonzero((clock > 0) & (end["drop"] > FELL) & (clock + remainder > 0))
        if there.size:
            i = max(there, key=lambda i: abs(np.log(clock[i] / asked[i])))
            found.append(Furthest(name, float(clock[i] / asked[i]), float((clock[i] + remainder[i]) / asked[i])))
    return sorted(found, key=lambda one: abs(np.log(one.before)))[-ROWS:]


def _together_panel(ax: Axes, results: Mapping[str, Data]) -> None:
    ax.axvline(1, color="black", linewidth=1, zorder=1)
    y, places, names, colours = 0.0, [], [], []
    for unit, data in results.items():
        _, colour, mark = MODELS[unit]
        for one in _furthest(data):
            arrow = {"arrowstyle": "-|>", "color": colour, "shrinkA": 4, "shrinkB": 4}
            ax.annotate("", (one.after, y), (one.before, y), arrowprops=arrow)
            ax.plot([one.before], [y], mark, color=colour, markerfacecolor="white", markersize=7)
            ax.plot([one.after], [y], mark, color=colour, markersize=7)
            places.append(y)
            names.append(one.name)
            colours.append(colour)
            y += 1
        y += 0.8
    ax.set_yticks(places, names)
    for label, colour in zip(ax.get_yticklabels(), colours, strict=True):
        label.set(color=colour)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set(
        xscale="log",
        ylim=(-3.2, max(y, 1.0)),
        xlabel="time over the time that the law asks for",
        title="(c) Sets: the remainder puts them back",
    )
    grey: dict[str, Any] = {"linestyle": "", "marker": "o", "color": "0.3", "markersize": 6.5}
    handles = [
        Line2D([], [], **grey, markerfacecolor="white", label="an example or token, by the collective clock"),
        Line2D([], [], **grey, label="with the exact remainder added"),
    ]
    ax.legend(handles=handles, loc="lower left", frameon=True, framealpha=1, edgecolor="none")
