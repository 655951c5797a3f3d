"""Does NPO's slowdown survive Adam? Drops and weights under each optimiser, with and without a retain term."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, styled
from records.store import Data
from synthetic.transformer.results import by_optimiser
from synthetic.transformer.slowdown import of_run

__all__ = ["draw"]

COLUMNS = 5
MOST = 160  # nats that are shown
KINDS = (("GA", False), ("GA", True), ("NPO", False), ("NPO", True))


def draw(results: Mapping[str, Data]) -> Figure:
    """Two rows for every five optimisers: the mean drop, and below it the mean weight of NPO."""
    found = by_optimiser(results)
    bands = -(-len(found) // COLUMNS)
    columns = min(COLUMNS, len(found))
    with styled():
        figure = Figure(figsize=(2.9 * columns, 4.6 * bands))
        axes = figure.subplots(2 * bands, columns, squeeze=False, height_ratios=[1.3, 1] * bands)
        for k, (name, both) in enumerate(found.items()):
            row, column = 2 * (k // columns), k % columns
            _drops(axes[row, column], name, both)
            _weights(axes[row + 1, column], both)
            axes[row, column].legend(fontsize=7, loc="upper left")
            axes[row + 1, column].legend(fontsize=7, loc="lower left")
            if column == 0:
                axes[row, column].set_ylabel("mean drop u (nats)")
                axes[row + 1, column].set_ylabel("mean weight W of NPO")
        for k in range(len(found), bands * columns):
            for row in (0, 1):
                axes[2 * (k // columns) + row, k % columns].axis("off")
    return figure


def _mean(data: Data, method: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and mean over examples and seeds, to the step that all seeds reached."""
    runs = [of_run(data.arrays, f"{method}-{seed}") for seed in data.values["seeds"]]
    reached = min(len(run["steps"]) for run in runs)
    return runs[0]["steps"][1:reached], np.mean([run[column][1:reached].mean(axis=1) for run in runs], axis=0)


def _drops(ax: Axes, name: str, both: Mapping[bool, Data]) -> None:
    for method, retain in KINDS:
        if retain not in both:
            continue
        label = f"{method}{'+RT' if retain else ''}"
        look = {k: LOOK[label][k] for k in ("color", "linestyle")}
        ax.plot(*_mean(both[retain], method, "drop"), label=label, **look)
    values = next(iter(both.values())).values
    ax.set(
        xscale="log",
        ylim=(0, min(MOST, ax.get_ylim()[1])),
        title=f"{name}, lr {values['lr']:g}",
    )


def _weights(ax: Axes, both: Mapping[bool, Data]) -> None:
    for retain, data in both.items():
        steps, _ = _mean(data, "NPO", "drop")
        runs = [of_run(data.arrays, f"NPO-{seed}")["drop"][1 : len(steps) + 1] for seed in data.values["seeds"]]
        weight = np.mean([2 / (1 + np.exp(data.values["beta"] * drop)) for drop in runs], axis=(0, 2))
        label = f"NPO{'+RT' if retain else ''}"
        look = {k: LOOK[label][k] for k in ("color", "linestyle")}
        ax.plot(steps, weight, label=label, **look)
    ax.set(xscale="log", yscale="log", ylim=(1e-7, 2), xlabel="steps")
