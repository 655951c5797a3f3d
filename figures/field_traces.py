"""What an unlearned model still shows: in answers that are drawn, to prompts nobody asked about, and inside."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data

__all__ = ["draw"]

LOOK = {"GA+RT": ("#D55E00", "o"), "NPO": ("#0072B2", "s"), "NPO+RT": ("#009E73", "D"), "retrained": ("#999999", "v")}
KS = np.array([1, 2, 4, 8, 16, 32, 64, 128])


def draw(results: Mapping[str, Data]) -> Figure:
    """leak@k where first no greedy answer leaks; how well one answer tells the model; directions moved and left."""
    traces, components = results["transformer/traces"], results["transformer/components"]
    with styled():
        figure = Figure(figsize=(11, 3.9))
        left, middle, right = figure.subplots(1, 3)
        for name, (colour, marker) in LOOK.items():
            _leaks(left, traces, name, colour, marker)
            _told(middle, traces, name, colour, marker)
            if name != "retrained":
                _directions(right, components, name, colour, marker)
        left.set(xscale="log", xlabel="drawn answers k", ylabel="leak@k")
        left.set_title("(a) no greedy answer leaks")
        middle.set(xlim=(-0.4, 1.4), ylim=(0.48, 1.02), title="(b) whose answer is it?")
        middle.set_ylabel("told by the best classifier")
        middle.set_xticks([0, 1], ["kept prompts", "unseen prompts"])
        right.axline((1, 1), slope=1, color="black", linewidth=0.5)
        right.set(title="(c) change of hidden states", xlabel="along dominant directions", ylabel="along minor ones")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _columns(data: Data, name: str, column: str) -> list[np.ndarray]:
    return [data.arrays[f"{name}-{seed}.{column}"] for seed in data.values["seeds"]]


def _leaks(ax: Axes, data: Data, name: str, colour: str, marker: str) -> None:
    """At the first look at which no greedy answer leaks, the last where one always does."""
    curves = []
    for greedy, logp in zip(_columns(data, name, "greedy"), _columns(data, name, "logp"), strict=True):
        at = int(np.argmax(greedy == 0)) if (greedy == 0).any() else -1
        chance = np.exp(np.minimum(logp[at], -1e-12))
        curves.append(-np.expm1(KS[:, None] * np.log1p(-chance)).mean(axis=1))
    every = np.array(curves)
    ax.plot(KS, every.mean(axis=0), color=colour, marker=marker, markersize=4, label=name)
    ax.fill_between(KS, every.min(axis=0), every.max(axis=0), color=colour, alpha=0.1, linewidth=0)


def _told(ax: Axes, data: Data, name: str, colour: str, marker: str) -> None:
    shift = 0.08 * (list(LOOK).index(name) - 1.5)
    for place, column in enumerate(("told_kept", "told_unseen")):
        ends = np.array(_columns(data, name, column))
        ax.plot(np.full(len(ends), place + shift), ends, marker, color=colour, markersize=4)


def _directions(ax: Axes, data: Data, name: str, colour: str, marker: str) -> None:
    """Filled: what unlearning changed beside what was there; open: the share of it that relearning leaves."""
    for column, fill in (("relative", colour), ("left", "none")):
        pairs = np.array(_columns(data, name, column))
        ax.plot(*pairs.T, marker, color=colour, markerfacecolor=fill, markersize=4)
