"""Figure 4 (a1, a2, a3) of arXiv:2404.05868: six methods on the logistic problem, mean ± 1 s.d. over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, styled

__all__ = ["draw"]

Arrays = Mapping[str, np.ndarray]


def draw(runs: Sequence[Arrays]) -> Figure:
    """One run a seed. Forget and retain distance against steps, and one against the other."""
    methods = [name for name in LOOK if f"{name}.steps" in runs[0]]
    with styled():
        figure = Figure(figsize=(10.8, 3.9))
        axes = figure.subplots(1, 3)
        for name in methods:
            _line(axes[0], runs, name, "forget_distance")
            _line(axes[1], runs, name, "retain_distance")
            forget, retain = (
                np.mean([r[f"{name}.{c}"] for r in runs], axis=0) for c in ("forget_distance", "retain_distance")
            )
            axes[2].plot(forget, retain, color=LOOK[name]["color"], linestyle=LOOK[name]["linestyle"])
        axes[0].set(
            ylabel=r"forget distance  E KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ (nats)",
            title="(a1) forget",
            ylim=(2e-3, None),
        )
        axes[1].set(ylabel="retain distance (nats)", title="(a2) retain")
        for ax in axes[:2]:
            ax.set(xlabel="gradient-descent steps", yscale="log", xlim=(0, None))
        axes[2].set(
            xlabel="forget distance",
            ylabel="retain distance",
            xscale="log",
            yscale="log",
            title="(a3) one against the other",
        )
        axes[2].plot(forget[0], retain[0], "k*", markersize=9)
        axes[2].annotate("start", (forget[0], retain[0]), textcoords="offset points", xytext=(0, 8), ha="center")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(methods))
    return figure


def _line(ax: Axes, runs: Sequence[Arrays], name: str, column: str) -> None:
    steps, every = runs[0][f"{name}.steps"], np.array([run[f"{name}.{column}"] for run in runs])
    mean, spread = every.mean(axis=0), every.std(axis=0, ddof=1) if len(runs) > 1 else 0.0
    look = LOOK[name]
    ax.plot(
        steps, mean, color=look["color"], linestyle=look["linestyle"], marker=look["marker"], markevery=20, label=name
    )
    if len(runs) > 1:
        ax.fill_between(
            steps, np.maximum(mean - spread, 1e-6), mean + spread, color=look["color"], alpha=0.15, linewidth=0
        )
