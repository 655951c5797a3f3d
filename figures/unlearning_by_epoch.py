"""A language model unlearns authors: forget probability, truth ratio, forget quality and retain utility by epoch."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import legend_columns
from figures.llm_runs import GREY, SAME, look_of, names_of
from records.examined import moments_of
from records.store import Data

__all__ = ["draw"]

UNLEARN = "llm/unlearn/"


def draw(results: Mapping[str, Data]) -> Figure:
    """Four panels over the epochs, one line a method; the retrained model, which never saw the forget set, dotted."""
    units = {name: unit for name, unit in results.items() if name.startswith(UNLEARN)}
    runs = {unit.values["label"]: unit.values for unit in units.values()}
    first = next(iter(runs.values()))
    retrained = first["retrained"]
    with styled():
        figure = Figure(figsize=(8.4, 6.0))
        axes = figure.subplots(2, 2, sharex=True)
        (probability, ratio), (quality, utility) = axes
        for place, (method, values) in enumerate(runs.items()):
            for panel, column in (
                (probability, "forget_probability"),
                (ratio, "forget_truth_ratio"),
                (quality, "log10_forget_quality"),
                (utility, "model_utility"),
            ):
                _line(panel, values, column, look_of(method, place))
        for panel, column in (
            (probability, "forget_probability"),
            (ratio, "forget_truth_ratio"),
            (utility, "model_utility"),
        ):
            panel.axhline(retrained[column], color=GREY, linestyle=":", linewidth=1.8, zorder=1)
        probability.set(yscale="log", title="Forget set: answer probability", ylabel="exp(−NLL per token)")
        ratio.set(title="Forget set: truth ratio", ylabel="mean of min(R, 1/R)")
        _quality_axis(quality, first)
        top = utility.get_ylim()[1]
        utility.set(title="Model utility", ylabel="harmonic mean of nine parts", ylim=(-0.03 * top, top))
        for panel in (quality, utility):
            panel.set_xlabel("epoch of unlearning")
        utility.xaxis.get_major_locator().set_params(integer=True)
        handles = [*probability.get_legend_handles_labels()[0], probability.lines[-1]]
        ends = {method: moments_of(values)[-1].epoch for method, values in runs.items() if values["stopped"]}
        names = names_of(units)
        labels = [f"{names[m]}, stopped after epoch {ends[m]}" if m in ends else names[m] for m in runs]
        labels.append("retrained model")
        figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns(labels, 8.4))
        if first["not_rankable"]:
            figure.supxlabel("Methods can't be ranked here. " + " ".join(first["not_rankable"]), fontsize=8, wrap=True)
    return figure


def _line(panel: Axes, values: Mapping[str, Any], column: str, look: Mapping[str, Any]) -> None:
    """One method's path; a cross ends it where its run stopped early."""
    moments = moments_of(values)
    epochs, measured = [moment.epoch for moment in moments], [moment.scores[column] for moment in moments]
    heights = np.array([math.nan if height is None else height for height in measured], dtype=float)
    panel.plot(epochs, heights, **look, label=column, markersize=9 if look["marker"] == "*" else 5)
    if values["stopped"]:
        panel.plot(epochs[-1:], heights[-1:], linestyle="", marker="x", markersize=11, color="black", zorder=4)


def _quality_axis(panel: Axes, values: Mapping[str, Any]) -> None:
    """The line of 0.05, and the least value there is: far below in most runs, so it is told rather than drawn."""
    threshold, top = math.log10(SAME), 0.5
    panel.axhline(threshold, color="black", linewidth=1.0, zorder=1)
    panel.text(1.01, threshold, f"p = {SAME:g}", transform=panel.get_yaxis_transform(), va="center", fontsize=8)
    low = panel.get_ylim()[0]
    panel.set(title="Forget quality", ylabel="log₁₀ p, KS test against retrained", ylim=(low - 0.08 * (top - low), top))
    note = f"least possible: −{-values['log10_floor']:.1f}  (n = {values['n']})"
    panel.text(0.99, 0.015, note, transform=panel.transAxes, ha="right", va="bottom", fontsize=8, color=GREY)
