"""Few bits and unlearning, a phase diagram: what survives of a move of the weights and of the drop that it makes.

Sizes of a move are in cells of the grid, Σ|δ|/ΣΔ.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data
from theory.theorems.demonstrations import QUICK, REPRODUCE
from theory.theorems.rounded_moves import rounded_moves

__all__ = ["compute", "draw"]

LOOK: dict[str, dict[str, Any]] = {
    "int8": {"color": "#E69F00", "marker": "s", "label": "8 bits"},
    "int4": {"color": "#0072B2", "marker": "o", "label": "4 bits"},
    "nf4": {"color": "#009E73", "marker": "^", "label": "NF4"},
    "fp4": {"color": "#CC79A7", "marker": "v", "label": "FP4"},
    "int3": {"color": "#D55E00", "marker": "D", "label": "3 bits"},
}
MODELS = "llm/rounding/"
HALF = 0.2149
"""Spread of the share above which half of a drop comes back with a chance above 1 %."""


def compute(quick: bool = True) -> dict[str, Data]:
    """The moves of many weights of panel (a), under half a second where quick, by unit name."""
    preset = QUICK if quick else REPRODUCE
    return {"theory/rounding": Data(rounded_moves(preset), {"seed": preset.seed})}


def draw(results: Mapping[str, Data]) -> Figure:
    """From `theory/rounding`, and where they are there `logistic/rounding` and `llm/rounding/*`."""
    with styled():
        figure = Figure(figsize=(10.4, 7.6))
        (moves, shares), (spreads, ends) = figure.subplots(2, 2)
        _moves(moves, results["theory/rounding"])
        if "logistic/rounding" in results:
            _logistic(shares, spreads, results["logistic/rounding"])
        _models(shares, spreads, results)
        _ends(ends, results)
        _dress(moves, shares, spreads, ends)
        figure.legend(*moves.get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def _moves(axes: Axes, unit: Data) -> None:
    """(a) Filled where weights lie anywhere in their cells, open where they were on the grid."""
    a = unit.arrays
    for grid, look in LOOK.items():
        axes.plot(a["sizes"], a[f"{grid}.kept"], linestyle="", markersize=5, **look)
        open_look: dict[str, Any] = {**look, "label": None, "mfc": "none", "linestyle": ":"}
        axes.plot(a["sizes"], a[f"{grid}.again"], markersize=5, **open_look)


def _logistic(shares: Axes, spreads: Axes, unit: Data) -> None:
    """(b), (c) Means over draws of the grid's shift with their standard error, and spreads."""
    a = unit.arrays
    for grid in ("int8", "int4", "int3"):
        colour = LOOK[grid]["color"]
        size, falls, expected = (a[f"{grid}.{name}"] for name in ("sizes", "falls", "expected"))
        mean, spread = falls.mean(axis=1) / expected.mean(axis=1), falls.std(axis=1) / expected.mean(axis=1)
        shares.errorbar(size, mean, spread / np.sqrt(falls.shape[1]), color=colour, marker=".", linewidth=0.8)
        spreads.plot(size, spread, color=colour, marker=".", linestyle="")
        spreads.plot(size, a[f"{grid}.spread"], color=colour, linewidth=0.8)


def _lines(results: Mapping[str, Data]) -> Iterator[tuple[str, dict[str, Any], Data]]:
    for name, unit in results.items():
        if name.startswith(MODELS):
            for line in unit.values["lines"]:
                if line["born"] is None:
                    yield name.removeprefix(MODELS).split("/")[0], line, unit


def _models(shares: Axes, spreads: Axes, results: Mapping[str, Data]) -> None:
    for setting, line, _ in _lines(results):
        before, after, expected = (
            np.array(line[name])[:, 0] for name in ("rounded_known", "rounded_moved", "moved_rounded")
        )
        look = _mark(setting, line["grid"])
        shares.plot(line["size"], (before - after).mean() / (before - expected).mean(), **look)
        spreads.plot(line["size"], line["spread"], **look)


def _mark(setting: str, grid: str) -> dict[str, Any]:
    """SmolLM2 is a star."""
    star = "smollm2" in setting
    marker, size = ("*", 11) if star else (LOOK[grid]["marker"], 6)
    return {"color": LOOK[grid]["color"], "marker": marker, "markersize": size, "linestyle": "", "alpha": 0.75}


def _ends(axes: Axes, results: Mapping[str, Data]) -> None:
    """(d) Probability of forget answers before and after rounding; open where the finetuned model was on the grid."""
    for setting, line, _ in _lines(results):
        if line["scale"] == 1:
            look = _mark(setting, line["grid"])
            axes.plot(max(line["moved"][1], 1e-9), max(line["rounded_moved"][0][1], 1e-9), **look)
            at = max(line["moved_rounded"][0][1], 1e-9)
            axes.plot(at, max(line["again"][1], 1e-9), **(look | {"mfc": "none", "alpha": 1.0}))


def _dress(moves: Axes, shares: Axes, spreads: Axes, ends: Axes) -> None:
    moves.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    moves.set(
        xscale="log", ylim=(-0.05, 1.15), ylabel="move that is kept, on average", title="(a) a move of many weights"
    )
    moves.annotate("weights anywhere in their cells", (0.02, 1.04), fontsize=8)
    moves.annotate("weights that were on the grid", (0.02, 0.06), fontsize=8)
    shares.axhline(1, color="0.6", linewidth=0.8, zorder=0)
    shares.set(
        xscale="log", ylim=(-0.1, 2.1), ylabel="share of the drop that survives", title="(b) what is left of unlearning"
    )
    spreads.axhspan(HALF, 20, color="0.93", zorder=0)
    spreads.annotate(
        "half of a drop may come back by chance",
        (0.97, 0.95),
        xycoords="axes fraction",
        fontsize=8,
        ha="right",
        va="top",
    )
    spreads.set(xscale="log", yscale="log", ylim=(1e-4, 20), ylabel="spread of that share", title="(c) how sure it is")
    for axes in (moves, shares, spreads):
        axes.set_xlabel("size of the move, in cells of the grid")
    ends.set(xscale="log", yscale="log", title="(d) forget answers of language models")
    ends.set(xlabel="probability before rounding", ylabel="probability after rounding")
    ends.axline((1e-3, 1e-3), (1e-1, 1e-1), color="0.6", linewidth=0.8, zorder=0)
