"""The intrinsic-time law in the small transformer: sequences alone on one curve, and how sets leave it.

(a) every sequence that was forgotten alone, all seeds and β, without a fit. (b, c) how far the sequences of a set are
off the curve at their collective clocks, against the spread of their weights and the off-diagonal share of the tangent
kernel; circles are measured, lines are what the exact remainder says.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from synthetic.transformer.results import by_beta, label_of
from synthetic.transformer.slowdown import departure, of_run
from theory.theorems.intrinsic_time import curve
from theory.theorems.paths import from_arrays, labels_of

__all__ = ["draw", "looks_of"]

Results = Mapping[str, Data]
POINTS = 2  # of each path in (a)


def looks_of(betas: list[float]) -> dict[float, dict[str, Any]]:
    """Colour and marker of GA (β = 0) and of each β of NPO."""
    ga = {"color": LOOK["GA"]["color"], "marker": LOOK["GA"]["marker"]}
    return {0.0: ga} | beta_look([b for b in betas if b])


def draw(results: Results) -> Figure:
    """Three panels from the units transformer/single-* and transformer/set-*."""
    singles, sets = by_beta(results, "single"), by_beta(results, "set")
    looks = looks_of([*singles, *sets])
    with styled():
        figure = Figure(figsize=(13.2, 4.4))
        left, middle, right = figure.subplots(1, 3)
        _alone(left, singles, looks)
        for ax, name, title in (
            (middle, "spread of the weights, s.d. / mean of W", "(b) sets, against unequal weights"),
            (right, "off-diagonal share of the tangent kernel", "(c) sets, against coupling"),
        ):
            _departures(ax, sets, looks, against_kernel=ax is right)
            ax.set(xlabel=name, ylabel="mean distance from the curve in βu", title=title)
    return figure


def _alone(ax: Axes, singles: Mapping[float, Data], looks: Mapping[float, dict[str, Any]]) -> None:
    """Markers of each path sit at places of their own along the curve, so that none hides another."""
    furthest, off = 1.0, 0.0
    for j, (beta, data) in enumerate(singles.items()):
        scale, runs = data.values["scale"], labels_of(data.arrays)
        for k, run in enumerate(runs):
            path = from_arrays(data.arrays, run).times(scale)
            clock, drop = path.clock[:, 0], path.drop[:, 0]
            wanted = drop[-1] * (np.arange(POINTS) + (k + 1 - j / len(singles)) / len(runs)) / POINTS
            at = np.searchsorted(np.maximum.accumulate(drop), wanted).clip(0, len(drop) - 1)
            label = None if k else (label_of(beta) if beta else f"GA, u and T × {scale:g}")
            ax.plot(clock[at], drop[at], linestyle="none", markersize=4.5, label=label, **looks[beta])
            off = max(off, float(np.abs(drop - (curve(clock) if beta else clock)).max()))
            furthest = max(furthest, float(clock[-1]))
    x = np.geomspace(0.05, furthest, 300)
    ax.plot(x, curve(x), color="black", linewidth=1.2, zorder=1, label=r"βT = ½(βu + e$^{βu}$ − 1)")
    short = x[x < 10]
    ax.plot(short, short, color="black", linestyle=(0, (1, 1)), linewidth=1.2, zorder=1, label="u = T")
    ax.set(xscale="log", xlabel="βT, own clock", ylabel="βu", ylim=(0, None), title="(a) one sequence alone, no fit")
    ax.annotate(f"largest distance {off:.3f}", (0.97, 0.03), xycoords="axes fraction", ha="right", fontsize=8)
    ax.legend(loc="upper left", fontsize=8)


def _departures(
    ax: Axes, sets: Mapping[float, Data], looks: Mapping[float, dict[str, Any]], *, against_kernel: bool
) -> None:
    for beta, data in sets.items():
        if not beta:
            continue
        for k, seed in enumerate(map(str, data.values["seeds"])):
            found, run = departure(from_arrays(data.arrays, seed), beta), of_run(data.arrays, seed)
            looks_at = run["kernel_steps"].astype(int)
            x = run["kernel_share"] if against_kernel else found.spread[looks_at]
            colour, marker = looks[beta]["color"], looks[beta]["marker"]
            ax.plot(x, found.predicted[looks_at], color=colour, linewidth=0.8, alpha=0.7)
            measured = found.measured[looks_at]
            ax.plot(x, measured, marker, color=colour, markersize=3.5, mfc="none", label=None if k else label_of(beta))
    ax.plot([], [], color="0.4", linewidth=0.8, label="the exact remainder")
    ax.set(ylim=(0, 1.3 * ax.get_ylim()[1]))
    ax.legend(fontsize=8, loc="upper left", ncols=2)
