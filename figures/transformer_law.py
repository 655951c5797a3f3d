"""The intrinsic-time law in the small transformer: sequences alone on one curve, and how sets leave it.

(a) every sequence that was forgotten alone, all seeds and β, without a fit. How far the sequences of a set are off the
curve at their collective clocks, (b) as the exact remainder says, (c) against the spread of their weights, and (d)
against the off-diagonal share of the tangent kernel.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from synthetic.transformer.results import by_beta, label_of
from synthetic.transformer.slowdown import departure, of_run
from theory.theorems.time.intrinsic_time import curve
from theory.theorems.time.paths import from_arrays, labels_of

__all__ = ["draw", "looks_of"]

Results = Mapping[str, Data]
POINTS = 2  # of each path in (a)
DISTANCE = "mean distance from the curve in βu"


def looks_of(betas: list[float]) -> dict[float, dict[str, Any]]:
    """Colour and marker of GA (β = 0) and of each β of NPO."""
    ga = {"color": LOOK["GA"]["color"], "marker": LOOK["GA"]["marker"]}
    return {0.0: ga} | beta_look([b for b in betas if b])


def draw(results: Results) -> Figure:
    """Four panels from the units transformer/single-* and transformer/set-*."""
    singles, sets = by_beta(results, "single"), by_beta(results, "set")
    looks = looks_of([*singles, *sets])
    found = {beta: _departures(data, beta) for beta, data in sets.items() if beta}
    with styled():
        figure = Figure(figsize=(10.6, 8.0))
        axes = figure.subplots(2, 2).ravel()
        _alone(axes[0], singles, looks)
        _exact(axes[1], found, looks)
        _against(axes[2], {beta: (off.spread, off.measured) for beta, off in found.items()}, looks)
        axes[2].set(xlabel="spread of the weights, s.d. / mean of W", title="(c) sets, against unequal weights")
        _against(axes[3], {beta: (off.share, off.measured) for beta, off in found.items()}, looks)
        axes[3].set(xlabel="off-diagonal share of the tangent kernel", title="(d) sets, against coupling")
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
    ax.set(
        xscale="log",
        xlabel="βT, own clock",
        ylabel="βu",
        ylim=(0, None),
        title="(a) one sequence alone: on the curve, no fit",
    )
    ax.annotate(f"largest distance {off:.3f}", (0.97, 0.03), xycoords="axes fraction", ha="right", fontsize=8)
    ax.legend(loc="upper left", fontsize=8)


class Departures(NamedTuple):
    """Over all seeds, at the looks at a kernel: distances from the curve in βu, and what they may hang on."""

    measured: np.ndarray
    predicted: np.ndarray  # by the exact remainder
    spread: np.ndarray  # of the weights
    share: np.ndarray  # of the tangent kernel that is off its diagonal


def _departures(data: Data, beta: float) -> Departures:
    rows = []
    for seed in map(str, data.values["seeds"]):
        off, run = departure(from_arrays(data.arrays, seed), beta), of_run(data.arrays, seed)
        at = run["kernel_steps"].astype(int)
        rows.append((off.measured[at], off.predicted[at], off.spread[at], run["kernel_share"]))
    return Departures(*map(np.concatenate, zip(*rows, strict=True)))


def _exact(ax: Axes, found: Mapping[float, Departures], looks: Mapping[float, dict[str, Any]]) -> None:
    """What the remainder says against what was measured: on the diagonal, if it is exact."""
    for beta, off in found.items():
        ax.plot(off.predicted, off.measured, linestyle="none", markersize=4.5, label=label_of(beta), **looks[beta])
    top = 1.05 * max((float(off.measured.max()) for off in found.values()), default=1.0)
    ax.plot([0, top], [0, top], color="black", linewidth=1, zorder=1, label="as the remainder says")
    ax.set(xlabel="by the exact remainder", ylabel=DISTANCE, title="(b) sets leave the curve as the remainder says")
    ax.legend(fontsize=8)


def _against(
    ax: Axes, found: Mapping[float, tuple[np.ndarray, np.ndarray]], looks: Mapping[float, dict[str, Any]]
) -> None:
    for beta, (x, measured) in found.items():
        ax.plot(x, measured, linestyle="none", markersize=4.5, label=label_of(beta), **looks[beta])
    ax.set(ylabel=DISTANCE, ylim=(0, None))
    ax.legend(fontsize=8)
