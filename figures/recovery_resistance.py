"""Who resists relearning at an equal drop: steps until half and all of it is back, beside those of gradient ascent."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.canvas import log_ticks, styled
from records.store import Data

__all__ = ["draw"]

ROOMS = {"logistic/relearning": "Logistic model", "transformer/relearning": "Small transformer"}
MOST = 22  # rows of a panel
COLUMNS: dict[str, dict[str, Any]] = {
    "gd_half": {"color": "#0072B2", "marker": "o", "markerfacecolor": "white", "label": "half of it, plain descent"},
    "gd_full": {"color": "#0072B2", "marker": "o", "label": "all of it, plain descent"},
    "adam_half": {"color": "#D55E00", "marker": "s", "markerfacecolor": "white", "label": "half of it, Adam"},
    "adam_full": {"color": "#D55E00", "marker": "s", "label": "all of it, Adam"},
}


def draw(results: Mapping[str, Data]) -> Figure:
    """A panel a room, from logistic/relearning and transformer/relearning, as far as given."""
    there = {name: results[name] for name in ROOMS if name in results}
    with styled():
        figure = Figure(figsize=(6.9 * len(there), 7.2))
        for ax, (name, data) in zip(np.atleast_1d(figure.subplots(1, len(there))), there.items(), strict=True):
            _panel(ax, data.arrays, ROOMS[name])
        handles = [Line2D([], [], linestyle="", markersize=6, **look) for look in COLUMNS.values()]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _rows(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Losses first, then what else unlearned, those that got to the drop."""
    names = [name.removesuffix(".spread") for name in arrays if name.endswith(".spread")]
    names = [name for name in names if np.isfinite(arrays[f"{name}.drop"]).all()]
    return sorted(names, key=lambda name: ("," in name or "+" in name, name not in ("GA", "NPO")))[:MOST]


def _panel(ax: Axes, arrays: Mapping[str, np.ndarray], title: str) -> None:
    rows = _rows(arrays)[::-1]
    ax.axvline(1, color="black", linewidth=1, zorder=1)
    for column, look in COLUMNS.items():
        beside = arrays[f"GA.{column}"].mean()
        style = {key: x for key, x in look.items() if key != "label"}
        offset = 0.12 if column.startswith("gd") else -0.12
        for y, name in enumerate(rows):
            ax.plot([arrays[f"{name}.{column}"].mean() / beside], [y + offset], linestyle="", markersize=6, **style)
    ax.set_yticks(range(len(rows)), rows)
    wanted = float(np.mean(arrays["GA.drop"]))
    ax.set(xscale="log", ylim=(-0.8, len(rows) - 0.2), xlabel="steps of relearning, over those after gradient ascent")
    ax.set_title(f"{title}: all at a mean drop of {wanted:.0f} nats")
    log_ticks(ax.xaxis)
