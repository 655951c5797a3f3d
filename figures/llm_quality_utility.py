"""After Figure 5 of arXiv:2404.05868: forget quality against model utility, from the finetuned model to the end."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import legend_columns
from figures.llm_runs import GREY, SAME, look_of, number, paths
from records.examined import moments_of
from records.store import Data

__all__ = ["draw"]

MANY = 13
"""Methods from which on a legend among the paths would hide them."""


def draw(results: Mapping[str, Data]) -> Figure:
    """A path for each method, its end marked; the retrained model is the goal, up and to the right."""
    first = next(iter(results.values())).values
    with styled():
        figure = Figure(figsize=(8.4, 4.8))
        axes = figure.subplots()
        utility, quality = paths(results, "model_utility"), paths(results, "log10_forget_quality")
        for place, label in enumerate(utility):
            look = look_of(label, place)
            x, y = utility[label].mean, quality[label].mean
            axes.plot(x, y, color=look["color"], linewidth=1.0, alpha=0.5, zorder=1)
            ends = {"marker": look.get("marker") or "o", "color": look["color"], "markersize": 9}
            axes.plot(x[-1:], y[-1:], **ends, linestyle="", label=utility[label].name)
        start = moments_of(first)[0].scores
        at, height = number(start["model_utility"]), number(start["log10_forget_quality"])
        axes.plot([at], [height], "s", color=GREY, label="finetuned")
        if (goal := first["retrained"].get("model_utility")) is not None:
            axes.plot([goal], [0.0], "*", color="black", markersize=13, label="retrained")
        axes.axhline(np.log10(SAME), color="black", linewidth=0.8)
        axes.text(0.3, np.log10(SAME), f"p = {SAME}", transform=axes.get_yaxis_transform(), va="bottom", fontsize=8)
        axes.set(title="Forget quality against utility", xlabel="model utility", ylabel="log₁₀ forget quality (KS p)")
        if len(utility) > MANY:
            handles, labels = axes.get_legend_handles_labels()
            figure.set_figheight(4.8 + 0.2 * -(-len(labels) // 3))
            figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns(labels, 8.4), fontsize=8)
        else:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        if first["not_rankable"]:
            figure.supxlabel("Methods can't be ranked here. " + " ".join(first["not_rankable"]), fontsize=8, wrap=True)
    return figure
