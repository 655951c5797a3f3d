"""A loss of one's own in one picture: gradient weight, how it runs away, its Pareto front, the answers it leaves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, log_ticks, styled
from figures.labels import literal
from figures.transformer_methods import COLOURS
from records.store import Data
from synthetic.logistic.fronts import bootstrap_band, front
from synthetic.transformer.language import KINDS
from synthetic.transformer.slowdown import of_run
from theory.atlas.table import growth_from

__all__ = ["CLASS", "WEIGHT", "draw"]

WEIGHT, CLASS = "try/weight", "try/class"
ONSET = 30.0
"""Flow time from which on a law is drawn."""
OTHERS = ("#009E73", "#CC79A7", "#56B4E9")


def draw(results: Mapping[str, Data]) -> Figure:
    """From the units try/weight and try/class and, where they are there, those of the two rooms.

    try/weight has `log_pi` and a weight for each label; `values["own"]` is the label of one's own loss.
    """
    own, labels = results[WEIGHT].values["own"], results[WEIGHT].values["labels"]
    looks = _looks(own, labels)
    beside = [data.arrays for name, data in sorted(results.items()) if name.startswith("logistic/")]
    answers = [data for name, data in sorted(results.items()) if name.startswith("transformer/methods-AdamW")]
    with styled():
        figure = Figure(figsize=(12.6, 8.4))
        weight, margin, fronts, kinds = figure.subplots(2, 2).flat
        _weights(weight, results[WEIGHT].arrays, looks)
        _margins(margin, results.get(CLASS), looks)
        _fronts(fronts, beside, looks)
        _answers(kinds, answers)
        figure.suptitle(f"{literal(own)}, beside losses that are known")
    return figure


def _looks(own: str, labels: list[str]) -> dict[str, dict[str, Any]]:
    """One's own in black, thick, behind the others, which are as everywhere, or in a colour of their own."""
    spare = iter(OTHERS)
    known = {x: LOOK[x]["color"] if x in LOOK else next(spare) for x in labels if x != own}
    others = {x: {"color": colour, "linewidth": 1.4, "zorder": 3} for x, colour in known.items()}
    return {own: {"color": "black", "linewidth": 3.0, "zorder": 2}} | others


def _weights(ax: Axes, arrays: Mapping[str, np.ndarray], looks: Mapping[str, dict[str, Any]]) -> None:
    for label, look in looks.items():
        ax.plot(arrays["log_pi"], arrays[label], label=literal(label), **look)
    ax.axhline(0, color="0.7", linewidth=0.8)
    ax.axvline(float(arrays["ref"]), color="0.7", linewidth=0.8)
    ax.set(
        title="Gradient weight: how hard descent pulls the answer down",
        xlabel=r"$\log\pi_\theta$ of a one-token answer (nats); the grey line is the reference",
        ylabel=r"W = d loss / d $\log\pi_\theta$",
    )
    ax.legend()


def _margins(ax: Axes, data: Data | None, looks: Mapping[str, dict[str, Any]]) -> None:
    """The margin that a loss drives one answer to, and the law of its class through it."""
    ax.set_title("How fast it runs away: the margin of one answer")
    if data is None or not data.arrays:
        _nothing(ax, "no class: see the table")
        return
    tau = data.arrays["tau"]
    late = tau >= ONSET
    for label, look in looks.items():
        law = growth_from(data.arrays[f"{label}.measured"])
        kind = "faster than linear" if law is None else law.kind
        ax.plot(tau, data.arrays[f"{label}.margin"], label=f"{literal(label)}: {kind}", **look)
        if law is not None:
            ax.plot(tau[late], law(tau[late]), ":", color="0.5", linewidth=1.2, zorder=6)
    ax.plot([], [], ":", color="0.5", label="the law of its class")
    ax.set(xscale="log", yscale="log", xlabel=r"flow time $\tau$", ylabel="margin m (logit units)", ylim=(0.05, 1e3))
    ax.legend()


def _fronts(ax: Axes, runs: list[Mapping[str, np.ndarray]], looks: Mapping[str, dict[str, Any]]) -> None:
    ax.set_title("Pareto front in the logistic model (solid: with +RT, dashed: alone)")
    if not runs:
        _nothing(ax, "not run there: see the table")
        return
    start = float(np.mean([run[f"{next(iter(looks))}.forget_distance"][0] for run in runs]))
    at = np.geomspace(2e-3, start, 200)
    for label, look in looks.items():
        for name, dashes in ((f"{label}+RT", "-"), (label, "--")):
            curves = [front(run[f"{name}.forget_distance"], run[f"{name}.retain_distance"], at) for run in runs]
            mean, _, _ = bootstrap_band(curves, draws=2)
            ax.plot(at, mean, dashes, label=literal(name) if dashes == "-" else None, **look)
    ax.set(xscale="log", yscale="log", ylabel="least retain distance (nats)")
    log_ticks(ax.yaxis)
    ax.set_xlabel(r"forget distance, at most: E KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ (nats)")
    ax.legend()


def _answers(ax: Axes, seeds: list[Data]) -> None:
    """Right above, at the ends of the runs: answers to forget questions, and below them those to kept ones."""
    ax.set_title("Answers of the small transformer at the end, under AdamW")
    if not seeds:
        _nothing(ax, "not run there: see the table")
        return
    names = [row["method"] for row in seeds[0].values["table"]]
    for side, shift in (("forget", -0.2), ("retain", 0.2)):
        ends = np.mean([[of_run(d.arrays, n)[f"{side}_kinds"][-1] for n in names] for d in seeds], axis=0)
        left = np.zeros(len(names))
        for k, kind in enumerate(KINDS):
            place, label = np.arange(len(names)) + shift, kind if side == "forget" else None
            ax.barh(place, ends[:, k], 0.36, left=left, color=COLOURS[kind], label=label)
            left += ends[:, k]
    ax.set_yticks(range(len(names)), [literal(name) for name in names])
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.set(xlim=(0, 1), xlabel="share of answers; upper bar: questions to forget, lower bar: questions to keep")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=len(KINDS), fontsize=8)


def _nothing(ax: Axes, why: str) -> None:
    ax.text(0.5, 0.5, why, ha="center", transform=ax.transAxes, color="0.4")
    ax.set_axis_off()
