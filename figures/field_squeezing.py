"""Where the probability goes that gradient ascent takes away: from a memorised answer, and from an unlikely one."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data

__all__ = ["draw"]

LOOK = {
    "argmax": ("#0072B2", "-", "positions where the likeliest\nother token has risen"),
    "falling": ("#D55E00", "--", "share of the others that have fallen"),
    "top": ("#009E73", "-.", "share of the rest on one token"),
    "same": ("#999999", ":", "positions where that is the token\nthat was likeliest at the start"),
}
TITLES = {"memorised": "(a) a memorised answer is pushed down", "unlikely": "(b) an unlikely answer is pushed down"}
FROM, TO = 0.01, 30.0  # nats a token


def draw(results: Mapping[str, Data]) -> Figure:
    """Shares against the nats a token that the answer has lost; mean and range over seeds."""
    (data,) = results.values()
    with styled():
        figure = Figure(figsize=(10.5, 4.3))
        axes = figure.subplots(1, 2, sharey=True)
        for ax, (kind, title) in zip(axes, TITLES.items(), strict=True):
            _panel(ax, data, kind)
            ax.set(xscale="log", xlim=(FROM, TO), ylim=(-0.02, 1.02), title=title)
            ax.set_xlabel("nats a token that the answer has lost")
            ax.axhline(0.5, color="black", linewidth=0.5)
        axes[0].set_ylabel("share")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _panel(ax: Axes, data: Data, kind: str) -> None:
    lost = np.geomspace(FROM, TO, 80)
    for name, (colour, style, label) in LOOK.items():
        every = np.array([_at(data.arrays, f"{kind}-{seed}", name, lost) for seed in data.values["seeds"]])
        ax.plot(lost, every.mean(axis=0), color=colour, linestyle=style, label=label)
        ax.fill_between(lost, every.min(axis=0), every.max(axis=0), color=colour, alpha=0.1, linewidth=0)


def _at(arrays: Mapping[str, np.ndarray], run: str, name: str, lost: np.ndarray) -> np.ndarray:
    """A column over the drop; shares say nothing before the first step."""
    drop = np.maximum.accumulate(arrays[f"{run}.drop"])[1:]
    return np.interp(lost, drop, arrays[f"{run}.{name}"][1:])
