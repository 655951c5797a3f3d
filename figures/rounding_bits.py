"""When few bits bring back what was unlearned: a phase diagram over the size of the move and the bits.

Sizes of a move are in cells of the grid, Σ|δ|/ΣΔ. Colours say how much of the drop is back: 0 (blue) none, 1 (red) all.
"""

from collections.abc import Iterator, Mapping
from math import lcm
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data

__all__ = ["GridPoint", "draw", "points"]

ROWS = {"int8": "8", "int4": "4", "nf4": "NF4", "fp4": "FP4", "int3": "3", "int2": "2"}
BACK = ScalarMappable(Normalize(0, 1), colormaps["coolwarm"])
ROOMS = {
    "logistic": ("s", "logistic model"),
    "transformer": ("o", "small transformer"),
    "tofu-mini": ("^", "tofu-mini"),
}
STAR = ("*", "SmolLM2-135M")
MODELS = "llm/rounding/"


class GridPoint(NamedTuple):
    """A model on a grid: of the drop, what is back from weights anywhere, and from weights on the grid before."""

    room: str
    grid: str
    size: float
    anywhere: float
    on_grid: float | None


def points(results: Mapping[str, Data]) -> Iterator[GridPoint]:
    """Of every unit that is there, by the mean over seeds and draws."""
    for room in ("logistic", "transformer"):
        if unit := results.get(f"{room}/rounding"):
            yield from _of_room(room, unit.arrays)
    for name, unit in results.items():
        if name.startswith(MODELS):
            room = name.removeprefix(MODELS).split("/")[0]
            yield from (_of_line(room, line) for line in unit.values["lines"] if line["born"] is None)


def _of_room(room: str, arrays: Mapping[str, np.ndarray]) -> Iterator[GridPoint]:
    for grid in ROWS:
        if f"{grid}.sizes" not in arrays:
            continue
        size, falls, expected = (arrays[f"{grid}.{name}"] for name in ("sizes", "falls", "expected"))
        back = arrays.get(f"{grid}.back")
        for i in range(len(size)):
            share = 1 - falls[i].mean() / expected[i].mean()
            yield GridPoint(
                room, grid, float(np.mean(size[i])), share, None if back is None else float(np.mean(back[i]))
            )


def _of_line(room: str, line: dict[str, Any]) -> GridPoint:
    before, after, expected = (
        np.array(line[name])[:, 0] for name in ("rounded_known", "rounded_moved", "moved_rounded")
    )
    share = 1 - (before - after).mean() / (before - expected).mean()
    on_grid = (line["again"][0] - expected[0]) / (before[0] - expected[0])
    return GridPoint(room, line["grid"], line["size"], share, on_grid)


def draw(results: Mapping[str, Data]) -> Figure:
    """From `logistic/rounding`, `transformer/rounding` and `llm/rounding/*`, those that are there."""
    found = list(points(results))
    with styled():
        figure = Figure(figsize=(13.6, 4.4))
        anywhere, on_grid, zones = figure.subplots(1, 3, width_ratios=(1, 1, 0.85))
        _phases(anywhere, [(p, p.anywhere) for p in found], "(a) weights anywhere in their cells")
        _phases(on_grid, [(p, p.on_grid) for p in found if p.on_grid is not None], "(b) weights on the grid before")
        on_grid.axvspan(1e-5, 0.5, color="0.94", zorder=0)
        figure.colorbar(BACK, ax=[anywhere, on_grid], label="of the drop, back", extend="both", pad=0.01)
        _zones(zones)
        handles, labels = anywhere.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return figure


def _phases(axes: Axes, found: list[tuple[GridPoint, float]], title: str) -> None:
    rows = list(ROWS)
    told = set[str]()
    for point, back in found:
        marker, label = ROOMS.get(point.room, STAR)
        offset = 0.3 * (list(ROOMS).index(point.room) - 1.5 if point.room in ROOMS else 1.5) / 1.5
        axes.scatter(
            point.size,
            rows.index(point.grid) + offset,
            s=90 if marker == "*" else 32,
            marker=marker,
            color=[BACK.to_rgba(np.array(back))],
            label=None if label in told else label,
            edgecolor="0.3",
            linewidth=0.4,
        )
        told.add(label)
    for at in range(len(rows) - 1):
        axes.axhline(at + 0.5, color="0.85", linewidth=0.6, zorder=0)
    axes.set(xscale="log", xlim=(3e-6, 20), xlabel="size of the move, in cells of the grid", ylabel="bits", title=title)
    axes.set_yticks(range(len(rows)), list(ROWS.values()))
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _zones(axes: Axes) -> None:
    """(c) By theory: the moves that are undone, in largest weights of a block."""
    bits = np.arange(2, 9)
    zone = np.array([[1 / (2 * lcm(2 ** (b - 1) - 1, 2 ** (born - 1) - 1)) for born in bits] for b in bits])
    axes.imshow(zone, norm=LogNorm(1e-5, 0.5), cmap="Reds", origin="lower")
    for i, row in enumerate(zone):
        for j, x in enumerate(row):
            colour = "white" if x > 1 / 20 else "black"
            axes.annotate(f"1/{1 / x:.0f}", (j, i), ha="center", va="center", fontsize=6.5, color=colour)
    axes.grid(visible=False)
    axes.set_xticks(range(len(bits)), [str(b) for b in bits])
    axes.set_yticks(range(len(bits)), [str(b) for b in bits])
    axes.set(xlabel="bits that the model came from", ylabel="bits that it is rounded to", title="(c) undone below")
