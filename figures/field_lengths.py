"""NPO's weights: what they are in the first epochs, whom they favour, and what an answer's length does to them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data
from synthetic.transformer.field import short_answers, weights

__all__ = ["draw"]

SHORT, LONG = "#D55E00", "#0072B2"


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels: weights by epoch, weights against what was known, drops a token of both lengths."""
    lengths, of_weights = results["transformer/short-answers"], results["transformer/weights"]
    with styled():
        figure = Figure(figsize=(13.2, 4.2))
        axes = figure.subplots(1, 3)
        _epochs(axes[0], of_weights)
        _known(axes[1], of_weights)
        _lengths(axes[2], lengths)
    return figure


def _weights(data: Data, seed: int) -> np.ndarray:
    return np.asarray(2 / (1 + np.exp(weights.BETA * data.arrays[f"{seed}.drop"])))


def _epochs(ax: Axes, data: Data) -> None:
    for k, seed in enumerate(data.values["seeds"]):
        w = _weights(data, seed)
        epochs = np.arange(len(w)) / w.shape[1]
        label = "mean over answers, a line a seed" if k == 0 else ""
        ax.plot(epochs, w.mean(axis=1), color=LONG, alpha=0.7, label=label)
    ax.axvspan(0, 1, color="black", alpha=0.06, label="the first epoch")
    ax.set(xlabel="epochs", ylabel="NPO's weight", ylim=(0, 1.05), title="(a) weights, β = 0.1, AdamW")
    ax.legend(loc="lower left", fontsize=8)


def _known(ax: Axes, data: Data) -> None:
    for seed in data.values["seeds"]:
        known, w = data.arrays[f"{seed}.known"], _weights(data, seed).mean(axis=0)
        shown = np.arange(len(known)) < len(known) // 2
        for which, colour, marker in ((shown, SHORT, "o"), (~shown, LONG, "s")):
            ax.plot(known[which], w[which], marker, color=colour, markersize=4, linestyle="none")
    ax.plot([], [], "o", color=SHORT, linestyle="none", label="shown three times")
    ax.plot([], [], "s", color=LONG, linestyle="none", label="shown once")
    ax.set(xlabel=r"$\log\,\pi_{\rm ref}$ a token (right: known by heart)", ylabel="mean weight over five epochs")
    ax.set_title("(b) what is known better weighs more")
    ax.legend(fontsize=8)


def _lengths(ax: Axes, data: Data) -> None:
    beta, tokens = short_answers.BETA, short_answers.LENGTHS
    looks = data.arrays["steps"]
    runs = (
        (f"short-{beta:g}", "short", SHORT, "-"),
        (f"short-{4 * beta:g}", "short", SHORT, "--"),
        (f"long-{beta:g}", "long", LONG, "-"),
    )
    for run, length, colour, style in runs:
        every = np.array([data.arrays[f"{run}-{seed}.{length}"] for seed in data.values["seeds"]])
        b = float(run.partition("-")[2])
        label = f"{tokens[length]} tokens, β = {b:g}: nβ = {tokens[length] * b:g}"
        ax.plot(looks, every.mean(axis=0), color=colour, linestyle=style, label=label)
        ax.fill_between(looks, every.min(axis=0), every.max(axis=0), color=colour, alpha=0.1, linewidth=0)
    ax.set(xscale="log", xlabel="steps", ylabel="nats a token lost", title="(c) each length alone: a token feels nβ")
    ax.legend(fontsize=8)
