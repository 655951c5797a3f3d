"""Relearning in language models: times there and back, a set, and who resists at an equal drop.

(a) Intrinsic time of unlearning and of relearning, over nats, against the law's F(u)/u, for every rung and β.
(b) After unlearning to one mean drop in many ways: the share of the lost nats that steps of relearning bring back.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data

__all__ = ["draw"]

PLACE, DROP = "llm/way-back/", "llm/equal-drop/"
RUNGS = {"head": "o", "blocks": "s", "adapter": "^", "full": "D"}
COLOURS = {"tofu-mini": "#0072B2", "smollm2": "#D55E00"}
SIZES = {"tofu-mini": 5, "smollm2": 10}  # where both are in one place, both are seen
LOOKS = {"adam": ("AdamW", "#D55E00", "s"), "gd": ("plain descent", "#0072B2", "o")}


def draw(results: Mapping[str, Data]) -> Figure:
    """A panel from llm/way-back/*, and one from llm/equal-drop/tofu-mini where it is given."""
    ways = {name.removeprefix(PLACE): data for name, data in results.items() if name.startswith(PLACE)}
    drops = [data for name, data in results.items() if name.startswith(DROP)]
    with styled():
        figure = Figure(figsize=(13.0 if drops else 6.5, 5.4))
        left, *right = figure.subplots(1, 1 + len(drops[:1]), squeeze=False)[0]
        _times(left, ways)
        for ax in right:
            _resistance(ax, drops[0])
    return figure


def _times(ax: Axes, ways: Mapping[str, Data]) -> None:
    ends = np.array([0.8, 5e7])
    ax.plot(ends, ends, color="black", linewidth=0.8, label="law there: F(u)/u")
    ax.axhline(1, color="black", linewidth=0.8, linestyle="--", label="law back: 1, whatever unlearned")
    for name, data in sorted(ways.items()):  # the larger ones first
        setting, rung, _ = name.split("/")
        colour, marker, size = COLOURS[setting], RUNGS[rung], SIZES[setting]
        for one in data.values["singles"]:
            asked = one["asked"] / one["lost"]
            ax.plot(asked, one["unlearn"] / one["lost"], marker, color=colour, markersize=size)
            ax.plot(
                asked, one["relearn"] / one["gained"], marker, color=colour, markerfacecolor="white", markersize=size
            )
    for setting, colour in COLOURS.items():
        for rung, marker in RUNGS.items():
            if any(name.startswith(f"{setting}/{rung}/") for name in ways):
                ax.plot([], [], marker, color=colour, label=f"{setting}, {rung}")
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title="(a) One answer: there (filled) and back (open)")
    ax.set(xlabel="intrinsic time that the law asks for, per nat: F(u)/u", ylabel="intrinsic time measured, per nat")
    ax.legend(loc="upper left", fontsize="small")


def _resistance(ax: Axes, data: Data) -> None:
    entries = [one for one in data.values["entries"].values() if one["there"]]
    ways = list(dict.fromkeys(one["way"] for one in entries))[::-1]
    ax.axvline(1, color="black", linewidth=1, zorder=1)
    for offset, (by, (label, colour, marker)) in zip((-0.12, 0.12), LOOKS.items(), strict=True):
        beside = {one["seed"]: one[f"{by}_half"] for one in entries if one["way"] == "GA"}
        for y, way in enumerate(ways):
            mine = [one for one in entries if one["way"] == way and one[f"{by}_half"]]
            over = [one[f"{by}_half"] / beside[one["seed"]] for one in mine]
            ax.plot(over, [y + offset] * len(over), marker, color=colour, alpha=0.6, label=label if y == 0 else None)
    ax.set_yticks(range(len(ways)), ways)
    ax.set(xlabel="steps of relearning until half of it is back, over those after GA of the same seed")
    ax.set(
        title=f"(b) tofu-mini: all at a mean drop of {data.values['made']['nats']:g} nats", ylim=(-0.8, len(ways) - 0.2)
    )
    ax.grid(visible=False, axis="y")
    ax.legend(loc="best", fontsize="small")
