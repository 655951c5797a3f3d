"""Which β NPO+RT needs in language models: drop, forget quality, utility and wrecked answers against β × wanted drop.

The wanted drop u* is that of the retrained model, in nats an answer. In units of it every setting has the same axes:
the drop is as wanted where u/u* = 1. Thin lines are the intrinsic-time law with one budget for all β, the one that
leads to u* at the β at which these runs are there.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import log_ticks, styled
from figures.llm_runs import GREY, SAME, number
from records.examined import moments_of
from records.store import Data
from theory.theorems.time.intrinsic_time import curve, time_on_curve

__all__ = ["draw"]

COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#5B2A86")
MARKERS = ("o", "^", "D", "v", "P")


class Ends(NamedTuple):
    """The ends of one setting's runs: β u* (0 for GA+RT), u/u*, log₁₀ forget quality, utility's share, degenerate."""

    x: np.ndarray
    drop: np.ndarray
    quality: np.ndarray
    utility: np.ndarray
    degenerate: np.ndarray


def draw(results: Mapping[str, Data]) -> Figure:
    """From units `…beta/<setting>/<label>-s<seed>` that keep their drops (`npo.runs.keep`)."""
    settings: dict[str, list[Data]] = {}
    for name, unit in results.items():
        settings.setdefault(name.split("/")[-2], []).append(unit)
    with styled():
        figure = Figure(figsize=(9.6, 6.8))
        grid = figure.subplots(2, 2, sharex=True)
        for place, (setting, units) in enumerate(settings.items()):
            ends = _ends(units)
            look: dict[str, Any] = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
            for axes, column in zip(grid.flat, ("drop", "quality", "utility", "degenerate"), strict=True):
                _points(axes, ends.x, getattr(ends, column), look, setting)
            _law(grid[0, 0], ends, look["color"])
        _dress(grid)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _ends(units: list[Data]) -> Ends:
    rows = []
    for unit in units:
        values, moments = unit.values, moments_of(unit.values)
        start, end, wanted = moments[0].scores, moments[-1].scores, values["wanted"]["mean"]
        utility = number(end.get("model_utility")) / number(start.get("model_utility"))
        quality, wrecked = number(end.get("log10_forget_quality")), number(end.get("forget_degenerate"))
        rows.append([(values["beta"] or 0.0) * wanted, values["drop"][-1] / wanted, quality, utility, wrecked])
    return Ends(*np.array(rows).T)


def _points(axes: Axes, x: np.ndarray, y: np.ndarray, look: dict[str, Any], label: str) -> None:
    """Every seed a pale mark, the mean over seeds a line; GA+RT, the limit β → 0, at the left edge, open."""
    axes.plot(x[x > 0], y[x > 0], linestyle="", markersize=4, alpha=0.35, **look)
    at = np.unique(x[x > 0])
    axes.plot(at, [y[np.isclose(x, one)].mean() for one in at], **look, label=label)
    if (x == 0).any():
        left = np.full((x == 0).sum(), 0.55 * at.min())
        axes.plot(left, y[x == 0], linestyle="", markersize=6, **(look | {"marker": "s"}), mfc="none")


def _law(axes: Axes, ends: Ends, colour: str) -> None:
    """u/u* by the law with the budget that leads to u* at the β where these runs are there; none where none are."""
    npo = ends.x > 0
    at = np.unique(ends.x[npo])
    mean = np.array([ends.drop[ends.x == one].mean() for one in at])
    if len(at) < 2 or not mean.min() < 1 < mean.max():
        return
    order = np.argsort(mean)
    x = float(np.exp(np.interp(0.0, np.log(mean[order]), np.log(at[order]))))
    budget, fine = time_on_curve(x) / x, np.geomspace(at[0], at[-1], 100)
    axes.plot(fine, curve(fine * budget) / fine, color=colour, linewidth=1.0, linestyle="--")


def _dress(grid: np.ndarray) -> None:
    (drop, quality), (utility, wrecked) = grid
    drop.axhline(1.0, color="black", linewidth=0.8)
    drop.plot([], [], color=GREY, linewidth=1.0, linestyle="--", label="the law, one budget")
    drop.plot([], [], color=GREY, marker="s", mfc="none", linestyle="", label="GA+RT (β → 0)")
    drop.set(xscale="log", yscale="log", title="Final drop, as a share of the wanted one", ylabel="u / u*")
    log_ticks(drop.yaxis)
    quality.axhline(np.log10(SAME), color="black", linewidth=0.8)
    words: dict[str, Any] = {"transform": quality.get_yaxis_transform(), "ha": "right", "va": "bottom", "fontsize": 8}
    quality.text(0.99, np.log10(SAME), f"p = {SAME}", **words)
    quality.set(title="Forget quality", ylabel="log₁₀ p, KS test against retrained")
    utility.set(title="Model utility, as a share of the finetuned's", ylabel="share", ylim=(-0.03, 1.08))
    wrecked.set(title="Degenerate forget answers", ylabel="share", ylim=(-0.03, 1.03))
    for axes in (utility, wrecked):
        axes.set_xlabel("β u*   (β × wanted drop)")
