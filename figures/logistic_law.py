"""The law on correlated forget points: where the intrinsic-time law ends, why, and what holds instead.

(a) one example under plain gradient descent: its distance from the curve is of order η. (b) 200 points: the mean drop
that their clocks predict, with and without the exact remainder. (c) how far off the prediction is, against β, overlap
and label noise. (d) the examples that rise. (e) small sets: the rate of each example against its margin, in runs whose
rates have settled.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from synthetic.logistic.law import has_settled
from synthetic.logistic.results import of_kind

__all__ = ["draw"]

DASHES = ("-", "--", ":", "-.")
NOISE_MARKERS, NOISE_COLOURS = ("o", "^", "D", "v", "P"), ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#000000")


def draw(results: Mapping[str, Data]) -> Figure:
    """Five panels from the units logistic/order-*, logistic/departure-* and logistic/margin-*."""
    order, departure, margin = (of_kind(results, kind) for kind in ("order", "departure", "margin"))
    with styled():
        figure = Figure(figsize=(13.2, 8.0))
        axes = figure.subplot_mosaic("aabbcc;dddeee")
        _order(axes["a"], order)
        _departure(axes["b"], departure)
        _error(axes["c"], departure)
        _rising(axes["d"], departure)
        _margins(axes["e"], margin)
    return figure


def _order(ax: Axes, seeds: Sequence[Data]) -> None:
    labels = [key for key in seeds[0].arrays if key != "step"]
    betas = sorted({float(label.rsplit("-", 1)[0]) for label in labels})
    looks = beta_look([b for b in betas if b])
    for beta in betas:
        gaps = [d.arrays[key] for d in seeds for key in labels if float(key.rsplit("-", 1)[0]) == beta]
        step, colour = seeds[0].arrays["step"], looks[beta]["color"] if beta else LOOK["GA"]["color"]
        ax.plot(step, np.mean(gaps, axis=0), "o-", color=colour, markersize=4, label=f"β = {beta:g}" if beta else "GA")
    ax.plot(step, 0.5 * step, "k:", label="slope 1")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=r"βη$\Vert h\Vert^2$ of the descent",
        ylabel="distance from the curve in βu",
        xticks=step,
        xticklabels=[f"{x:g}" for x in step],
        title="(a) one example alone: off by O(η)",
    )
    ax.minorticks_off()
    ax.legend(fontsize=8, ncols=2)


def _means(seeds: Sequence[Data], label: str, name: str) -> float:
    return float(np.mean([d.arrays[f"{label}.{name}"][-1] for d in seeds]))


def _departure(ax: Axes, seeds: Sequence[Data]) -> None:
    """β × mean drop at the end, first α and noise: what happened, and three predictions."""
    grid = seeds[0].values
    betas, case = grid["betas"], f"{grid['alphas'][0]:g}-{grid['noises'][0]:g}"
    columns = (
        ("drop", "measured", "k", "o-"),
        ("exact", "clock + whole remainder", LOOK["NPO"]["color"], "x"),
        ("agreeing", "clock + remainder of equal labels", LOOK["KTO"]["color"], "^--"),
        ("law", "clock alone: the law", LOOK["GA"]["color"], "s--"),
    )
    for name, label, colour, style in columns:
        y = [b * _means(seeds, f"{case}-{b:g}", name) for b in betas]
        size = 11 if style == "x" else 5
        ax.plot(betas, y, style, color=colour, label=label, markersize=size, markeredgewidth=2 if style == "x" else 1)
    ax.set(
        xscale="log",
        yscale="symlog",
        xlabel="β",
        ylabel="β × mean drop (symmetric log axis)",
        title=f"(b) 200 points, α = {grid['alphas'][0]:g}: clock and remainder",
    )
    ax.axhline(0, color="0.7", linewidth=0.6)
    ax.legend(fontsize=8, loc="lower left")


def _cases(grid: Mapping[str, list[float]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The start of the label of every α and label noise, and its look: a dash is an α, a colour a noise."""
    for alpha, dash in zip(grid["alphas"], cycle(DASHES)):
        for noise, marker, colour in zip(grid["noises"], cycle(NOISE_MARKERS), cycle(NOISE_COLOURS)):
            yield f"{alpha:g}-{noise:g}", {"marker": marker, "linestyle": dash, "color": colour, "markersize": 4}


def _key(ax: Axes, grid: Mapping[str, list[float]]) -> None:
    """What the dashes and the colours of the cases are."""
    for alpha, dash in zip(grid["alphas"], cycle(DASHES)):
        ax.plot([], [], dash, color="0.4", label=f"α = {alpha:g}")
    for noise, marker, colour in zip(grid["noises"], cycle(NOISE_MARKERS), cycle(NOISE_COLOURS)):
        ax.plot([], [], marker, color=colour, markersize=4, label=f"{noise:.0%} of labels turned")
    ax.legend(fontsize=8)


def _error(ax: Axes, seeds: Sequence[Data]) -> None:
    betas = seeds[0].values["betas"]
    for case, look in _cases(seeds[0].values):
        off = []
        for b in betas:
            ends = [tuple(b * float(d.arrays[f"{case}-{b:g}.{k}"][-1]) for k in ("drop", "law")) for d in seeds]
            off.append(np.mean([abs(drop - law) / (1 + abs(drop)) for drop, law in ends]))
        ax.plot(betas, off, **look)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="β",
        ylabel="error in β × mean drop, over 1 + itself",
        title="(c) how far the clock alone is off",
    )
    _key(ax, seeds[0].values)


def _rising(ax: Axes, seeds: Sequence[Data]) -> None:
    grid = seeds[0].values
    for case, look in _cases(grid):
        ax.plot(grid["betas"], [_means(seeds, f"{case}-{b:g}", "rising") for b in grid["betas"]], **look)
    ax.set(
        xscale="log",
        ylim=(0, None),
        xlabel="β",
        ylabel="share of forget examples with u < 0",
        title="(d) examples that NPO makes likelier instead",
    )
    _key(ax, grid)


def _margins(ax: Axes, seeds: Sequence[Data]) -> None:
    betas = seeds[0].values["betas"]
    looks = beta_look(betas)
    top = 1.0
    for beta in betas:
        settled = [d for d in seeds if has_settled(d, f"{beta:g}")]
        if not settled:
            continue
        margin, rate = (np.concatenate([d.arrays[f"{beta:g}.{k}"] for d in settled]) for k in ("margin", "rate"))
        kept = np.isfinite(margin)
        look = looks[beta]
        ax.plot(margin[kept], rate[kept], look["marker"], color=look["color"], alpha=0.6, label=f"β = {beta:g}")
        top = max([top, *margin[kept]])
    ax.plot([0, top], [0, top], color="black", linewidth=1, label="the margin law")
    ax.axhline(1.0, color="0.5", linestyle=":", label="Theorem 2: 1 for all")
    ax.set(
        xlabel="margin$_i$ / smallest margin",
        ylabel="β d$u_i$ / d log t, measured",
        title="(e) small sets: rate against margin",
        ylim=(0, 1.1 * top),
    )
    ax.legend(fontsize=8)
