"""Methods at their ends and mixed back to equal retention; and what the order of training stages changes."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, line_with_spread, log_ticks, styled
from figures.labels import literal
from records.store import Data
from synthetic.readings import at_retention

__all__ = ["draw"]

RETAINED = 0.95
ORDERS = {"first": ("#D55E00", "forget rows learnt first"), "last": ("#0072B2", "forget rows learnt last")}
LEFT = 0.3  # nats a token


def draw(results: Mapping[str, Data]) -> Figure:
    """Left: from the ends to equal retention, a line a method. Right: what kept answers lose, by order of stages."""
    with styled():
        figure = Figure(figsize=(11.5, 4.8))
        axes = figure.subplots(1, 2, width_ratios=(1.25, 1))
        _ends(axes[0], results["transformer/mixing"])
        _orders(axes[1], results["transformer/stages"])
    return figure


def _ends(ax: Axes, data: Data) -> None:
    names = dict.fromkeys(key.rpartition("-")[0] for key in data.arrays)
    for name in names:
        pairs = [[data.arrays[f"{name}-{s}.{side}"] for side in ("forget", "retain")] for s in data.values["seeds"]]
        ends = np.mean([forget[-1] for forget, _ in pairs])
        equal = np.mean([at_retention(forget, retain, RETAINED) for forget, retain in pairs])
        ax.plot([0, 1], [ends, equal], label=literal(name), **LOOK.get(name, {"color": "black"}))
    ax.set_xticks([0, 1], ["at the end", f"mixed to {RETAINED:.0%} retention"])
    ax.set(xlim=(-0.15, 1.15), ylim=(0, None), ylabel="probability of forget answers a token")
    ax.set_title("(a) at equal retention the order is another")
    ax.legend(fontsize=7, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _orders(ax: Axes, data: Data) -> None:
    """Mean and range over seeds, in the logarithm."""
    for name, style, most in (("GA", "-", 5.0), ("NPO", "--", 1.3)):
        lost = np.geomspace(LEFT, most, 40)
        for order, (colour, said) in ORDERS.items():
            runs = [[data.arrays[f"{name}-{order}-{s}.{c}"] for c in ("drop", "kept")] for s in data.values["seeds"]]
            every = np.exp([np.interp(lost, drop, np.log(np.maximum(kept, 1e-6))) for drop, kept in runs])
            line_with_spread(ax, lost, every, color=colour, linestyle=style, label=f"{name}, {said}")
    ax.set(xscale="log", yscale="log", xlabel="nats a token lost of forget answers", ylabel="of kept answers")
    log_ticks(ax.xaxis)
    ax.set_title("(b) the same rows, learnt in another order")
    ax.legend(fontsize=8)
