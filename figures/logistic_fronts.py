"""What the paper's Figure 4 leaves out: the Pareto fronts of all twelve methods, and the area that each dominates."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, styled
from records.store import Data
from synthetic.logistic.fronts import RETAIN_LIMIT, areas, bootstrap_band, front
from synthetic.logistic.results import by_alpha

__all__ = ["draw"]

Arrays = Mapping[str, np.ndarray]
FAMILIES = (
    ("GA", "GA+RT", "GA+KL"),
    ("NPO", "NPO+RT", "NPO+KL"),
    ("DPO", "DPO+RT", "DPO+KL"),
    ("KTO", "KTO+RT", "IDK+RT"),
)


def draw(results: Mapping[str, Data]) -> Figure:
    """From the units logistic/methods-1-* and, where they are there, logistic/methods-0-*."""
    apart, together = by_alpha(results)
    with styled():
        figure = Figure(figsize=(12.6, 6.0))
        grid = figure.add_gridspec(2, 3, width_ratios=(1, 1, 1.15))
        for k, family in enumerate(FAMILIES):
            ax = figure.add_subplot(grid[k // 2, k % 2])
            _fronts(ax, apart, family)
        bars = figure.add_subplot(grid[:, 2])
        _areas(bars, apart, together)
    return figure


def _fronts(ax: Axes, runs: Sequence[Arrays], family: tuple[str, ...]) -> None:
    start = float(np.mean([run["GA.forget_distance"][0] for run in runs]))
    at = np.geomspace(2e-3, start, 200)
    for name in dict.fromkeys((*family, "NPO+RT")):
        curves = [front(run[f"{name}.forget_distance"], run[f"{name}.retain_distance"], at) for run in runs]
        mean, lower, upper = bootstrap_band(curves)
        look = {k: LOOK[name][k] for k in ("color", "linestyle")}
        guest = name not in family
        ax.plot(at, mean, label=name, alpha=0.4 if guest else 1.0, **look)
        if not guest and len(runs) > 1:
            ax.fill_between(at, lower, upper, color=look["color"], alpha=0.18, linewidth=0)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="forget distance, at most (nats)",
        ylabel="least retain distance (nats)",
        ylim=(1e-2, 0.3),
        title=f"{family[0].split('+')[0]} family, α = 1" if family[0] != "KTO" else "KTO and IDK, α = 1",
    )
    ax.set_yticks([0.01, 0.03, 0.1, 0.3], ["0.01", "0.03", "0.1", "0.3"])
    ax.set_yticks([], minor=True)
    ax.legend(fontsize=8)


def _areas(ax: Axes, apart: Sequence[Arrays], together: Sequence[Arrays]) -> None:
    """Area that is not dominated, on a logarithmic axis, where good methods differ; seeds as dots."""
    names = sorted(LOOK, key=lambda name: -float(areas(apart, name).mean()))
    for runs, marker, shift, label in ((apart, "o", -0.14, "α = 1"), (together, "D", 0.14, "α = 0")):
        for row, name in enumerate(names) if runs else ():
            missed, colour = 1 - areas(runs, name), LOOK[name]["color"]
            ax.plot(missed, np.full(len(missed), row + shift), marker, color=colour, markersize=3, alpha=0.5)
            ax.plot(
                missed.mean(),
                row + shift,
                marker,
                color=colour,
                markersize=7,
                markeredgecolor="black",
                label=label if row == 0 else None,
            )
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.legend(loc="upper center")
    ax.set(
        xscale="log",
        xlabel="share of the box not dominated\n"
        rf"(box: $\pi_{{\rm ref}}$'s forget distance × {RETAIN_LIMIT:g} nat of retain)",
        title="Hypervolume missed: further left is better",
    )
