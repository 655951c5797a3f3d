"""Weights of tokens: what they keep, how long they wait; and whether kept rows recover once forgetting slows down."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, line_with_spread, styled
from records.store import Data
from synthetic.transformer.field.recovery import METHODS
from synthetic.transformer.field.saturation import DELAYS, WEIGHTS

__all__ = ["draw"]

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#999999")
STYLES = ("-", "--", "-.", ":")


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels: kept against forgotten, tokens gone by step, the loss of kept answers by step."""
    with styled():
        figure = Figure(figsize=(13.2, 4.2))
        axes = figure.subplots(1, 3)
        _trade(axes[0], results["transformer/saturation"])
        _escape(axes[1], results["transformer/saturation"])
        _recovery(axes[2], results["transformer/recovery"])
    return figure


def _trade(ax: Axes, data: Data) -> None:
    forgotten = np.linspace(0.1, 0.85, 60)
    for (name, (beta1, beta2)), colour, style in zip(WEIGHTS.items(), COLOURS, STYLES, strict=True):
        runs = [
            [data.arrays[f"trade-{name}-{s}.{side}"] for side in ("forget", "retain")] for s in data.values["seeds"]
        ]
        every = np.array([np.interp(forgotten, forget[::-1], retain[::-1]) for forget, retain in runs])
        said = f"β₁ = {beta1:g}, β₂ = {beta2:g}" + (f": {name}" if 0 in (beta1, beta2) else "")
        ax.plot(forgotten, every.mean(axis=0), color=colour, linestyle=style, label=said)
    ax.invert_xaxis()
    ax.set(xlabel="probability of forget answers, a token", ylabel="of kept answers")
    ax.set_title("(a) what weights p^β₁ (1 − p)^β₂ keep")
    ax.legend(fontsize=8)


def _escape(ax: Axes, data: Data) -> None:
    steps = data.arrays["escape-steps"]
    for beta2, colour, style in zip(DELAYS, COLOURS[1:], STYLES, strict=False):
        every = np.array([data.arrays[f"escape-{beta2:g}-{s}.gone"] for s in data.values["seeds"]])
        law = np.mean([data.arrays[f"escape-{beta2:g}-{s}.law"] for s in data.values["seeds"]])
        label = f"β₂ = {beta2:g}: an integral of {law:.0f}"
        line_with_spread(ax, steps, every, color=colour, linestyle=style, label=label)
    ax.axhline(0.5, color="black", linewidth=0.5)
    ax.set(xscale="log", xlabel="steps of plain descent", ylabel="tokens with p < 1/2")
    ax.set_title("(b) how long confident tokens wait, β₁ = 5")
    ax.legend(fontsize=8, loc="upper left")


def _recovery(ax: Axes, data: Data) -> None:
    for method in METHODS:
        every = np.array([data.arrays[f"{method}-{s}.loss"] for s in data.values["seeds"]])
        look = {key: x for key, x in LOOK[method].items() if key != "marker"}
        line_with_spread(ax, data.arrays["steps"][: every.shape[1]], every, label=method, **look)
    ax.set(xscale="log", yscale="log", ylim=(0.02, 20), xlabel="steps of plain descent")
    ax.set_ylabel("loss of kept answers, nats a token")
    ax.set_title("(c) kept rows recover from NPO+RT")
    ax.legend(fontsize=8)
